"""HTK-style MFCCs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from emoboost.config import MfccConfig
from emoboost.features.spectrum import DB_PER_LN, Float32, PowerSpectrum, log_power, mel_filters

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, kw_only=True, eq=False)
class Mfcc:
    """`librosa.feature.mfcc(htk=True)` of one segment, each frame scaled to length 1 (paper, Input; CA-MSER).

    Hann window, mel bands, dB with a floor `top_db` below the segment's own loudest band, DCT-II. The 301st
    frame, centred on the segment's end, takes part in that maximum and is then dropped.
    """

    spectrum: PowerSpectrum
    mel: "csr_array"
    """(n_mels, bins)."""
    config: MfccConfig

    @classmethod
    def build(cls, config: MfccConfig, sample_rate: int) -> Self:
        """Compute window and filters; `sample_rate` in Hz."""
        return cls(
            spectrum=PowerSpectrum.build("hann", n_fft=config.n_fft, hop_length=config.hop_length),
            mel=mel_filters(sample_rate=sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, htk=True),
            config=config,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(frames, n_mfcc)."""
        return self.config.frames, self.config.n_mfcc

    def __call__(self, segments: Float32) -> Iterator[Float32]:
        """(n, samples) -> n times (frames, n_mfcc); a frame of zeros stays zero."""
        from scipy import fft

        frames, n_mfcc = self.shape
        for power in self.spectrum(segments):  # (bins, 301)
            level = log_power(self.mel @ power)  # (n_mels, 301)
            level *= np.float32(DB_PER_LN)
            np.maximum(level, level.max() - np.float32(self.config.top_db), out=level)
            cepstrum = fft.dct(level[:, :frames], axis=0, norm="ortho")[:n_mfcc]  # (n_mfcc, frames)
            if self.config.l2_normalise:
                length = np.sqrt(np.square(cepstrum).sum(axis=0))
                cepstrum /= np.where(length > 0, length, np.float32(1))
            yield cepstrum.T
