"""A finished or unfinished output, checked again from scratch against its plan."""

from emoboost.verify.findings import Finding, Findings
from emoboost.verify.output_check import Verified, open_output, verify
from emoboost.verify.recompute import Recomputed, model_of, recompute
from emoboost.verify.sample import Sample

__all__ = ["Finding", "Findings", "Recomputed", "Sample", "Verified", "model_of", "open_output", "recompute", "verify"]
