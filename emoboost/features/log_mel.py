"""Whisper's input."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from emoboost.config import LogMelConfig
from emoboost.features.spectrum import Float32, PowerSpectrum, log_power, mel_filters

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DECADES = 8
"""Bands more than this many decades of power below the segment's loudest one are raised to there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LogMel:
    """transformers' `WhisperFeatureExtractor` on exactly one segment (Radford et al. 2022, section 2.2).

    Hann window, mirrored edges, last frame dropped before anything is compared, Slaney's mel bands,
    (log10 power + 4) / 4.
    """

    spectrum: PowerSpectrum
    mel: "csr_array"
    """(n_mels, bins)."""
    config: LogMelConfig

    @classmethod
    def build(cls, config: LogMelConfig, sample_rate: int) -> Self:
        """Compute window and filters; `sample_rate` in Hz."""
        return cls(
            spectrum=PowerSpectrum.build("hann", n_fft=config.n_fft, hop_length=config.hop_length, pad_mode="reflect"),
            mel=mel_filters(sample_rate=sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, htk=False),
            config=config,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(n_mels, frames): frequency x time, as the encoder's convolutions read it."""
        return self.config.n_mels, self.config.frames

    def __call__(self, segments: Float32) -> Iterator[Float32]:
        """(n, samples) -> n times (n_mels, frames)."""
        for power in self.spectrum(segments):  # (bins, 301)
            level = log_power(self.mel @ power)[:, : self.config.frames]  # (n_mels, frames)
            np.maximum(level, level.max() - np.float32(DECADES * math.log(10)), out=level)
            level *= np.float32(1 / (4 * math.log(10)))
            level += 1
            yield level
