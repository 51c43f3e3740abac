"""Whether a confidence means what it says."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from emoboost.metrics import Reliability
from emoboost.plots.canvas import COLOURS, GUIDE, guides, new_figure, plain, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_reliability(curves: Mapping[str, Reliability], title: str) -> "Figure":
    """How often labels of a confidence are right; below it, how many labels there are of each.

    Args:
        curves: legend -> bins of equal width; at most as many as there are colours.
        title: above the picture.
    """
    figure = new_figure(6.4, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 100], [0, 100], color=GUIDE, linestyle="--", linewidth=1, label="as confident as right")
    width = 100 / max(len(bins.count) for bins in curves.values()) / (len(curves) + 1)
    for number, (name, bins) in enumerate(curves.items()):
        filled = bins.count > 0
        style = {"color": COLOURS[number], "label": plain(name)}
        marker = "os^Dv"[number % 5]
        upper.plot(100 * bins.confidence[filled], 100 * bins.accuracy[filled], marker=marker, clip_on=False, **style)
        middles = 100 * (np.arange(len(bins.count)) + 0.5) / len(bins.count)
        lower.bar(middles + (number - (len(curves) - 1) / 2) * width, bins.count, width, **style)
    upper.set_ylabel("labels that are right (%)")
    upper.set_ylim(-2, 102)
    upper.set_xlim(0, 100)
    lower.set_ylabel("labels")
    lower.set_xlabel("confidence (%)")
    for axes in (upper, lower):
        guides(axes)
    figure.suptitle(wrapped(title, 6.4), fontsize=11)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def plot_risk_coverage(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> "Figure":
    """Error rate among the labels that are kept when the least confident are dropped.

    Args:
        curves: legend -> coverage (n,) and risk (n,), in [0, 1].
        title: above the picture.
    """
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    for number, (name, (coverage, risk)) in enumerate(curves.items()):
        dashes = ("-", "--", ":", "-.")[number % 4]
        axes.plot(100 * coverage, 100 * risk, color=COLOURS[number], linestyle=dashes, label=plain(name))
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("coverage: labels kept, most confident first (%)")
    axes.set_ylabel("risk: wrong among those kept (%)")
    guides(axes)
    figure.suptitle(wrapped(title, 6.4), fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
