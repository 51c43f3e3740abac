"""One interface to every encoder; a family is four functions."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from emoboost.backbone import wav2vec2, whisper
from emoboost.backbone.hub import CONFIG, EncoderFolder, find_encoder
from emoboost.backbone.tensors import StoredTensors, open_tensors
from emoboost.config import BackboneConfig
from emoboost.errors import ModelError
from emoboost.limits import refuse_oversized_encoder


class Backbone(nn.Module):
    """Inputs of a batch of segments to the hidden states of the requested layers, side by side.

    Its state dict holds exactly what the layers in use need; float16 tensors load into it as they are.
    """

    def __init__(self, config: BackboneConfig, encoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.requires_grad_(requires_grad=False)
        self.eval()

    @property
    def frames(self) -> int:
        """T': frames per segment."""
        return self.config.frames

    @property
    def dim(self) -> int:
        """D: channels per frame, of all requested layers."""
        return self.config.dim

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer layers in use, first to last."""
        layers = self.encoder.get_submodule("layers" if self.config.family == "whisper" else "encoder.layers")
        assert isinstance(layers, nn.ModuleList)
        return layers

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: the encoder is frozen also while a head on top of it is trained."""
        del mode
        return super().train(mode=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """What the config's `reads` names, of any float dtype -> (B, T', D).

        `log_mel` is (B, n_mels, 300), `waveform` is (B, 48000). There is no attention mask: padding is part of a
        segment (see `wav2vec2`).
        """
        inputs = inputs.to(next(self.encoder.parameters()).dtype)
        states = FAMILIES[self.config.family].states(self.encoder, inputs)  # (B, T', width) each
        return torch.cat([states[layer] for layer in self.config.layers], dim=-1)


@dataclass(frozen=True)
class Family:
    """What differs between encoders."""

    describe: Callable[[EncoderFolder, Mapping[str, Any], Sequence[int]], BackboneConfig]
    """Folder, content of its config.json, layers -> our config."""
    build: Callable[[BackboneConfig], nn.Module]
    """The truncated encoder with random weights."""
    states: Callable[[nn.Module, Tensor], Sequence[Tensor]]
    """The encoder and its input -> all hidden states."""
    read: Callable[[StoredTensors, Mapping[str, Tensor]], dict[str, Tensor]]
    """A checkpoint and the encoder's state dict -> a state dict with the checkpoint's values."""


WHISPER_LAYERS = (2, 3, 4)
WAVEFORM = Family(wav2vec2.describe, wav2vec2.build, wav2vec2.states, wav2vec2.read)
FAMILIES: Mapping[str, Family] = {
    "whisper": Family(whisper.describe, whisper.build, whisper.states, whisper.read),
    "wav2vec2": WAVEFORM,
    "hubert": WAVEFORM,
    "wavlm": WAVEFORM,
}
"""By transformers' `model_type`, which is `BackboneConfig.family`."""


def build_backbone(config: BackboneConfig) -> Backbone:
    """The encoder of that config, with random weights for `load_state_dict` to replace."""
    return Backbone(config, FAMILIES[config.family].build(config))


def usual_layers(family: str, last: int) -> tuple[int, ...]:
    """What is used of an encoder when nobody chooses: of a Whisper 2, 3 and 4, of others the last (paper, Input).

    In Whisper Base a fifth layer helps speakers of the same corpus, and harms those of another (docs/experiments.md).
    """
    return WHISPER_LAYERS if family == "whisper" and last >= max(WHISPER_LAYERS) else (last,)


def load_encoder(source: str | Path, layers: Sequence[int] | None = None, *, revision: str | None = None) -> Backbone:
    """Read the first layers of a speech encoder; the result's `config` says what was found.

    Args:
        source: a folder in transformers' layout, or a hub id such as "facebook/wav2vec2-base-960h", which is
            downloaded into the hub's cache. Weights are read from safetensors only, and no code comes with them.
            The config remembers the hub id and its commit, or the folder's name.
        layers: numbers of hidden states, from 0 (what the first layer sees) to the encoder's last layer; several are
            concatenated. None takes the usual ones.
        revision: branch, tag or commit of the hub id.

    Raises:
        ModelError: neither a folder nor a hub id that can be reached, an encoder of another family, one without
            safetensors, a damaged file, or a layer that the encoder does not have.
    """
    folder = find_encoder(source, revision)
    found = folder.read_json(CONFIG)
    family = FAMILIES.get(str(found.get("model_type")))
    if family is None:
        raise ModelError(
            f"{folder.path / CONFIG}: model_type is {found.get('model_type')!r}; give an encoder that is one of "
            f"{', '.join(FAMILIES)}"
        )
    config = family.describe(folder, found, layers or ())
    last = config.full_layers
    if layers is None:
        layers = usual_layers(config.family, last)
        config = dataclasses.replace(config, layers=layers)
    if not layers or not all(0 <= layer <= last for layer in layers):
        raise ModelError(f"{source}: layers {list(layers)} asked for; this encoder has layers 0 to {last}")
    refuse_oversized_encoder(config, str(folder.path / CONFIG))
    try:
        backbone = build_backbone(config)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder.path / CONFIG}: no such encoder can be built ({reason}); copy it again") from None
    with open_tensors(folder.with_weights()) as stored:
        backbone.encoder.load_state_dict(family.read(stored, backbone.encoder.state_dict()))
    return backbone
