"""Outputs of the frozen networks for a whole corpus: computed once, reused by every fold, seed and ablation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoboost.config import ModelConfig
from emoboost.errors import EmoboostError
from emoboost.model import FrozenEncoders, frames_of

Batch = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""Frames, valid frames, MFCC and image of some segments: the arguments of `EnhancementHead.forward`."""


@dataclass(frozen=True)
class Scattered:
    """Rows that lie in several tensors, as in the files of a cache; only those that are asked for are touched."""

    parts: Sequence[Tensor]
    """Each (n, ...), all with the same shape after the first axis."""
    part: np.ndarray
    """(S,) which tensor holds each row."""
    position: np.ndarray
    """(S,) where in it."""

    def __getitem__(self, index: Tensor) -> Tensor:
        """(m,) -> (m, ...)."""
        rows = index.numpy()
        return torch.stack([self.parts[p][i] for p, i in zip(self.part[rows], self.position[rows], strict=True)])


@dataclass(frozen=True)
class FrozenFeatures:
    """One row a segment; float16 where it is large."""

    frames: Tensor | Scattered
    """(S, T', D) float16."""
    valid_frames: Tensor
    """(S,) int64."""
    mfcc: Tensor | Scattered | None
    """(S, 300, 40) float16."""
    image: Tensor | Scattered | None
    """(S, 36, 256) float16."""
    utterance: np.ndarray
    """(S,) number of the utterance in the corpus."""
    copy: np.ndarray
    """(S,) number of the copy; 0 is the clean one."""

    def batch(self, rows: np.ndarray) -> Batch:
        """Arguments of `EnhancementHead.forward` for these rows, in float32."""
        index = torch.from_numpy(rows)
        mfcc = None if self.mfcc is None else self.mfcc[index].float()
        image = None if self.image is None else self.image[index].float()
        return self.frames[index].float(), self.valid_frames[index], mfcc, image


def encode(inputs: Mapping[str, np.ndarray], valid: np.ndarray, encoders: FrozenEncoders) -> dict[str, Tensor]:
    """Segments of one copy of one utterance through the frozen networks.

    One utterance at a time, so that its features are the same bits whatever else is computed.

    Args:
        inputs: what `Prepared.inputs` holds, n segments.
        valid: (n,) samples of each segment before its padding.
        encoders: the frozen networks.

    Returns:
        `frames` (n, T', D) float16, `valid_frames` (n,) int64, and where the model uses them `mfcc` (n, 300, 40) and
        `image` (n, 36, 256) float16.

    Raises:
        EmoboostError: an output is no number that float16 can hold.
    """
    device = next(encoders.parameters()).device
    # Copies: rows that come from Ray's object store are read-only memory.
    tensors = {name: torch.from_numpy(values.copy()) for name, values in inputs.items()}
    with torch.inference_mode():
        outputs = encoders({name: values.float().to(device) for name, values in tensors.items()})
    result = {name: values.half().cpu() for name, values in outputs.items()}
    if lost := [name for name, values in result.items() if not values.isfinite().all()]:
        highest = float(outputs[lost[0]].abs().max())
        raise EmoboostError(
            f"{encoders.backbone.config.source}: its {lost[0]} reach {highest:.3g}, features keep up to 65,504; choose "
            "other --layers"
        )
    result["valid_frames"] = frames_of(torch.from_numpy(valid.astype(np.int64)), encoders.backbone.config)
    if "mfcc" in tensors:
        result["mfcc"] = tensors["mfcc"].half()
    return result


def keep_inputs(inputs: Mapping[str, np.ndarray], valid: np.ndarray, config: ModelConfig) -> dict[str, Tensor]:
    """The same keys as `encode`, holding what the frozen networks would read, for training that changes them.

    Returns:
        `frames` the speech encoder's input, `image` (n, 300, 200) the spectrogram, `mfcc` and `valid_frames`.
    """
    tensors = {name: torch.from_numpy(values.copy()) for name, values in inputs.items()}
    valid_frames = frames_of(torch.from_numpy(valid.astype(np.int64)), config.backbone)
    result = {"frames": tensors[config.backbone.reads], "valid_frames": valid_frames}
    if "mfcc" in tensors:
        result["mfcc"] = tensors["mfcc"]
    if "spectrogram" in tensors:
        result["image"] = tensors["spectrogram"]
    return result
