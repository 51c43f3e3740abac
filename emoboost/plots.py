"""Pictures for people."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def plot_confusion(counts: np.ndarray, classes: Sequence[str], title: str, file: Path) -> None:
    """A confusion matrix, rows are the truth; each cell shows its share of the row and its count.

    Args:
        counts: (classes, classes) from `metrics.confusion`.
        classes: names in the same order.
        title: above the picture.
        file: where to write it (PNG by suffix).
    """
    from matplotlib.figure import Figure

    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = 1.4 + 0.85 * len(classes)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), share in np.ndenumerate(shares):
        axes.text(
            column,
            row,
            f"{share:.0%}\n{counts[row, column]}",
            ha="center",
            va="center",
            color="white" if share > 0.5 else "black",
            fontsize=9,
        )
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.046)
    figure.savefig(file, dpi=110)
