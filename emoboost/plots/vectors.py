"""Utterance vectors on a plane."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emoboost.plots.canvas import COLOURS, MARKERS, new_figure, plain, shortened, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tsne(vectors: np.ndarray) -> np.ndarray:
    """Positions in which neighbours among the vectors stay neighbours (van der Maaten and Hinton 2008).

    Args:
        vectors: (n, D), n at least 4.

    Returns:
        (n, 2) float32; distances between groups and the axes mean nothing.
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    positions = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1).fit_transform(vectors)
    return np.asarray(positions, np.float32)


def plot_vectors(
    positions: Mapping[str, np.ndarray], truth: np.ndarray, classes: Sequence[str], title: str
) -> "Figure":
    """Points side by side, coloured by their true class.

    Args:
        positions: name of each panel -> (n, 2).
        truth: (n,) class numbers.
        classes: names.
        title: above the picture.
    """
    width = 5.2 * len(positions)
    figure = new_figure(width, 6.0)
    panels = figure.subplots(1, len(positions), squeeze=False)[0]
    for axes, (name, points) in zip(panels, positions.items(), strict=True):
        for number, label in enumerate(classes):
            chosen = truth == number
            axes.scatter(
                *points[chosen].T,
                s=30,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                linewidths=0.3,
                edgecolors="white",
                label=shortened(label),
            )
        axes.set_title(plain(name), fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_box_aspect(1)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(wrapped(title, width), fontsize=11)
    return figure
