"""How training went."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emoboost.plots.canvas import COLOURS, guides, new_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_learning(losses: Sequence[np.ndarray], validation: Sequence[np.ndarray], title: str) -> "Figure":
    """Loss after each epoch, and beside it the UA that chose the epoch, where one did.

    Args:
        losses: of each training, (epochs,); trainings may differ in length.
        validation: UA in [0, 1] of each training that looked at validation rows, (epochs,); empty if none did.
        title: above the picture.
    """
    panels = 2 if validation else 1
    figure = new_figure(5.6 * panels + 0.6, 4.2)
    first, *others = figure.subplots(1, panels, squeeze=False)[0]
    _curves(first, losses, COLOURS[0])
    first.set_ylabel("training loss with penalties (nats)")
    first.set_ylim(bottom=0)
    for axes in others:
        _curves(axes, [100 * values for values in validation], COLOURS[1])
        axes.set_ylabel("UA on validation utterances (%)")
    figure.suptitle(wrapped(title, 5.6 * panels), fontsize=11)
    return figure


def _curves(axes: "Axes", curves: Sequence[np.ndarray], colour: str) -> None:
    """Every training as a thin line; the mean of those that got so far as a thick one."""
    from matplotlib.ticker import MaxNLocator

    for curve in curves:
        axes.plot(range(1, len(curve) + 1), curve, color=colour, linewidth=0.8, alpha=0.3)
    longest = max(map(len, curves))
    means = [float(np.mean([curve[epoch] for curve in curves if len(curve) > epoch])) for epoch in range(longest)]
    axes.plot(range(1, longest + 1), means, color=colour, linewidth=2.4, marker="o", label="mean")
    axes.plot([], [], color=colour, linewidth=0.8, alpha=0.5, label=f"one training ({len(curves)} in all)")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    guides(axes)
