"""A sample of an output for people to listen to, and the figures of the output that their labels give."""

from emoboost.review.classes import Classes
from emoboost.review.draw import Draw, Drawn, draw
from emoboost.review.folder import Clips, refuse_used, write_review
from emoboost.review.judged import Judged, judge, model_classes
from emoboost.review.score import Score, score
from emoboost.review.strata import BANDS, Strata, Stratum, allocation
from emoboost.review.table import write_table
from emoboost.review.truth import Truth, read_truth

__all__ = [
    "BANDS",
    "Classes",
    "Clips",
    "Draw",
    "Drawn",
    "Judged",
    "Score",
    "Strata",
    "Stratum",
    "Truth",
    "allocation",
    "draw",
    "judge",
    "model_classes",
    "read_truth",
    "refuse_used",
    "score",
    "write_review",
    "write_table",
]
