"""Changed copies of an utterance that training sees beside the clean one."""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

import numpy as np

from emoboost.errors import UsageError

NOISE_GAIN_DB = 8.0
NOISE_SNR_DB = (10.0, 30.0)
FORMS = "clean, noise, or speed with a factor, as in 'speed 0.9'"


@dataclass(frozen=True)
class Augmentation:
    """What is done to the samples; the same samples always give the same copy."""

    speed: float = 1.0
    """Faster above 1, slower below, by resampling: pitch moves too."""
    noise: bool = False
    """A gain within +-8 dB and white noise 10 to 30 dB below the speech, both drawn from the samples' hash."""
    keep_length: bool = False
    """Cut or pad a speed copy back to its original's length, so that length tells nothing about the copy."""

    @classmethod
    def parse(cls, text: str, *, keep_length: bool = False) -> Self:
        """`clean`, `noise` or `speed 0.9`.

        Raises:
            UsageError: anything else, or a speed outside 0.5 to 2.
        """
        words = text.split()
        if words == ["clean"]:
            return cls()
        if words == ["noise"]:
            return cls(noise=True)
        if len(words) == 2 and words[0] == "speed" and re.fullmatch(r"\d+(\.\d+)?", words[1]):
            speed = float(words[1])
            if 0.5 <= speed <= 2.0:
                return cls(speed=speed, keep_length=keep_length)
        raise UsageError(f"copy {text!r}: give {FORMS}, between 0.5 and 2")

    @property
    def key(self) -> str:
        """The same text for the same change, for cache keys."""
        return f"speed={self.speed:g} noise={self.noise:d} keep_length={self.keep_length:d}"

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """(n,) float32 -> (m,) float32."""
        changed = waveform
        if self.speed != 1.0:
            changed = _resampled(changed, self.speed)
            if self.keep_length:
                changed = np.pad(changed, (0, max(0, len(waveform) - len(changed))))[: len(waveform)]
        return _noisy(changed) if self.noise else changed


def audio_hash(waveform: np.ndarray) -> str:
    """SHA-256 of the samples: equal audio has equal hashes, whatever its file's name or format.

    Args:
        waveform: (n,) float32.
    """
    return hashlib.sha256(waveform.astype("<f4").tobytes()).hexdigest()


def _resampled(waveform: np.ndarray, speed: float) -> np.ndarray:
    import soxr

    changed: np.ndarray = soxr.resample(waveform, speed, 1.0, quality="HQ").astype(np.float32)
    return changed


def _noisy(waveform: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(int(audio_hash(waveform)[:16], 16))
    gain = 10 ** (random.uniform(-NOISE_GAIN_DB, NOISE_GAIN_DB) / 20)
    level = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if len(waveform) else 0.0
    level *= 10 ** (-random.uniform(*NOISE_SNR_DB) / 20)
    noise = random.standard_normal(len(waveform)) * level
    return ((waveform + noise) * gain).astype(np.float32)
