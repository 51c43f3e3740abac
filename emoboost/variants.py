"""The paper's ablations by name."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emoboost.config import ModelConfig
from emoboost.errors import UsageError


@dataclass(frozen=True)
class Variant:
    """A model with some of its parts."""

    title: str
    """In tables."""
    change: Callable[[ModelConfig], ModelConfig]


def keep(*, mfcc: bool, spectrogram: bool, attention: bool = True) -> Callable[[ModelConfig], ModelConfig]:
    """A function that removes the guidance branches (paper, Table 3) or the attention (Table 4) that are not kept."""

    def change(config: ModelConfig) -> ModelConfig:
        return dataclasses.replace(
            config,
            mfcc_branch=config.mfcc_branch if mfcc else None,
            spectrogram_branch=config.spectrogram_branch if spectrogram else None,
            enhancement=dataclasses.replace(config.enhancement, attention=config.enhancement.attention and attention),
        )

    return change


WHOLE, ALONE = "both", "encoder"
"""The whole model, and what guidance is compared with."""
VARIANTS: Mapping[str, Variant] = {
    WHOLE: Variant("both", keep(mfcc=True, spectrogram=True)),
    "spectrogram": Variant("spectrogram", keep(mfcc=False, spectrogram=True)),
    "mfcc": Variant("mfcc", keep(mfcc=True, spectrogram=False)),
    ALONE: Variant("encoder alone", keep(mfcc=False, spectrogram=False)),
    "no-attention": Variant("both, no attention", keep(mfcc=True, spectrogram=True, attention=False)),
}
"""Name on the command line -> variant; the first is the whole model."""
SMALLEST_FIRST = (ALONE, "mfcc", "spectrogram", "no-attention", WHOLE)
"""The last would take nothing from any model."""


def chosen_variants(text: str) -> list[str]:
    """`both,encoder` -> names in that order; `all` is every one.

    Raises:
        UsageError: an unknown or repeated name, or none.
    """
    names = list(VARIANTS) if text == "all" else [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in VARIANTS]:
        raise UsageError(f"--variants {text}: no variant {unknown[0]!r}; there is {', '.join(VARIANTS)}, or all")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--variants {text}: name each variant once: {', '.join(VARIANTS)}, or all")
    return names


def variant_of(config: ModelConfig) -> str:
    """Name of the variant that a model is: of those that would take nothing from it the smallest."""
    return next(name for name in SMALLEST_FIRST if VARIANTS[name].change(config) == config)


def chosen_variant(name: str) -> str:
    """`train --variant`: the name, if there is such a variant.

    Raises:
        UsageError: there is none.
    """
    if name not in VARIANTS:
        raise UsageError(f"--variant {name}: no such variant; there is {', '.join(VARIANTS)}")
    return name


def used_parts(names: Sequence[str], config: ModelConfig) -> ModelConfig:
    """The model with those guidance branches that any of the variants has."""
    variants = configs_of(names, config).values()
    return dataclasses.replace(
        config,
        mfcc_branch=next((each.mfcc_branch for each in variants if each.mfcc_branch), None),
        spectrogram_branch=next((each.spectrogram_branch for each in variants if each.spectrogram_branch), None),
    )


def configs_of(names: Sequence[str], config: ModelConfig) -> dict[str, ModelConfig]:
    """Each variant's model."""
    return {name: VARIANTS[name].change(config) for name in names}
