"""What all pictures share: an empty figure, colours that a colour-blind reader can tell apart, PNG bytes."""

import io
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, without its yellow, which is too pale on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
ERROR = "#D55E00"
GUIDE = "#767676"


def new_figure(width: float, height: float) -> "Figure":
    """An empty white figure.

    Args:
        width: inches.
        height: inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def plain(text: str) -> str:
    """Text as it is: matplotlib takes what stands between two dollar signs for a formula."""
    return text.replace("$", r"\$")


def wrapped(text: str, inches: float) -> str:
    """A title that stays within a picture of this width; lines that are there are kept."""
    letters = max(20, int(inches * 10.5))
    return plain("\n".join(line for given in text.splitlines() for line in textwrap.wrap(given, letters)))


def shortened(name: str, letters: int = 24) -> str:
    """A name that fits beside an axis."""
    return plain(name if len(name) <= letters else name[: letters - 1] + "…")


def guides(axes: "Axes") -> None:
    """Faint lines behind the data, and no frame where nothing is read."""
    axes.grid(color="#e0e0e0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def png(figure: "Figure") -> bytes:
    """The figure as a PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
