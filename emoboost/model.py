"""MS-EmoBoost (Song et al., Scientific Reports 15:21607, 2025) in the paper's order.

Two modules: `FrozenEncoders` turns a segment's inputs into what no training changes (so that it can be cached), and
`EnhancementHead` holds every trained weight: both guidance branches after the frozen AlexNet, the enhancement and the
classifier. `MsEmoBoost` is one after the other.

Sizes in comments: B segments, T' = encoder frames, D = encoder channels, C classes; T_m and T_s are the positions of
the two guidance sequences (300 and 36 in the paper's form).
"""

from collections.abc import Mapping
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from emoboost.backbone import build_backbone
from emoboost.config import BackboneConfig, MfccBranchConfig, ModelConfig, SpectrogramBranchConfig

ALEXNET_POSITIONS = 36
ALEXNET_CHANNELS = 256
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResidualSelfAttention(nn.Module):
    """X' = X + softmax(Q K^T / sqrt(d)) V with affine Q, K, V and d = X's channels (paper, Model 3)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, T, d)."""
        attended = functional.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x))
        return x + attended


class Projection(nn.Module):
    """Attention (unless ablated), flatten, dropout, Linear and ReLU to the guidance width (paper, Model 3 and 4)."""

    def __init__(self, positions: int, dim: int, out: int, *, attention: bool, dropout: float) -> None:
        super().__init__()
        self.attention = ResidualSelfAttention(dim) if attention else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(positions * dim, out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, out)."""
        flat = self.attention(x).flatten(1)  # (B, T * d)
        return functional.relu(self.linear(self.dropout(flat)))


class MfccGuidance(nn.Module):
    """MFCC frames through a Bi-LSTM to a guidance vector (paper, Model 1)."""

    def __init__(self, branch: MfccBranchConfig, config: ModelConfig) -> None:
        super().__init__()
        self.frame_pool = branch.frame_pool
        self.lstm = nn.LSTM(
            config.mfcc.n_mfcc,
            branch.lstm_hidden,
            num_layers=branch.lstm_layers,
            bidirectional=True,
            batch_first=True,
            dropout=branch.lstm_dropout if branch.lstm_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(branch.lstm_dropout)
        self.project = Projection(
            config.mfcc.frames // branch.frame_pool,
            2 * branch.lstm_hidden,
            config.enhancement.guidance_dim,
            attention=config.enhancement.attention,
            dropout=config.enhancement.guidance_dropout,
        )

    def forward(self, mfcc: Tensor) -> Tensor:
        """(B, 300, 40) -> (B, 128)."""
        batch, frames, coefficients = mfcc.shape
        pooled = mfcc.view(batch, frames // self.frame_pool, self.frame_pool, coefficients).mean(2)  # (B, T_m, 40)
        hidden, _ = self.lstm(pooled)  # (B, T_m, 2 * hidden)
        return cast(Tensor, self.project(self.dropout(hidden)))


class SpectrogramGuidance(nn.Module):
    """AlexNet's feature map as 36 positions to a guidance vector (paper, Model 2)."""

    def __init__(self, branch: SpectrogramBranchConfig, config: ModelConfig) -> None:
        super().__init__()
        self.standardise = Standardise(ALEXNET_CHANNELS) if branch.standardise else nn.Identity()
        self.project = Projection(
            ALEXNET_POSITIONS,
            ALEXNET_CHANNELS,
            config.enhancement.guidance_dim,
            attention=config.enhancement.attention,
            dropout=config.enhancement.guidance_dropout,
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 36, 256) -> (B, 128)."""
        return cast(Tensor, self.project(self.standardise(image)))


class Standardise(nn.Module):
    """(x - mean) / std per channel with statistics of the training fold; identity until they are set."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Take the training fold's statistics, both of shape (dim,); a constant channel keeps its scale."""
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return (x - self.mean) / self.std


class HeadOutput(NamedTuple):
    """What one pass of the head gives."""

    logits: Tensor
    """(B, C)."""
    weights: Tensor
    """(B, T'): X_enh, the weight of each encoder frame."""
    vector: Tensor
    """(B, D): X'_w, the enhanced representation; with the guidance behind it where the config says `beside`."""


class EnhancementHead(nn.Module):
    """Everything that is trained: guidance, enhancement, classifier (paper, Model 1 and 3 to 7)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        backbone, enhancement = config.backbone, config.enhancement
        self.form = enhancement.form
        self.relu = enhancement.relu
        self.standardise = Standardise(backbone.dim) if enhancement.standardise_frames else nn.Identity()
        self.mfcc = MfccGuidance(config.mfcc_branch, config) if config.mfcc_branch else None
        self.spectrogram = SpectrogramGuidance(config.spectrogram_branch, config) if config.spectrogram_branch else None
        branches = [branch for branch in (self.mfcc, self.spectrogram) if branch is not None]
        self.enhance = nn.Linear(len(branches) * enhancement.guidance_dim, backbone.frames) if branches else None
        self.beside = enhancement.beside
        self.classify = nn.Linear(config.vector_dim, len(config.classes))
        if self.enhance is not None and self.form == "mean_start":
            with torch.no_grad():
                self.enhance.weight.mul_(0.1)
                self.enhance.bias.fill_(1.0)

    def forward(
        self,
        frames: Tensor,
        valid_frames: Tensor,
        mfcc: Tensor | None = None,
        image: Tensor | None = None,
        unguided: Tensor | None = None,
    ) -> HeadOutput:
        """One batch of segments.

        Args:
            frames: (B, T', D) encoder frames.
            valid_frames: (B,) integers, frames before the zero padding.
            mfcc: (B, 300, 40), needed when the model has that branch.
            image: (B, 36, 256) AlexNet positions, needed when the model has that branch.
            unguided: (B,) booleans; these segments are treated as if there were no guidance (training only).
        """
        x_w = self.standardise(frames)  # (B, T', D)
        plain = self._plain_weights(valid_frames, x_w)  # (B, T')
        weights, beside = plain, []
        if self.enhance is not None:
            guidance = torch.cat(self._guidance(mfcc, image), dim=1)  # (B, 128 or 256)
            weights = self._guided_weights(self.enhance(guidance), plain)  # (B, T')
            if unguided is not None:
                weights = torch.where(unguided[:, None], plain, weights)
                guidance = guidance * ~unguided[:, None]
            beside = [guidance] if self.beside else []
        vector = torch.bmm(weights[:, None, :], x_w).squeeze(1)  # (B, D)
        vector = torch.cat([vector, *beside], dim=1)
        return HeadOutput(self.classify(vector), weights, vector)

    def _plain_weights(self, valid_frames: Tensor, x_w: Tensor) -> Tensor:
        """Mean pooling: over all frames in the paper's form, over the valid ones otherwise."""
        count = x_w.shape[1]
        if self.form == "paper":
            return torch.full(x_w.shape[:2], 1.0 / count, dtype=x_w.dtype, device=x_w.device)
        position = torch.arange(count, device=x_w.device)
        return (position < valid_frames[:, None]).to(x_w.dtype) / valid_frames[:, None]

    def _guided_weights(self, raw: Tensor, plain: Tensor) -> Tensor:
        if self.form == "paper":
            return functional.relu(raw) if self.relu else raw
        return functional.relu(raw) * plain

    def _guidance(self, mfcc: Tensor | None, image: Tensor | None) -> list[Tensor]:
        guidance = []
        if self.mfcc is not None:
            assert mfcc is not None
            guidance.append(self.mfcc(mfcc))
        if self.spectrogram is not None:
            assert image is not None
            guidance.append(self.spectrogram(image))
        return guidance


class SpectrogramImage(nn.Module):
    """Log spectrogram -> AlexNet's convolutional part, as the ImageNet weights expect it (paper, Input and Model 2)."""

    mean: Tensor
    std: Tensor

    def __init__(self, branch: SpectrogramBranchConfig) -> None:
        super().__init__()
        self.size = (branch.height, branch.width)
        self.features = alexnet_features()
        self.pool = nn.AdaptiveAvgPool2d(6)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, 300, 200) in [0, 1], time x frequency -> (B, 36, 256); frequency is the image's vertical axis."""
        image = spectrogram.transpose(1, 2)[:, None]  # (B, 1, 200, 300)
        image = functional.interpolate(image, self.size, mode="bilinear", align_corners=False)
        image = (image - self.mean) / self.std  # (B, 3, 256, 384)
        pooled: Tensor = self.pool(self.features(image))  # (B, 256, 6, 6)
        return pooled.flatten(2).transpose(1, 2)  # (B, 36, 256)


def alexnet_features() -> nn.Sequential:
    """The convolutional part of AlexNet (Krizhevsky 2014) with torchvision's sizes and names, and random weights.

    Tests hold it to torchvision's own, whose import takes nearly two seconds of a processor in every worker.
    """
    return nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


class FrozenEncoders(nn.Module):
    """The parts that no training here changes: the speech encoder and, when used, AlexNet."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.backbone = build_backbone(config.backbone)
        self.alexnet = SpectrogramImage(config.spectrogram_branch) if config.spectrogram_branch else None
        self.requires_grad_(requires_grad=False)
        self.eval()

    def cut_to(self, config: ModelConfig) -> Self:
        """Without AlexNet where a model sees no spectrogram."""
        if config.spectrogram_branch is None:
            self.alexnet = None
        return self

    def free(self, layers: int, *, alexnet: bool) -> None:
        """Let the encoder's last layers, and AlexNet, be trained; nothing else of them.

        Args:
            layers: how many of the encoder's layers, counted from the last one in use.
            alexnet: the whole convolutional part.
        """
        if layers:
            self.backbone.layers[-layers:].requires_grad_(requires_grad=True)
        if alexnet and self.alexnet is not None:
            self.alexnet.requires_grad_(requires_grad=True)

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The encoder's input and `spectrogram` (B, 300, 200) -> `frames` (B, T', D) and `image` (B, 36, 256).

        The encoder reads `log_mel` (B, 80, 300) or `waveform` (B, 48000), as its config says.
        """
        outputs = {"frames": self.backbone(inputs[self.backbone.config.reads])}
        if self.alexnet is not None:
            outputs["image"] = self.alexnet(inputs["spectrogram"])
        return outputs


class MsEmoBoost(nn.Module):
    """The whole network: inputs of a batch of segments to logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.frozen = FrozenEncoders(config)
        self.head = EnhancementHead(config)

    def forward(self, inputs: Mapping[str, Tensor], valid_samples: Tensor) -> HeadOutput:
        """One batch of segments.

        Args:
            inputs: `log_mel` (B, 80, 300) or `waveform` (B, 48000), and where the model uses them `mfcc` (B, 300,
                40) and `spectrogram` (B, 300, 200); floats.
            valid_samples: (B,) integers, samples before the zero padding.
        """
        outputs = {name: values.float() for name, values in self.frozen(inputs).items()}
        valid_frames = frames_of(valid_samples, self.config.backbone)
        # Lower precision is for the encoders, where the time goes; the head stays in float32.
        with torch.autocast(valid_samples.device.type, enabled=False):
            output = self.head(outputs["frames"], valid_frames, inputs.get("mfcc"), outputs.get("image"))
        return cast(HeadOutput, output)


def frames_of(valid_samples: Tensor, backbone: BackboneConfig) -> Tensor:
    """Encoder frames that hold speech: ceil(samples / hop), at least 1, at most T'. (B,) -> (B,) integers."""
    frames = torch.div(valid_samples + backbone.frame_samples - 1, backbone.frame_samples, rounding_mode="floor")
    return frames.clamp(1, backbone.frames)
