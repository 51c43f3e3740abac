"""Confusion matrices: rows are the truth, columns the prediction."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emoboost.plots.canvas import new_figure, png, shortened, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_confusion(counts: np.ndarray, classes: Sequence[str], title: str, file: Path) -> None:
    """A confusion matrix as a PNG file; each cell shows its share of the row and its count.

    Args:
        counts: (classes, classes) from `metrics.confusion`.
        classes: names in the same order.
        title: above the picture.
        file: where to write it.
    """
    figure = _matrix(counts, classes, title, lambda share, count: f"{share:.0%}\n{count:.0f}")
    file.write_bytes(png(figure))


def plot_confusion_counts(counts: np.ndarray, classes: Sequence[str], title: str) -> "Figure":
    """A confusion matrix whose cells show utterances, shaded by their share of the row.

    Args:
        counts: (classes, classes); may be a mean over seeds.
        classes: names in the same order.
        title: above the picture.
    """
    digits = 0 if np.array_equal(counts, np.round(counts)) else 1
    return _matrix(counts, classes, title, lambda _, count: f"{count:.{digits}f}" if count else "0")


def plot_confusion_shares(counts: np.ndarray, classes: Sequence[str], title: str) -> "Figure":
    """A confusion matrix whose cells show percent of the row, so that the diagonal holds the recalls."""
    return _matrix(counts, classes, title, lambda share, _: f"{100 * share:.1f}" if share else "0")


def _matrix(counts: np.ndarray, classes: Sequence[str], title: str, cell: Callable[[float, float], str]) -> "Figure":
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(sums > 0, sums, 1)
    size = 2.2 + 0.75 * len(classes)
    figure = new_figure(size + 0.8, size)
    # A square picture would stand in the middle of its space, and the labels left of it outside.
    figure.set_layout_engine("compressed")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        text = cell(float(share), float(counts[row, column]))
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    names = [shortened(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    figure.suptitle(wrapped(title, size + 0.8), fontsize=11)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.set_ticklabels(["0", "25", "50", "75", "100"])
    bar.set_label("share of the true class (%)")
    return figure
