"""What the laboratory's commands share: words on the command line as checked values."""

from pathlib import Path

from emoboost.checkpoint import find_model
from emoboost.encoder_source import EncoderSource
from emoboost.errors import UsageError
from emoboost.user_path import user_path

MOST = 2**32 - 1
"""The largest seed that every library takes."""


def parse_seeds(text: str, option: str) -> tuple[int, ...]:
    """`0,1,2` -> (0, 1, 2); empty -> ().

    Raises:
        UsageError: something that is not a whole number, or a seed twice.
    """
    return _numbers(text, option, "0,1,2")


def parse_layers(text: str) -> tuple[int, ...]:
    """`2,3,4` -> (2, 3, 4); empty -> ().

    Raises:
        UsageError: something that is not a whole number, or a layer twice.
    """
    return _numbers(text, "--layers", "2,3,4")


def encoder_source(base_model: str, encoder: str | None, layers: str, alexnet: Path | None) -> EncoderSource:
    """Where the frozen encoders come from; local folders by their absolute path, for workers elsewhere.

    Raises:
        UsageError: layers that are no numbers.
        ModelError: there is no such base model.
    """
    if encoder is not None and user_path(encoder).exists():
        encoder = str(user_path(encoder).absolute())
    return EncoderSource(
        model=find_model(base_model).reference,
        encoder=encoder,
        layers=parse_layers(layers),
        alexnet=None if alexnet is None else str(alexnet.absolute()),
    )


def _numbers(text: str, option: str, example: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = (0, 0)
    if len(set(numbers)) < len(numbers) or min(numbers, default=0) < 0 or max(numbers, default=0) > MOST:
        raise UsageError(f"{option} {text}: give different whole numbers separated by commas, as in {example}")
    return numbers
