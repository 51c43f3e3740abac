"""A model with random weights and the real input shapes, small enough to run in no time."""

from pathlib import Path

import torch

from emoboost.checkpoint import ModelFolder, save_model
from emoboost.config import (
    BackboneConfig,
    EnhancementConfig,
    MfccBranchConfig,
    ModelConfig,
    SpectrogramBranchConfig,
)
from emoboost.model import MsEmoBoost

CLASSES = ("anger", "happiness", "neutral", "sadness")


def tiny_config(**changes: object) -> ModelConfig:
    """A 32-channel encoder of two layers and small branches."""
    values: dict[str, object] = {
        "name": "tiny",
        "classes": CLASSES,
        "backbone": BackboneConfig(source="random", layers=(1, 2), full_layers=3, width=32, heads=2, ffn=64),
        "mfcc_branch": MfccBranchConfig(frame_pool=4, lstm_layers=1, lstm_hidden=8),
        "spectrogram_branch": SpectrogramBranchConfig(height=63, width=95, standardise=True),
        "enhancement": EnhancementConfig(guidance_dim=16, form="mean_start", standardise_frames=True),
        "training": {"summary": "random weights"},
    }
    return ModelConfig(**{**values, **changes})


def save_tiny_model(folder: Path, seed: int = 0, **changes: object) -> ModelFolder:
    """Write such a model; its logits are scaled up so that labels differ between clips."""
    torch.manual_seed(seed)
    network = MsEmoBoost(tiny_config(**changes))
    with torch.no_grad():
        network.head.classify.weight.mul_(50)
    return save_model(folder, network.config, network.head.state_dict(), network.frozen.state_dict())
