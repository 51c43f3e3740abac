"""Where frozen encoders come from, so that every worker can load them by itself."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emoboost.checkpoint import find_model, load_frozen, load_trained
from emoboost.config import ModelConfig
from emoboost.defaults import DEFAULT_MODEL
from emoboost.encoder_identity import CLASSIFIER
from emoboost.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from emoboost.model import FrozenEncoders


ALEXNET = "alexnet."
"""How names of its tensors begin in a model."""


NO_ALEXNET = "--base-model {}: it has no spectrogram branch to take AlexNet from"


@dataclass(frozen=True)
class EncoderSource:
    """A model's embedded encoders, or others in their place."""

    model: str = DEFAULT_MODEL
    """Name or folder: its feature settings, its AlexNet and, unless the next is given, its speech encoder."""
    encoder: str | None = None
    """Hub id or folder of another speech encoder."""
    layers: tuple[int, ...] = ()
    """Of that other encoder; empty for the usual ones."""
    alexnet: str | None = None
    """Safetensors file of torchvision's AlexNet features, in place of the model's."""
    classifier_only: bool = False
    """Whether all that makes the model's vectors stays, so that the classifier alone is trained."""

    def kept(self) -> "dict[str, Tensor]":
        """Tensors of the model's head that stay as they are; empty when all of the head is trained.

        Raises:
            ModelError: the weights are missing, or were changed since training.
        """
        if not self.classifier_only:
            return {}
        trained = load_trained(find_model(self.model))
        return {name: tensor for name, tensor in trained.items() if not name.startswith(CLASSIFIER)}

    def load(self, name: str, classes: tuple[str, ...]) -> tuple[ModelConfig, "FrozenEncoders"]:
        """A model of that name with untrained head sizes of the source, and its encoders.

        Raises:
            UsageError: a folder, file, hub id or layer cannot be used, or an AlexNet was given for a model without one.
        """
        from emoboost.model import FrozenEncoders

        if self.layers and self.encoder is None:
            raise UsageError("--layers belongs to --encoder; a model's own encoder is cut to its layers")
        folder = find_model(self.model)
        config = dataclasses.replace(
            folder.config,
            name=name,
            classes=classes,
            temperature=1.0,
            bias=(),
            calibrated_on=None,
            training={},
            weights={},
        )
        tensors = load_frozen(folder)
        if config.spectrogram_branch is None:
            if self.alexnet is not None:
                raise UsageError(NO_ALEXNET.format(self.model))
            tensors = {key: value for key, value in tensors.items() if not key.startswith(ALEXNET)}
        if self.encoder is not None:
            from emoboost.backbone import load_encoder

            backbone = load_encoder(self.encoder, self.layers or None)
            config = dataclasses.replace(config, backbone=backbone.config)
            tensors = {key: value for key, value in tensors.items() if not key.startswith("backbone.")}
            tensors |= {f"backbone.{key}": value for key, value in backbone.state_dict().items()}
        if self.alexnet is not None:
            own = {key: value for key, value in tensors.items() if key.startswith(ALEXNET)}
            tensors |= read_alexnet(Path(self.alexnet), own)
        encoders = FrozenEncoders(config)
        encoders.load_state_dict({key: value.float() for key, value in tensors.items()})
        return config, encoders


def read_alexnet(file: Path, like: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Tensors of torchvision's AlexNet features, under a model's names.

    Args:
        file: with torchvision's names.
        like: a model's own, whose names and shapes the file must have.

    Raises:
        UsageError: the file cannot be read, or holds other tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = {f"{ALEXNET}{key}": value for key, value in load_file(file).items()}
    except (OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{file}: not the features of torchvision's AlexNet in safetensors ({reason})") from error
    shapes = {key: tuple(value.shape) for key, value in found.items()}
    if other := set(shapes.items()) ^ {(key, tuple(value.shape)) for key, value in like.items()}:
        name = min(other)[0].removeprefix(ALEXNET)
        raise UsageError(f"{file}: not the features of torchvision's AlexNet in safetensors (look at tensor {name})")
    return found
