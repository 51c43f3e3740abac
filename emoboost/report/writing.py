"""The report's folder."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.atomic import write_whole
from emoboost.evaluation import Evaluation
from emoboost.report.blocks import Picture
from emoboost.report.figures import figures_of
from emoboost.report.markdown import markdown_report
from emoboost.report.page import html_report
from emoboost.report.pictures import pictures_of
from emoboost.report.predictions import predictions_table
from emoboost.report.sections import sections_of, title_of

REPORT_FILE = "report.json"
"""Written last."""


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write `report.html`, `report.md`, `predictions.parquet`, `pictures/*.png` and, last, `report.json`.

    A file is there and whole, or it is not there; while `report.json` is there, the others belong to it.

    Args:
        evaluation: what was found.
        folder: is made if it does not exist; a report in it is replaced, with all PNG files of its `pictures/`.

    Raises:
        ValueError: the evaluation has no run, or runs that tested different utterances.
        OSError: the folder cannot be written.
    """
    figures = figures_of(evaluation)
    pictures = pictures_of(evaluation, figures)
    title, sections = title_of(figures), sections_of(figures, pictures)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / REPORT_FILE).unlink(missing_ok=True)
    _write_pictures([picture for found in pictures.values() for picture in found], folder / "pictures")
    write_whole(folder / "predictions.parquet", _parquet(predictions_table(evaluation)))
    write_whole(folder / "report.md", markdown_report(title, sections).encode())
    write_whole(folder / "report.html", html_report(title, sections).encode())
    content = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / REPORT_FILE, f"{content}\n".encode())


def _write_pictures(pictures: Sequence[Picture], folder: Path) -> None:
    """Write them; what an earlier report left beside them goes."""
    files = [folder / f"{picture.name}.png" for picture in pictures]
    for file, picture in zip(files, pictures, strict=True):
        write_whole(file, picture.png)
    for file in set(folder.glob("*.png")).difference(files):
        file.unlink()


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())
