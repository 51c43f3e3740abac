"""Whisper's encoder: log-mel of a segment to hidden states (Radford et al. 2022)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from emoboost.backbone.hub import EncoderFolder
from emoboost.backbone.tensors import StoredTensors
from emoboost.backbone.whisper_encoder import STRIDE, WhisperEncoder
from emoboost.config import BackboneConfig, LogMelConfig

KEYS = ("encoder_layers", "d_model", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins")
PREFIXES = ("model.encoder.", "encoder.", "")
"""Where checkpoints keep the encoder: whole models, bare models, encoders alone."""
POSITIONS = "embed_positions.weight"


def describe(folder: EncoderFolder, found: Mapping[str, Any], layers: Sequence[int]) -> BackboneConfig:
    """What config.json says of the encoder.

    Raises:
        ModelError: a key is missing.
    """
    folder.require(found, KEYS)
    log_mel = LogMelConfig(n_mels=found["num_mel_bins"])
    return BackboneConfig(
        source=folder.source,
        revision=folder.revision,
        layers=tuple(layers),
        full_layers=found["encoder_layers"],
        frames=log_mel.frames // STRIDE,
        frame_samples=log_mel.hop_length * STRIDE,
        width=found["d_model"],
        heads=found["encoder_attention_heads"],
        ffn=found["encoder_ffn_dim"],
        log_mel=log_mel,
    )


def build(config: BackboneConfig) -> nn.Module:
    """The encoder with random weights, fewer layers, and positions for 3 s instead of 30."""
    return WhisperEncoder(
        n_mels=config.log_mel.n_mels,
        frames=config.frames,
        layers=config.depth,
        width=config.width,
        heads=config.heads,
        ffn=config.ffn,
        final_norm=max(config.layers) == config.full_layers,
    )


def states(encoder: nn.Module, log_mel: Tensor) -> Sequence[Tensor]:
    """Every hidden state."""
    found: Sequence[Tensor] = encoder(log_mel)
    return found


def read(stored: StoredTensors, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of those names and shapes, and no others; of a longer table of positions its first rows.

    Raises:
        ModelError: one is missing or has another shape.
    """
    prefix = stored.prefix(PREFIXES, "conv1.weight")
    return {
        name: stored.read(prefix + name, like.shape, first_rows=name == POSITIONS) for name, like in expected.items()
    }
