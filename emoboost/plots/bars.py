"""Figures of each speaker, and under each condition, as bars."""

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


def plot_robustness(
    conditions: Sequence[str], ua: np.ndarray, changed: np.ndarray, clean_ua: float, title: str
) -> "Figure":
    """One row a condition: its UA on the left, and on the right how many labels it changes.

    Args:
        conditions: (n,) names, from top to bottom.
        ua: (n,) in [0, 1].
        changed: (n,) share of labels that are others than of unchanged speech, in [0, 1].
        clean_ua: of unchanged speech, drawn as a line.
        title: above the picture.
    """
    figure = new_figure(7.2, 2.0 + 0.28 * len(conditions))
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(conditions))[::-1]
    for axes, values, colour, label in (
        (left, ua, COLOURS[0], "UA (%)"),
        (right, changed, COLOURS[1], "labels changed (%)"),
    ):
        axes.barh(places, 100 * values, color=colour, height=0.7)
        for place, value in zip(places, values, strict=True):
            axes.text(101, place, f"{100 * value:.1f}", va="center")
        axes.set_xlim(0, 100)
        axes.set_xlabel(label)
        guides(axes)
    left.axvline(
        100 * clean_ua, color="black", linestyle="--", linewidth=1.2, label=f"unchanged: {100 * clean_ua:.1f} %"
    )
    left.set_yticks(places, [shortened(name) for name in conditions])
    left.set_ylabel("test speech")
    figure.suptitle(wrapped(title, 7.2), fontsize=11)
    figure.legend(loc="outside lower right", frameon=False)
    return figure
