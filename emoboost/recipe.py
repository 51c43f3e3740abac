"""Every number of a training run: the head's sizes, the copies it sees, the steps."""

import dataclasses
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from emoboost.augment import Augmentation
from emoboost.config import EnhancementConfig, MfccBranchConfig, ModelConfig, SpectrogramBranchConfig
from emoboost.errors import ModelError, UsageError
from emoboost.user_path import user_path

SUPPLIED = Path(str(resources.files("emoboost") / "recipes"))
"""Recipes of the package beside recipe R, whose numbers are the defaults below."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a head is built and trained. The defaults are recipe R: few epochs, guidance kept close to mean pooling."""

    name: str = "r"
    mfcc_branch: MfccBranchConfig = field(
        default_factory=lambda: MfccBranchConfig(frame_pool=4, lstm_layers=1, lstm_hidden=32)
    )
    spectrogram_branch: SpectrogramBranchConfig = field(
        default_factory=lambda: SpectrogramBranchConfig(standardise=True)
    )
    enhancement: EnhancementConfig = field(
        default_factory=lambda: EnhancementConfig(form="mean_start", standardise_frames=True)
    )
    loudness: float | None = None
    """`SegmentConfig.loudness`."""
    tail: Literal["pad", "align"] = "pad"
    """`SegmentConfig.tail`."""
    copies: tuple[str, ...] = ("clean", "speed 0.9", "speed 1.1")
    """Copies of each training utterance, as `Augmentation.parse` reads them; the first is the clean one. Tests see
    clean audio only."""
    epochs: int = 3
    """Passes over all copies; without a patience fixed, so that no epoch is ever chosen by looking at results."""
    batch_size: int = 32
    """Segments."""
    classifier_lr: float = 2e-3
    guidance_lr: float = 1e-4
    """Of the guidance branches and the enhancement."""
    encoder_lr: float = 1e-5
    """Of what `tune_encoder_layers` and `tune_alexnet` free."""
    weight_decay: float = 0.01
    classifier_l2: float = 0.1
    """Adds this times half the squared norm of the classifier's weights to the loss."""
    weight_penalty: float = 1.0
    """Adds this times the mean squared departure of the frame weights from mean pooling, on valid frames."""
    guidance_skip: float = 0.5
    """Share of training segments that are weighted as if there were no guidance."""
    gradient_clip: float = 5.0
    cosine: bool = True
    """Learning rates fall to 0 along a cosine; False keeps them."""
    shrinkage: float | None = None
    """After the last epoch the classifier is replaced by a linear discriminant analysis whose covariance is shrunk by
    this much (`discriminant.fit_discriminant`); None keeps it."""
    class_weights: bool = False
    """Weigh each class by the inverse of its share of the training segments."""
    label_smoothing: float = 0.0
    patience: int | None = None
    """Stop after so many epochs without a better UA on the validation rows, and keep the best epoch; None never looks
    at validation rows."""
    tune_encoder_layers: int = 0
    """Train so many of the encoder's last layers too. Features cannot be computed once then: every step runs it."""
    tune_alexnet: bool = False
    """Train AlexNet's convolutions too."""
    mixed_precision: bool = True
    """bfloat16 arithmetic on a GPU; a CPU always computes in float32."""

    def __post_init__(self) -> None:
        for name, ok, rule in (
            ("copies", self.copies[:1] == ("clean",), "starts with the clean copy"),
            ("epochs", self.epochs >= 1, "is at least 1"),
            ("batch_size", self.batch_size >= 1, "is at least 1"),
            ("guidance_skip", 0 <= self.guidance_skip <= 1, "lies in 0 to 1"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "lies in 0 to 1"),
            ("shrinkage", self.shrinkage is None or 0 < self.shrinkage <= 1, "is above 0 and at most 1, or left out"),
            ("loudness", self.loudness is None or 0 < self.loudness <= 1, "is above 0 and at most 1, or left out"),
            ("patience", self.patience is None or self.patience >= 1, "is at least 1, or left out"),
            ("gradient_clip", self.gradient_clip > 0, "is above 0"),
            *((name, getattr(self, name) >= 0, "is not below 0") for name in NOT_NEGATIVE),
        ):
            if not ok:
                raise UsageError(f"recipe {self.name}: {name} {rule}; it is {getattr(self, name)!r}")
        for copy in self.copies:
            Augmentation.parse(copy)

    @property
    def tunes(self) -> bool:
        """Whether anything of the encoders is trained."""
        return self.tune_encoder_layers > 0 or self.tune_alexnet

    def for_vectors_of(self, config: ModelConfig) -> "Recipe":
        """The same for a classifier alone: what makes vectors is that of a model, and no epoch is chosen."""
        return dataclasses.replace(
            self,
            mfcc_branch=config.mfcc_branch or self.mfcc_branch,
            spectrogram_branch=config.spectrogram_branch or self.spectrogram_branch,
            enhancement=config.enhancement,
            loudness=config.segment.loudness,
            tail=config.segment.tail,
            patience=None,
        )

    def head_of(self, config: ModelConfig) -> ModelConfig:
        """The same model with this recipe's head."""
        return dataclasses.replace(
            config,
            mfcc_branch=self.mfcc_branch,
            spectrogram_branch=self.spectrogram_branch,
            enhancement=self.enhancement,
            segment=dataclasses.replace(config.segment, loudness=self.loudness, tail=self.tail),
        )


NOT_NEGATIVE = (
    "classifier_lr",
    "guidance_lr",
    "encoder_lr",
    "weight_decay",
    "classifier_l2",
    "weight_penalty",
    "tune_encoder_layers",
)


def load_recipe(name_or_file: str) -> Recipe:
    """`r`, a recipe of the package such as `paper`, or a YAML file that says what differs from R.

    Raises:
        UsageError: no such recipe, not YAML, an unknown key, or a value that makes no sense; the message names it.
    """
    if name_or_file == "r":
        return Recipe()
    given = user_path(name_or_file)
    file = SUPPLIED / f"{name_or_file}.yaml"
    if not file.is_file():
        file = given
    if not file.is_file():
        supplied = ", ".join(["r", *sorted(path.stem for path in SUPPLIED.glob("*.yaml"))])
        raise UsageError(f"--recipe {name_or_file}: no such recipe; give one of {supplied}, or a YAML file")
    return _parse_recipe(file)


def _parse_recipe(file: Path) -> Recipe:
    import yaml

    from emoboost.config import parse_value

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{file}: not a recipe in YAML ({reason})") from error
    if not isinstance(values, dict):
        raise UsageError(f"{file}: a recipe is a list of names and values, as in 'epochs: 5'")
    try:
        parsed = parse_value(Recipe, {"name": file.stem, **values}, str(file))
    except ModelError as error:
        names = ", ".join(field.name for field in dataclasses.fields(Recipe))
        raise UsageError(f"{str(error).split(';')[0]}; a recipe has: {names}") from error
    assert isinstance(parsed, Recipe)
    return parsed
