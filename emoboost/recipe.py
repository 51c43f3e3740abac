"""Every number of a training run that is not part of the model."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a head is trained. The defaults are recipe R: few epochs, guidance kept close to mean pooling."""

    name: str = "r"
    epochs: int = 3
    """Passes over all copies; fixed, so that no epoch is ever chosen by looking at a test speaker."""
    batch_size: int = 32
    """Segments."""
    speeds: tuple[float, ...] = (1.0, 0.9, 1.1)
    """Training copies, made by resampling (pitch moves too); the first is the clean one. Tests see clean audio only."""
    classifier_lr: float = 2e-3
    guidance_lr: float = 1e-4
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
    class_weights: bool = False
    """Weigh each class by the inverse of its share of the training segments."""
    label_smoothing: float = 0.0
    patience: int | None = None
    """Stop after so many epochs without a better UA on the validation rows, and keep the best epoch; None never looks
    at validation rows."""
