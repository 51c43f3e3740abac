"""A finished or unfinished output, checked again from scratch against its plan."""

from emoboost.verify.findings import Finding, Findings
from emoboost.verify.marker_check import check_marker, read_marker
from emoboost.verify.output_check import Verified, open_output, verify
from emoboost.verify.recompute import Recomputed, model_of, recompute
from emoboost.verify.sample import Sample

__all__ = [
    "Finding",
    "Findings",
    "Recomputed",
    "Sample",
    "Verified",
    "check_marker",
    "model_of",
    "open_output",
    "read_marker",
    "recompute",
    "verify",
]
