"""Whisper's encoder: log-mel of a segment to hidden states (Radford et al. 2022)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from emoboost.backbone.hub import EncoderFolder
from emoboost.backbone.tensors import StoredTensors
from emoboost.config import BackboneConfig, LogMelConfig

if TYPE_CHECKING:
    from transformers import WhisperConfig

STRIDE = 2
"""Mel frames per encoder frame: the second convolution's stride."""
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
    """The truncated encoder with random weights."""
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    encoder: nn.Module = WhisperEncoder(whisper_config(config))
    if max(config.layers) < config.full_layers:
        # transformers applies the final LayerNorm after any last layer; it belongs to the full model's only.
        encoder.layer_norm = nn.Identity()
    return encoder


def whisper_config(config: BackboneConfig) -> "WhisperConfig":
    """The truncated encoder in transformers' words: fewer layers, and positions for 3 s instead of 30."""
    from transformers import WhisperConfig

    return WhisperConfig(
        d_model=config.width,
        encoder_layers=config.depth,
        encoder_attention_heads=config.heads,
        encoder_ffn_dim=config.ffn,
        num_mel_bins=config.log_mel.n_mels,
        max_source_positions=config.frames,
        attn_implementation="sdpa",
    )


def read(stored: StoredTensors, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of those names and shapes, and no others; of a longer table of positions its first rows.

    Raises:
        ModelError: one is missing or has another shape.
    """
    prefix = stored.prefix(PREFIXES, "conv1.weight")
    return {
        name: stored.read(prefix + name, like.shape, first_rows=name == POSITIONS) for name, like in expected.items()
    }
