"""Encoders that hear the waveform: wav2vec 2.0, HuBERT and WavLM, Base and Large.

They share one form: seven convolutions (20 ms a frame), a convolution for positions, Transformer layers. Base models
normalise after each sub-layer and, in the first convolution, each channel over time; Large ones (`feat_extract_norm`
"layer", `do_stable_layer_norm`) before each sub-layer and each frame by itself. WavLM's layers share the relative
position bias that its first layer computes.

No attention mask is given. Base models were trained without one, and its group norm takes its statistics over the
whole zero-padded input, masked or not: with padding to the longest clip of a batch a label depends on its neighbours.
Here every segment has 48,000 samples, so the statistics are the same whatever the batch.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from emoboost.backbone.hub import CONFIG, PREPARATION, EncoderFolder
from emoboost.backbone.tensors import StoredTensors
from emoboost.config import BackboneConfig, SegmentConfig, WaveformConfig
from emoboost.errors import ModelError

KEYS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "feat_extract_norm",
    "do_stable_layer_norm",
)
"""Without these a config.json is damaged; the rest has the values that transformers gives when a key is left out."""
PREFIXES = ("wav2vec2.", "hubert.", "wavlm.", "")
"""Where checkpoints keep the encoder: models with a head, encoders alone."""
POSITIONS = "encoder.pos_conv_embed.conv."
NORMED = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
"""Length and direction of the position convolution's weight, as older and newer checkpoints call them."""
PLAIN = [
    field.name
    for field in dataclasses.fields(WaveformConfig)
    if field.name not in ("do_normalize", "conv_dim", "conv_kernel", "conv_stride")
]
"""What is taken from config.json as it is."""
NORM_AXIS = 2
"""Each of the kernel's positions has one length."""


def describe(folder: EncoderFolder, found: Mapping[str, Any], layers: Sequence[int]) -> BackboneConfig:
    """What config.json and preprocessor_config.json say of the encoder.

    Raises:
        ModelError: a file or key is missing, or a value is one that this family cannot have.
    """
    from huggingface_hub.errors import StrictDataclassError

    folder.require(found, KEYS)
    if found.get("adapter_attn_dim") is not None:
        raise ModelError(
            f"{folder.path / CONFIG}: this encoder has adapters in its layers (adapter_attn_dim), which are not "
            "supported; give the encoder that they were added to"
        )
    kind, _ = _classes(found["model_type"])
    try:
        known = kind.from_dict(dict(found))
    except (StrictDataclassError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder.path / CONFIG}: {reason}; copy the folder again") from None
    plain: dict[str, Any] = {name: getattr(known, name, None) for name in PLAIN}
    waveform = WaveformConfig(
        do_normalize=_do_normalize(folder),
        conv_dim=tuple(known.conv_dim),
        conv_kernel=tuple(known.conv_kernel),
        conv_stride=tuple(known.conv_stride),
        **plain,
    )
    return BackboneConfig(
        family=found["model_type"],
        source=folder.source,
        revision=folder.revision,
        layers=tuple(layers),
        full_layers=known.num_hidden_layers,
        frames=frames_after(SegmentConfig().samples, waveform),
        frame_samples=math.prod(waveform.conv_stride),
        width=known.hidden_size,
        heads=known.num_attention_heads,
        ffn=known.intermediate_size,
        waveform=waveform,
    )


def frames_after(samples: int, waveform: WaveformConfig) -> int:
    """Frames that the convolutions make of so many samples: 149 of 48,000 in every published encoder."""
    for kernel, stride in zip(waveform.conv_kernel, waveform.conv_stride, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def build(config: BackboneConfig) -> nn.Module:
    """The truncated encoder with random weights, its position convolution with a plain weight.

    transformers computes that weight anew from length and direction in every call, which is for training and slow.
    Attention is fused where the family's class can (not WavLM's, which adds a gated bias).
    """
    assert config.waveform is not None
    kind, model = _classes(config.family)
    architecture = {
        name: value
        for name, value in dataclasses.asdict(config.waveform).items()
        if name != "do_normalize" and value is not None
    }
    encoder: nn.Module = model(
        kind(
            hidden_size=config.width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            intermediate_size=config.ffn,
            # Masking is for training; without it the model has no vector for masked frames.
            mask_time_prob=0.0,
            mask_feature_prob=0.0,
            # As in transformers 4 and as in Whisper: the last hidden state is the one after the final LayerNorm.
            tie_last_hidden_states=True,
            **architecture,
        )
    )
    convolution = encoder.get_submodule(POSITIONS.rstrip("."))
    if parametrize.is_parametrized(convolution, "weight"):
        parametrize.remove_parametrizations(convolution, "weight")
    if config.waveform.do_stable_layer_norm and max(config.layers) < config.full_layers:
        # Before the first layer in post-norm encoders, after the last one in pre-norm encoders.
        encoder.get_submodule("encoder").layer_norm = nn.Identity()
    return encoder


def read(stored: StoredTensors, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of those names and shapes, and no others: no head, no quantizer, no layer above.

    Raises:
        ModelError: one is missing or has another shape.
    """
    prefix = stored.prefix(PREFIXES, "feature_projection.projection.weight")
    normed = next((pair for pair in NORMED if prefix + POSITIONS + pair[0] in stored.names), None)
    tensors = {}
    for name, like in expected.items():
        if normed and name == f"{POSITIONS}weight":
            length, direction = (prefix + POSITIONS + part for part in normed)
            one_each = [size if axis == NORM_AXIS else 1 for axis, size in enumerate(like.shape)]
            tensors[name] = torch._weight_norm(
                stored.read(direction, like.shape).float(), stored.read(length, one_each).float(), NORM_AXIS
            )
        else:
            tensors[name] = stored.read(prefix + name, like.shape)
    return tensors


def _do_normalize(folder: EncoderFolder) -> bool:
    """Whether the encoder hears segments of zero mean and unit variance."""
    found = folder.read_json(PREPARATION)
    if not isinstance(found.get("do_normalize"), bool):
        raise ModelError(f"{folder.path / PREPARATION}: do_normalize is not true or false; copy the folder again")
    rate = SegmentConfig().sample_rate
    if found.get("sampling_rate", rate) != rate:
        raise ModelError(
            f"{folder.path / PREPARATION}: the encoder hears {found['sampling_rate']} Hz; give one that hears {rate} Hz"
        )
    return bool(found["do_normalize"])


def states(encoder: nn.Module, waveform: Tensor) -> Sequence[Tensor]:
    """Every hidden state."""
    found: Sequence[Tensor] = encoder(waveform, output_hidden_states=True).hidden_states
    return found


def _classes(family: str) -> tuple[Any, Any]:
    """transformers' config and model of one family."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

    return {
        "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
        "hubert": (HubertConfig, HubertModel),
        "wavlm": (WavLMConfig, WavLMModel),
    }[family]
