"""Pictures for people: each function draws plain arrays into a figure of its own, without pyplot or global state."""

from emoboost.plots.bars import plot_robustness, plot_speakers
from emoboost.plots.calibration import plot_reliability, plot_risk_coverage
from emoboost.plots.canvas import png
from emoboost.plots.confusion import plot_confusion, plot_confusion_counts, plot_confusion_shares
from emoboost.plots.enhancement import plot_enhancement
from emoboost.plots.learning import plot_learning
from emoboost.plots.vectors import plot_vectors, tsne

__all__ = [
    "plot_confusion",
    "plot_confusion_counts",
    "plot_confusion_shares",
    "plot_enhancement",
    "plot_learning",
    "plot_reliability",
    "plot_risk_coverage",
    "plot_robustness",
    "plot_speakers",
    "plot_vectors",
    "png",
    "tsne",
]
