"""The log spectrogram that the AlexNet branch sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from emoboost.config import SpectrogramConfig
from emoboost.features.spectrum import DB_PER_LN, POWER_FLOOR, Float32, PowerSpectrum, log_power


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrogram:
    """`librosa.amplitude_to_db(ref=np.max)` of one segment, as (dB + top_db) / top_db (paper, Input).

    1 is the segment's own loudest bin, of all bins and all 301 frames; 0 is `top_db` or more below it. Then
    the first `bins` and `frames` are kept. CA-MSER scales with statistics of the training fold; a fixed range
    keeps the input independent of it. As in librosa, digital silence is its own loudest bin: 1 everywhere.
    """

    spectrum: PowerSpectrum
    config: SpectrogramConfig

    @classmethod
    def build(cls, config: SpectrogramConfig) -> Self:
        """Compute the Hamming window."""
        spectrum = PowerSpectrum.build(
            "hamming", n_fft=config.n_fft, hop_length=config.hop_length, win_length=config.win_length
        )
        return cls(spectrum=spectrum, config=config)

    @property
    def shape(self) -> tuple[int, int]:
        """(frames, bins): time x frequency."""
        return self.config.frames, self.config.bins

    def __call__(self, segments: Float32) -> Iterator[Float32]:
        """(n, samples) -> n times (frames, bins) in [0, 1]; the next segment overwrites it."""
        frames, bins = self.shape
        for power in self.spectrum(segments):  # (n_fft // 2 + 1, 301)
            loudest = np.log(max(power.max(), np.float32(POWER_FLOOR)))
            level = log_power(power[:bins, :frames])
            level -= loudest
            level *= np.float32(DB_PER_LN / self.config.top_db)
            level += 1
            yield np.clip(level, 0, 1, out=level).T
