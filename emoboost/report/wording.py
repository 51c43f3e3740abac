"""How numbers are written in tables."""

from collections.abc import Sequence

NOTHING = "–"
PAPER_NAMES = {
    "encoder alone": "encoder alone",
    "mfcc": "+ MFCC",
    "spectrogram": "+ spectrogram",
    "both": "+ both (MS-EmoBoost)",
    "both, no attention": "both, without attention",
}
"""Title of a variant -> what tables call it, in the order of the paper's Tables 3 and 4."""


def percent(share: float | None) -> str:
    """`0.942` -> `94.2`."""
    return NOTHING if share is None else f"{100 * share:.1f}"


def points(difference: float | None) -> str:
    """A difference of two shares in percentage points, with its sign: `-0.006` -> `−0.6`."""
    if difference is None:
        return NOTHING
    return f"{100 * difference:+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0").replace("-", "−")


def span(interval: Sequence[float] | None) -> str:
    """`92.1 to 96.0`."""
    return NOTHING if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def points_span(interval: Sequence[float] | None) -> str:
    """`−1.2 to +0.4`."""
    return NOTHING if interval is None else f"{points(interval[0])} to {points(interval[1])}"


def probability(p: float) -> str:
    """A p value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def yes_no(value: bool | None) -> str:
    """Words for a table."""
    return "not stated" if value is None else "yes" if value else "no"


def number(value: object) -> str:
    """A value of the recipe as a person writes it; nothing is rounded."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return yes_no(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(number, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
