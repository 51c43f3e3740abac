"""Figures of each speaker."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emoboost.plots.canvas import COLOURS, guides, new_figure, shortened, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 40


def plot_speakers(
    speakers: Sequence[str], accuracies: np.ndarray, utterances: np.ndarray, pooled: float, title: str
) -> "Figure":
    """One bar a speaker, lowest first; with more than `MOST_BARS` speakers, how many there are of each accuracy.

    Args:
        speakers: (speakers,) names.
        accuracies: (speakers,) WA of each, in [0, 1].
        utterances: (speakers,) how many were tested.
        pooled: WA over all utterances, drawn as a line.
        title: above the picture.
    """
    from matplotlib.ticker import MaxNLocator

    many = len(speakers) > MOST_BARS
    height = 4.4 if many else 1.8 + 0.3 * len(speakers)
    figure = new_figure(7.2, height)
    axes = figure.subplots()
    if many:
        axes.hist(100 * accuracies, bins=np.linspace(0, 100, 21).tolist(), color=COLOURS[0], edgecolor="white")
        axes.set_ylabel("speakers")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        order = np.argsort(accuracies, kind="stable")[::-1]
        axes.barh(range(len(order)), 100 * accuracies[order], color=COLOURS[0], height=0.7)
        for place, speaker in enumerate(order):
            axes.text(101, place, f"{100 * accuracies[speaker]:.1f}", va="center")
        axes.set_yticks(range(len(order)), [f"{shortened(speakers[s])} (n = {utterances[s]})" for s in order])
        axes.set_ylabel("speaker (utterances)")
    axes.axvline(100 * pooled, color="black", linestyle="--", linewidth=1.2, label=f"pooled: {100 * pooled:.1f} %")
    axes.set_xlim(0, 100)
    axes.set_xlabel("WA: utterances labelled right (%)")
    guides(axes)
    figure.suptitle(wrapped(title, 7.2), fontsize=11)
    figure.legend(loc="outside lower right", frameon=False)
    return figure
