"""Conditions under which a model is tried, beside the recordings as they are."""

from emoboost.augment import Augmentation
from emoboost.errors import UsageError

ARCHIVES = (
    *("before 0.1", "before 0.5", "after 0.5"),
    *("cut 1", "cut 2", "cut 3", "repeat 3", "repeat 5", "repeat 10"),
    *("gain 12", "gain -12", "white 30", "white 20", "white 10", "white 0"),
    *("mulaw", "gsm", "opus", "mp3"),
)
"""What archives do to speech: silence, length, level, noise, the telephone, codecs."""


def parse_conditions(text: str) -> tuple[str, ...]:
    """`--conditions`: `archives`, or changes as `Augmentation.parse` reads them, separated by commas.

    >>> parse_conditions("white 10, mulaw")
    ('white 10', 'mulaw')

    Raises:
        UsageError: an unknown change, or one that is there twice.
    """
    if text.strip() == "archives":
        return ARCHIVES
    names = [" ".join(name.split()) for name in text.split(",") if name.strip()]
    try:
        keys = [Augmentation.parse(name).key for name in names]
    except UsageError as error:
        raise UsageError(f"--conditions {text}: {error}") from error
    if not names or len(set(keys)) < len(keys):
        raise UsageError(f"--conditions {text}: give archives, or different changes separated by commas")
    return tuple(names)
