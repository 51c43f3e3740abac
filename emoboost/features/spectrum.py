"""What the three features share: the power spectrum, the mel filters, the logarithm.

No step goes through BLAS, whose sums depend on its number of threads: the same segment gives the same bits in a
one-thread worker and in a program with the whole machine.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Float32 = NDArray[np.float32]
PadMode = Literal["constant", "reflect"]

POWER_FLOOR = 1e-10
"""The smallest power that has a logarithm, in librosa and in Whisper."""
DB_PER_LN = 10 / math.log(10)
"""Decibels in a natural logarithm of power."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PowerSpectrum:
    """|STFT|^2 over centred frames, as librosa and transformers cut them."""

    window: Float32
    """(n_fft,)"""
    hop_length: int
    pad_mode: PadMode
    """What lies beyond the segment's edges: zeros, or its mirror image."""

    @classmethod
    def build(
        cls,
        window: str,
        *,
        n_fft: int,
        hop_length: int,
        win_length: int | None = None,
        pad_mode: PadMode = "constant",
    ) -> Self:
        """Take the periodic window of that name, `win_length` samples centred in `n_fft`."""
        from librosa.filters import get_window

        win_length = win_length or n_fft
        before = (n_fft - win_length) // 2
        values = np.zeros(n_fft, np.float32)
        values[before : before + win_length] = get_window(window, win_length, fftbins=True)
        return cls(window=values, hop_length=hop_length, pad_mode=pad_mode)

    def __call__(self, segments: Float32) -> Iterator[Float32]:
        """(n, samples) -> n times (1 + n_fft // 2, 1 + samples // hop_length), one segment after the other.

        What is yielded may be changed in place; the next segment overwrites it. (Taking new memory for each
        segment can double the time, where malloc gives it back to the system in between.)
        """
        from scipy import fft

        n_fft = len(self.window)
        padded = np.empty(segments.shape[1] + 2 * (n_fft // 2), np.float32)
        frames = sliding_window_view(padded, n_fft)[:: self.hop_length]  # (301, n_fft)
        windowed = np.empty(frames.shape, np.float32)
        power = np.empty((1 + n_fft // 2, len(frames)), np.float32)
        imaginary = np.empty_like(power)
        for segment in segments:
            padded[:] = np.pad(segment, n_fft // 2, mode=self.pad_mode)
            np.multiply(frames, self.window, out=windowed)
            # scipy takes several float32 frames through at once; numpy.fft is 2 to 5 times slower.
            spectrum = fft.rfft(windowed).T  # (1 + n_fft // 2, 301)
            np.square(spectrum.real, out=power)
            power += np.square(spectrum.imag, out=imaginary)
            yield power


def mel_filters(*, sample_rate: int, n_fft: int, n_mels: int, htk: bool) -> "csr_array":
    """librosa's triangles of equal area from 0 Hz to the Nyquist frequency: (n_mels, 1 + n_fft // 2) float32.

    A triangle covers few of the bins: at 2,048 points the sparse product takes a seventh of the full one's time.

    Args:
        sample_rate: Hz.
        n_fft: length of the transform in samples.
        n_mels: number of filters.
        htk: space them on HTK's mel scale instead of Slaney's, which is linear below 1 kHz.
    """
    from librosa.filters import mel
    from scipy.sparse import csr_array

    return csr_array(mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, htk=htk))


def log_power(power: Float32) -> Float32:
    """ln(max(power, POWER_FLOOR)), in place.

    Natural, because numpy's float32 `log` is vectorised on every common CPU and its `log10` only with AVX-512
    (nearly four times slower without); each feature folds the factor into a scale that it applies anyway.
    """
    np.maximum(power, np.float32(POWER_FLOOR), out=power)
    return np.log(power, out=power)
