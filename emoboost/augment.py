"""Changed copies of an utterance: what training sees beside the clean one, and what robustness is tried on."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from emoboost import changes
from emoboost.changes import Float32, Random
from emoboost.errors import UsageError

NOISE_GAIN_DB = 8.0
NOISE_SNR_DB = (10.0, 30.0)
BACKGROUND_SNR_DB = (5.0, 30.0)
ROOM_SECONDS = (0.15, 0.6)
ROOM_RATIO_DB = (0.0, 10.0)
LINE_BAND_HZ = (200.0, 350.0), (3_000.0, 3_600.0)
"""Where the band of a telephone line begins and ends."""
CROP_SECONDS = (0.8, 1.8)
PLACE_SECONDS, PLACE_SHARE = 0.8, 0.7
"""Silence of up to so long is added to either end of this share of the copies."""


@dataclass(frozen=True)
class Kind:
    """One way to change samples."""

    does: str
    """In a few words, for documentation."""
    change: Callable[[Float32, float, Random], Float32]
    """(samples, the number behind the name, chance) -> samples."""
    least: float | None = None
    """The smallest number it takes; None where it takes none."""
    most: float = 0.0

    @property
    def takes(self) -> str:
        """What stands behind its name."""
        return "" if self.least is None else f" {self.least:g} to {self.most:g}"


def _noise(waveform: Float32, random: Random) -> Float32:
    gain = random.uniform(-NOISE_GAIN_DB, NOISE_GAIN_DB)
    return changes.louder(changes.noisy(waveform, random.uniform(*NOISE_SNR_DB), changes.white(waveform, random)), gain)


def _background(waveform: Float32, random: Random) -> Float32:
    noise = changes.NOISES[random.integers(len(changes.NOISES))]
    return changes.noisy(waveform, random.uniform(*BACKGROUND_SNR_DB), noise(waveform, random))


def _placed(waveform: Float32, random: Random) -> Float32:
    before, after = (PLACE_SECONDS * random.random() * (random.random() < PLACE_SHARE) for _ in range(2))
    return changes.padded(changes.trimmed(waveform), before, after)


def _cropped(waveform: Float32, random: Random) -> Float32:
    speech = changes.trimmed(waveform)
    seconds = random.uniform(*CROP_SECONDS)
    spare = len(speech) / changes.RATE - seconds
    return changes.cut(speech, random.uniform(0, spare), seconds) if spare > 0 else speech


def _in_a_room(waveform: Float32, random: Random) -> Float32:
    return changes.in_a_room(waveform, random.uniform(*ROOM_SECONDS), random.uniform(*ROOM_RATIO_DB), random)


def _over_a_line(waveform: Float32, random: Random) -> Float32:
    return changes.over_the_telephone(waveform, (random.uniform(*LINE_BAND_HZ[0]), random.uniform(*LINE_BAND_HZ[1])))


CLEAN, SPEED = "clean", "speed"
KINDS: Mapping[str, Kind] = {
    CLEAN: Kind("nothing", lambda w, x, r: w),
    SPEED: Kind("faster or slower by resampling, pitch moves too", lambda w, x, r: changes.sped(w, x), 0.5, 2.0),
    "gain": Kind("louder by so many dB", lambda w, x, r: changes.louder(w, x), -40.0, 40.0),
    "noise": Kind(
        f"a gain within {NOISE_GAIN_DB:g} dB and white noise {NOISE_SNR_DB[0]:g} to {NOISE_SNR_DB[1]:g} dB below",
        lambda w, x, r: _noise(w, r),
    ),
    "white": Kind(
        "white noise so many dB below the speech",
        lambda w, x, r: changes.noisy(w, x, changes.white(w, r)),
        -20.0,
        80.0,
    ),
    "background": Kind(
        f"noise of a random colour or with the speech's spectrum, {BACKGROUND_SNR_DB[0]:g} to "
        f"{BACKGROUND_SNR_DB[1]:g} dB below",
        lambda w, x, r: _background(w, r),
    ),
    "before": Kind("so many seconds of silence before", lambda w, x, r: changes.padded(w, x, 0.0), 0.0, 60.0),
    "after": Kind("so many seconds of silence after", lambda w, x, r: changes.padded(w, 0.0, x), 0.0, 60.0),
    "place": Kind("speech alone, with random silence before and after", lambda w, x, r: _placed(w, r)),
    "cut": Kind("the first so many seconds", lambda w, x, r: changes.cut(w, 0.0, x), 0.1, 600.0),
    "crop": Kind(
        f"a random stretch of {CROP_SECONDS[0]:g} to {CROP_SECONDS[1]:g} s of the speech",
        lambda w, x, r: _cropped(w, r),
    ),
    "repeat": Kind("the speech repeated until it lasts so long", lambda w, x, r: changes.repeated(w, x), 0.5, 600.0),
    "room": Kind("the echo of a random room", lambda w, x, r: _in_a_room(w, r)),
    "mulaw": Kind("8 kHz, mu-law", lambda w, x, r: changes.over_the_telephone(w, None)),
    "telephone": Kind("8 kHz, mu-law, in a random telephone band", lambda w, x, r: _over_a_line(w, r)),
    "gsm": Kind("8 kHz, GSM 06.10", lambda w, x, r: changes.coded(w, "gsm")),
    "opus": Kind("Opus at 16 kb/s", lambda w, x, r: changes.coded(w, "opus")),
    "mp3": Kind("MP3 at 32 kb/s", lambda w, x, r: changes.coded(w, "mp3")),
}
"""Name -> what it does."""


@dataclass(frozen=True)
class Step:
    """One change with its number."""

    kind: str
    """One of `KINDS`."""
    number: float | None = None
    """Behind the kind's name, where it takes one."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """A kind's name, and its number if it takes one.

        Raises:
            UsageError: an unknown name, no number where one is needed, or one outside the kind's range.
        """
        name, _, value = text.strip().partition(" ")
        if name not in KINDS:
            raise UsageError(f"copy {text.strip()!r}: there is no {name or 'such'!r}; give one of {', '.join(KINDS)}")
        kind = KINDS[name]
        if kind.least is None:
            if value:
                raise UsageError(f"copy {text.strip()!r}: {name} takes no number")
            return cls(name)
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not kind.least <= number <= kind.most:
            raise UsageError(f"copy {text.strip()!r}: give {name} with a number from {kind.least:g} to {kind.most:g}")
        return cls(name, number)

    @property
    def key(self) -> str:
        """As `parse` reads it."""
        return self.kind if self.number is None else f"{self.kind} {self.number:g}"

    def __call__(self, waveform: Float32) -> Float32:
        """(n,) float32 -> (m,) float32."""
        seed = hashlib.sha256(f"{audio_hash(waveform)} {self.key}".encode()).hexdigest()
        return KINDS[self.kind].change(waveform, self.number or 0.0, np.random.default_rng(int(seed, 16)))


@dataclass(frozen=True)
class Augmentation:
    """What is done to the samples, one step after the other; the same samples always give the same copy."""

    steps: tuple[Step, ...] = ()
    """None leaves them as they are."""
    keep_length: bool = False
    """Cut or pad a speed copy back to its original's length, so that length tells nothing about the copy."""

    @classmethod
    def parse(cls, text: str, *, keep_length: bool = False) -> Self:
        """Steps separated by `+`, each as `Step.parse` reads it: `clean`, `speed 0.9`, `speed 1.1 + telephone`.

        Raises:
            UsageError: a step that is none.
        """
        steps = tuple(step for step in map(Step.parse, text.split("+")) if step.kind != CLEAN)
        return cls(steps, keep_length=keep_length and any(step.kind == SPEED for step in steps))

    @property
    def key(self) -> str:
        """The same text for the same change, for cache keys."""
        steps = " + ".join(step.key for step in self.steps) or CLEAN
        return f"{steps}, keep_length" if self.keep_length else steps

    def __call__(self, waveform: Float32) -> Float32:
        """(n,) float32 -> (m,) float32."""
        for step in self.steps:
            length = len(waveform)
            waveform = step(waveform)
            if self.keep_length and step.kind == SPEED:
                waveform = changes.fitted(waveform, length)
        return waveform


def audio_hash(waveform: np.ndarray) -> str:
    """SHA-256 of the samples: equal audio has equal hashes, whatever its file's name or format.

    Args:
        waveform: (n,) float32.
    """
    return hashlib.sha256(waveform.astype("<f4").tobytes()).hexdigest()
