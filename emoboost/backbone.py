"""The frozen speech encoder: transformers' own classes, with no more layers than are used.

`Backbone` is the one interface; a family adds a function that builds its encoder and one that reads its
weights. Layer k is always transformers' `hidden_states[k]` of the full model.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from emoboost.config import BackboneConfig, LogMelConfig
from emoboost.errors import ModelError

if TYPE_CHECKING:
    from transformers import WhisperConfig

CONFIG, WEIGHTS = "config.json", "model.safetensors"
NEITHER = "no such folder, and not a hub id such as openai/whisper-base"
WHISPER_STRIDE = 2
"""Mel frames per encoder frame: the second convolution's stride."""
WHISPER_KEYS = ("encoder_layers", "d_model", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins")
WHISPER_PREFIXES = ("model.encoder.", "encoder.", "")
"""Where checkpoints keep the encoder: whole models, bare models, encoders alone."""


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
        layers: nn.ModuleList = self.encoder.layers
        return layers

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode: the encoder is frozen also while a head on top of it is trained."""
        del mode
        return super().train(mode=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """For Whisper (B, n_mels, 300) log-mel, of any float dtype -> (B, T', D)."""
        inputs = inputs.to(next(self.encoder.parameters()).dtype)
        states = self.encoder(inputs, output_hidden_states=True).hidden_states  # (B, T', width) each
        return torch.cat([states[layer] for layer in self.config.layers], dim=-1)


def build_backbone(config: BackboneConfig) -> Backbone:
    """The encoder of that config, with random weights for `load_state_dict` to replace."""
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    encoder = WhisperEncoder(whisper_config(config))
    if max(config.layers) < config.full_layers:
        # transformers applies the final LayerNorm after any last layer; it belongs to the full model's only.
        encoder.layer_norm = nn.Identity()
    return Backbone(config, encoder)


def whisper_config(config: BackboneConfig) -> "WhisperConfig":
    """The truncated encoder in transformers' words: fewer layers, and positions for 3 s instead of 30."""
    from transformers import WhisperConfig

    return WhisperConfig(
        d_model=config.width,
        encoder_layers=max(config.layers),
        encoder_attention_heads=config.heads,
        encoder_ffn_dim=config.ffn,
        num_mel_bins=config.log_mel.n_mels,
        max_source_positions=config.frames,
        attn_implementation="sdpa",
    )


def load_whisper(source: str | Path, layers: Sequence[int], *, revision: str | None = None) -> Backbone:
    """Read the first layers of a Whisper encoder; the result's `config` says what was found.

    Args:
        source: a folder with config.json and model.safetensors in transformers' layout, or a hub id such as
            "openai/whisper-base", which is downloaded into the hub's cache. The config remembers the hub id, or
            the folder's name.
        layers: numbers of hidden states, from 1 to the encoder's last layer; several are concatenated.
        revision: branch, tag or commit of the hub id.

    Raises:
        ModelError: neither a folder nor a hub id that can be reached, not a Whisper encoder in safetensors, a
            damaged file, or a layer that the encoder does not have.
    """
    config = _describe_whisper(source, layers, revision)
    backbone = build_backbone(config)
    file = _find(source, WEIGHTS, revision)
    backbone.encoder.load_state_dict(_read_whisper(file, backbone.encoder.state_dict()))
    return backbone


def _read_whisper(file: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of those names and shapes, and no others; of a longer table of positions its first rows."""
    from safetensors import SafetensorError, safe_open

    tensors = {}
    try:
        with safe_open(file, framework="pt") as stored:
            names = set(stored.keys())
            prefix = next((p for p in WHISPER_PREFIXES if f"{p}conv1.weight" in names), "")
            for name, like in expected.items():
                if prefix + name not in names:
                    raise ModelError(f"{file}: tensor {prefix}{name} is missing; not what its {CONFIG} describes")
                tensors[name] = stored.get_slice(prefix + name)[: len(like)]
                if tensors[name].shape != like.shape:
                    raise ModelError(
                        f"{file}: {prefix}{name} is {tuple(tensors[name].shape)}; "
                        f"its {CONFIG} asks for {tuple(like.shape)}"
                    )
    except SafetensorError as error:
        raise ModelError(f"{file}: not a complete safetensors file ({error}); copy it again") from None
    return tensors


def _describe_whisper(source: str | Path, layers: Sequence[int], revision: str | None) -> BackboneConfig:
    file = _find(source, CONFIG, revision)
    try:
        found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: not JSON ({error}); copy the folder again") from None
    if found.get("model_type") != "whisper":
        raise ModelError(f"{file}: model_type is {found.get('model_type')!r}; only 'whisper' can be read")
    if missing := [key for key in WHISPER_KEYS if key not in found]:
        raise ModelError(f"{file}: key {missing[0]!r} is missing; copy the folder again")
    last = found["encoder_layers"]
    if not layers or not all(1 <= layer <= last for layer in layers):
        raise ModelError(f"{source}: layers {list(layers)} asked for; this encoder has layers 1 to {last}")
    log_mel = LogMelConfig(n_mels=found["num_mel_bins"])
    return BackboneConfig(
        source=file.parent.name if _folder(source) else str(source),
        revision=revision,
        layers=tuple(layers),
        full_layers=last,
        frames=log_mel.frames // WHISPER_STRIDE,
        frame_samples=log_mel.hop_length * WHISPER_STRIDE,
        width=found["d_model"],
        heads=found["encoder_attention_heads"],
        ffn=found["encoder_ffn_dim"],
        log_mel=log_mel,
    )


def _folder(source: str | Path) -> Path | None:
    folder = Path(source).expanduser().resolve()
    return folder if folder.is_dir() else None


def _find(source: str | Path, name: str, revision: str | None) -> Path:
    """The file of that name in a folder, or in the hub's cache after a download."""
    if folder := _folder(source):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: {name} is missing; give a folder in transformers' layout with safetensors")
        return folder / name
    if "/" not in str(source):
        raise ModelError(f"{source}: {NEITHER}")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError, RevisionResolutionError

    try:
        return Path(hf_hub_download(str(source), name, revision=revision))
    except HFValidationError:
        raise ModelError(f"{source}: {NEITHER}") from None
    except (OSError, RevisionResolutionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{source}: no such folder, and {name} cannot be fetched from the Hugging Face hub ({reason}); "
            f"where the hub can be reached, run: hf download {source} {CONFIG} {WEIGHTS} --local-dir FOLDER, "
            "and give that folder"
        ) from None
