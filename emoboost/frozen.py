"""Outputs of the frozen networks for a whole corpus, computed once and reused by every fold, seed and ablation."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor

from emoboost.audio import open_recording, resolve
from emoboost.config import ModelConfig
from emoboost.corpus import Corpus
from emoboost.errors import AudioError, ManifestError
from emoboost.features import FeatureExtractor
from emoboost.model import FrozenEncoders, frames_of
from emoboost.segment import segment

MAX_SECONDS = 3_600.0
Batch = tuple[Tensor, Tensor, Tensor | None, Tensor | None]
"""Frames, valid frames, MFCC and image of some segments: the arguments of `EnhancementHead.forward`."""


@dataclass(frozen=True)
class FrozenFeatures:
    """One row a segment; float16 where it is large."""

    frames: Tensor
    """(S, T', D) float16."""
    valid_frames: Tensor
    """(S,) int64."""
    mfcc: Tensor | None
    """(S, 300, 40) float16."""
    image: Tensor | None
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


def compute_frozen(
    waveforms: Sequence[np.ndarray],
    config: ModelConfig,
    encoders: FrozenEncoders,
    speeds: Sequence[float],
    progress: Callable[[int], None] | None = None,
) -> FrozenFeatures:
    """Run every copy of every utterance through the frozen networks.

    A corpus whose recordings all have one length keeps it: its speed copies are cut or padded back, so that length
    tells nothing about the copy.

    Args:
        waveforms: one an utterance, (samples,) float32 at 16 kHz.
        config: features and sizes.
        encoders: the frozen networks.
        speeds: one copy each; the clean one (1.0) comes first.
        progress: called with the number of utterances done.
    """
    extractor = FeatureExtractor.from_config(config)
    constant_length = len({len(waveform) for waveform in waveforms}) == 1
    rows = []
    for number, waveform in enumerate(waveforms):
        copies = [change_speed(waveform, speed, keep_length=constant_length) for speed in speeds]
        cuts = [segment(copied, config.segment) for copied in copies]
        raw = np.concatenate([cut.waveforms for cut in cuts])
        emphasised = np.concatenate([cut.emphasised for cut in cuts])
        valid = np.concatenate([cut.valid for cut in cuts])
        inputs = {name: torch.from_numpy(values) for name, values in extractor(raw, emphasised, valid).items()}
        with torch.inference_mode():
            outputs = encoders({name: values.float() for name, values in inputs.items()})
        rows.append(
            FrozenFeatures(
                outputs["frames"].half(),
                frames_of(torch.from_numpy(valid), config.backbone),
                inputs.get("mfcc"),
                outputs["image"].half() if "image" in outputs else None,
                np.full(len(raw), number),
                np.repeat(np.arange(len(cuts)), [len(cut.valid) for cut in cuts]),
            )
        )
        if progress is not None:
            progress(number + 1)
    return concatenate(rows)


def concatenate(parts: Sequence[FrozenFeatures]) -> FrozenFeatures:
    """All rows of all parts, in order."""

    def tensors(name: str) -> Tensor | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else torch.cat(values).clone()

    frames, valid_frames = tensors("frames"), tensors("valid_frames")
    assert frames is not None
    assert valid_frames is not None
    utterance, copy = (np.concatenate([getattr(part, name) for part in parts]) for name in ("utterance", "copy"))
    return FrozenFeatures(frames, valid_frames, tensors("mfcc"), tensors("image"), utterance, copy)


def without_guidance(config: ModelConfig, *, mfcc: bool = False, spectrogram: bool = False) -> ModelConfig:
    """The ablations of the paper's Table 3: keep only the named branches."""
    return dataclasses.replace(
        config,
        mfcc_branch=config.mfcc_branch if mfcc else None,
        spectrogram_branch=config.spectrogram_branch if spectrogram else None,
    )


def change_speed(waveform: np.ndarray, speed: float, *, keep_length: bool) -> np.ndarray:
    """Play faster (> 1) or slower (< 1) by resampling; pitch moves too. (n,) float32 -> (m,) float32."""
    if speed == 1.0:
        return waveform
    changed: np.ndarray = soxr.resample(waveform, speed, 1.0, quality="HQ").astype(np.float32)
    if not keep_length:
        return changed
    return np.pad(changed, (0, max(0, len(waveform) - len(changed))))[: len(waveform)]


def read_waveforms(corpus: Corpus, sample_rate: int) -> list[np.ndarray]:
    """Every utterance's samples, float32 mono.

    Raises:
        ManifestError: an utterance cannot be read; training never drops data silently.
    """
    waveforms = []
    for utterance in corpus.utterances:
        try:
            with open_recording(resolve(utterance.uri, corpus.base)) as recording:
                waveforms.append(
                    recording.read(*utterance.span, utterance.channel, MAX_SECONDS, sample_rate=sample_rate)
                )
        except AudioError as error:
            raise ManifestError(f"{corpus.manifest}: {error.message}; correct or remove that row") from error
    return waveforms
