"""An evaluation as a folder that people and programs can read (docs/evaluation.md)."""

from emoboost.report.encoders import encoders_rows, encoders_table
from emoboost.report.figures import figures_of
from emoboost.report.markdown import markdown_table
from emoboost.report.predictions import predictions_table
from emoboost.report.writing import REPORT_FILE, write_report

__all__ = [
    "REPORT_FILE",
    "encoders_rows",
    "encoders_table",
    "figures_of",
    "markdown_table",
    "predictions_table",
    "write_report",
]
