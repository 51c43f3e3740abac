"""Which features a model reads, computed for many segments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from emoboost.config import ModelConfig
from emoboost.features.log_mel import LogMel
from emoboost.features.mfcc import Mfcc
from emoboost.features.spectrogram import Spectrogram
from emoboost.features.spectrum import Float32
from emoboost.features.waveform import Waveform

Features = dict[str, NDArray[np.float16] | Float32]

Values = TypeVar("Values", NDArray[np.float16], Float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureExtractor:
    """The inputs of one model, and only those.

    Build it once with `from_config` and send it pickled: it holds windows and filter banks as arrays, so that
    calling it needs numpy and scipy (fft, sparse) and nothing else.

    Each segment is transformed by itself: its floors and references are its own, and its features are the
    same bits whatever else is in the batch and however many threads the process has.
    """

    samples: int
    """Length of a segment."""
    emphasised: Mapping[str, Mfcc | Spectrogram]
    """Features of the pre-emphasised signal."""
    raw: Mapping[str, LogMel]
    """Features of the signal as it is."""
    waveform: Waveform | None = None
    """The signal itself, for an encoder that hears it."""

    @classmethod
    def from_config(cls, config: ModelConfig) -> Self:
        """Compute the windows and filter banks (imports librosa)."""
        emphasised: dict[str, Mfcc | Spectrogram] = {}
        if config.mfcc_branch:
            emphasised["mfcc"] = Mfcc.build(config.mfcc, config.segment.sample_rate)
        if config.spectrogram_branch:
            emphasised["spectrogram"] = Spectrogram.build(config.spectrogram)
        raw, waveform = {}, None
        if config.backbone.waveform is None:
            raw["log_mel"] = LogMel.build(config.backbone.log_mel, config.segment.sample_rate)
        else:
            waveform = Waveform(normalise=config.backbone.waveform.do_normalize)
        return cls(samples=config.segment.samples, emphasised=emphasised, raw=raw, waveform=waveform)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features, a subset of `mfcc`, `spectrogram`, `log_mel`, `waveform`."""
        return *self.emphasised, *self.raw, *(["waveform"] if self.waveform else [])

    def __call__(self, raw: Float32, emphasised: Float32, valid: NDArray[np.int32]) -> Features:
        """Transform n segments.

        Args:
            raw: (n, samples) float32 in [-1, 1], zero-padded.
            emphasised: (n, samples) float32, the same segments cut from the pre-emphasised utterance.
            valid: (n,) int32, samples of each segment before its padding, at least 1.

        Returns:
            Those of `mfcc` (n, 300, 40), `spectrogram` (n, 300, 200) in [0, 1], `log_mel` (n, 80, 300) and
            `waveform` (n, samples) that are in `inputs`. They have the dtype in which they travel, float16 and
            for the waveform float32; it is applied here, so that every way to a label sees identical inputs.

        Raises:
            ValueError: a shape or dtype that is not the one above.
        """
        for name, segments in (("raw", raw), ("emphasised", emphasised)):
            if segments.shape != (len(raw), self.samples) or segments.dtype != np.float32:
                raise ValueError(
                    f"{name} is {segments.dtype} of shape {segments.shape}; "
                    f"expected float32 of shape ({len(raw)}, {self.samples})"
                )
        if valid.shape != (len(raw),) or valid.dtype != np.int32 or (valid < 1).any() or (valid > self.samples).any():
            raise ValueError(
                f"valid is {valid.dtype} of shape {valid.shape}; "
                f"expected int32 of shape ({len(raw)},) from 1 to {self.samples}"
            )
        features: Features = {}
        for name, feature in self.emphasised.items():
            features[name] = _gather(feature(emphasised), np.empty((len(raw), *feature.shape), np.float16))
        for name, log_mel in self.raw.items():
            features[name] = _gather(log_mel(raw), np.empty((len(raw), *log_mel.shape), np.float16))
        if self.waveform is not None:
            features["waveform"] = _gather(self.waveform(raw, valid), np.empty(raw.shape, np.float32))
        return features


def _gather(each: Iterable[Float32], values: Values) -> Values:
    """Write one segment's feature after the other into `values`, rounded to its dtype."""
    for value, segment_values in zip(values, each, strict=True):
        value[...] = segment_values
    return values
