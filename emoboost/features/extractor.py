"""Which features a model reads, computed for many segments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from emoboost.config import ModelConfig
from emoboost.features.log_mel import LogMel
from emoboost.features.mfcc import Mfcc
from emoboost.features.spectrogram import Spectrogram
from emoboost.features.spectrum import Float32

Features = dict[str, NDArray[np.float16]]


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

    @classmethod
    def from_config(cls, config: ModelConfig) -> Self:
        """Compute the windows and filter banks (imports librosa)."""
        emphasised: dict[str, Mfcc | Spectrogram] = {}
        if config.mfcc_branch:
            emphasised["mfcc"] = Mfcc.build(config.mfcc, config.segment.sample_rate)
        if config.spectrogram_branch:
            emphasised["spectrogram"] = Spectrogram.build(config.spectrogram)
        log_mel = LogMel.build(config.backbone.log_mel, config.segment.sample_rate)
        return cls(samples=config.segment.samples, emphasised=emphasised, raw={"log_mel": log_mel})

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features, a subset of `mfcc`, `spectrogram`, `log_mel`."""
        return *self.emphasised, *self.raw

    def empty(self, name: str) -> NDArray[np.float16]:
        """The feature of no segment at all: (0, ...)."""
        shapes = {name: feature.shape for name, feature in (*self.emphasised.items(), *self.raw.items())}
        return np.empty((0, *shapes[name]), np.float16)

    def __call__(self, raw: Float32, emphasised: Float32) -> Features:
        """Transform n segments.

        Args:
            raw: (n, samples) float32 in [-1, 1], zero-padded.
            emphasised: (n, samples) float32, the same segments cut from the pre-emphasised utterance.

        Returns:
            Those of `mfcc` (n, 300, 40), `spectrogram` (n, 300, 200) in [0, 1] and `log_mel` (n, 80, 300)
            that are in `inputs`. float16 is the dtype in which features travel; it is applied here, so that
            every way to a label sees identical inputs.

        Raises:
            ValueError: a shape or dtype that is not the one above.
        """
        for name, segments in (("raw", raw), ("emphasised", emphasised)):
            if segments.shape != (len(raw), self.samples) or segments.dtype != np.float32:
                raise ValueError(
                    f"{name} is {segments.dtype} of shape {segments.shape}; "
                    f"expected float32 of shape ({len(raw)}, {self.samples})"
                )
        features = {name: _each(feature, emphasised) for name, feature in self.emphasised.items()}
        return features | {name: _each(feature, raw) for name, feature in self.raw.items()}


def _each(feature: Mfcc | Spectrogram | LogMel, segments: Float32) -> NDArray[np.float16]:
    values = np.empty((len(segments), *feature.shape), np.float16)
    for value, segment_values in zip(values, feature(segments), strict=True):
        value[...] = segment_values
    return values
