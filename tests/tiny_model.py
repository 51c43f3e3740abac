"""A model with random weights and the real input shapes, small enough to run in no time."""

from pathlib import Path

import numpy as np
import torch

from emoboost.adaptation import AdaptedHead
from emoboost.backbone import Backbone
from emoboost.checkpoint import ModelFolder, load_frozen, load_trained, save_model
from emoboost.config import (
    BackboneConfig,
    EnhancementConfig,
    MfccBranchConfig,
    ModelConfig,
    SpectrogramBranchConfig,
)
from emoboost.model import MsEmoBoost
from emoboost.predict import preparation_for
from emoboost.utterance import Utterance

REPOSITORY = Path(__file__).parents[1]
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


def save_tiny_model(folder: Path, seed: int = 2, encoder: Backbone | None = None, deviation: float = 2) -> ModelFolder:
    """Write such a model; its answers differ from clip to clip, so that a mix-up shows.

    The encoder is a random Whisper unless one is given. The last layer is shifted and scaled until the logits of the
    example have mean 0 and that deviation in every class.
    """
    torch.manual_seed(seed)
    network = MsEmoBoost(tiny_config(**({"backbone": encoder.config} if encoder else {}))).eval()
    if encoder is not None:
        network.frozen.backbone.load_state_dict(encoder.state_dict())
    clips = sorted((REPOSITORY / "examples/audio").glob("*/*.flac"))
    prepared = preparation_for(network.config)([Utterance(str(clip), str(clip)) for clip in clips])
    inputs = {name: torch.from_numpy(values).float() for name, values in prepared.inputs.items()}
    with torch.inference_mode():
        logits = network(inputs, torch.from_numpy(prepared.valid)).logits
        mean, scale = logits.mean(0), deviation / logits.std(0)
        classify = network.head.classify
        classify.weight.mul_(scale[:, None])
        classify.bias.copy_((classify.bias - mean) * scale)
    return save_model(folder, network.config, network.head.state_dict(), network.frozen.state_dict())


def save_adapted(model: ModelFolder, folder: Path) -> ModelFolder:
    """The same model with a classifier for known speakers, which is near the other one."""
    random, trained = np.random.default_rng(5), load_trained(model)
    weights = trained["classify.weight"].numpy()
    head = AdaptedHead(
        (weights + random.normal(0, 0.3, weights.shape)).astype(np.float32),
        trained["classify.bias"].numpy(),
        random.normal(0, 0.5, weights.shape).astype(np.float32),
    )
    return save_model(folder, model.config, trained, load_frozen(model), head)
