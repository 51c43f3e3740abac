"""Small wav2vec 2.0, HuBERT and WavLM encoders in both forms, as transformers saves them."""

from pathlib import Path
from typing import Any

from tiny_whisper import randomise
from torch import nn
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

FULL_LAYERS, WIDTH, HEADS = 3, 32, 4
CLASSES: dict[str, tuple[Any, Any]] = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
"""What makes an encoder a Large one, beside its sizes; transformers' defaults are Base."""


def tiny_waveform_config(family: str, form: str) -> Any:
    """The real convolutions' kernels and strides, with few channels."""
    return CLASSES[family][0](
        conv_dim=(16,) * 7,
        hidden_size=WIDTH,
        num_hidden_layers=FULL_LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=64,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        **(LARGE if form == "large" else {}),
    )


def save_waveform_encoder(folder: Path, family: str, form: str, *, do_normalize: bool = True) -> Path:
    """A whole encoder with random weights, with config and preprocessor config."""
    model: nn.Module = CLASSES[family][1](tiny_waveform_config(family, form))
    randomise(model)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=do_normalize).save_pretrained(folder)
    return folder
