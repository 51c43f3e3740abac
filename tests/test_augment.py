"""Copies: what changes, what does not, and what is refused."""

import numpy as np
import pytest

from emoboost.augment import NOISE_GAIN_DB, Augmentation, audio_hash
from emoboost.errors import UsageError


def test_clean_is_the_same_samples(speech: np.ndarray) -> None:
    assert Augmentation.parse("clean")(speech) is speech


@pytest.mark.parametrize("speed", ["0.9", "1.1", "0.5"])
def test_speed_moves_length_and_pitch(speed: str) -> None:
    sine = np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 16_000).astype(np.float32)
    found = Augmentation.parse(f"speed {speed}")(sine)
    assert len(found) == pytest.approx(32_000 / float(speed), abs=1)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    assert spectrum.argmax() * 16_000 / len(found) == pytest.approx(1_000 * float(speed), abs=1)
    kept = Augmentation.parse(f"speed {speed}", keep_length=True)(sine)
    assert kept.shape == sine.shape
    shared = min(len(found), len(kept))
    np.testing.assert_array_equal(kept[:shared], found[:shared])
    assert not kept[shared:].any()


def test_noise_is_within_its_bounds_and_always_the_same(speech: np.ndarray) -> None:
    change = Augmentation.parse("noise")
    found = change(speech)
    np.testing.assert_array_equal(found, change(speech))
    assert found.dtype == np.float32
    gain = float(found.astype(np.float64) @ speech / (speech.astype(np.float64) @ speech))
    assert abs(20 * np.log10(gain)) <= NOISE_GAIN_DB + 0.5
    noise = found / gain - speech
    ratio = 10 * np.log10(np.mean(np.square(speech)) / np.mean(np.square(noise)))
    assert 9.5 <= ratio <= 30.5
    other = change(speech[:-1])
    assert not np.allclose(other, found[:-1]), "another recording, another draw"


def test_silence_and_nothing_stay_as_they_are() -> None:
    change = Augmentation.parse("noise")
    assert not change(np.zeros(100, np.float32)).any()
    assert change(np.zeros(0, np.float32)).shape == (0,)


def test_every_change_has_a_key_of_its_own() -> None:
    changes = [
        Augmentation.parse(text, keep_length=keep) for text in ("speed 0.9", "speed 1.1") for keep in (True, False)
    ]
    keys = {change.key for change in [*changes, Augmentation(), Augmentation(noise=True)]}
    assert len(keys) == 6


@pytest.mark.parametrize("text", ["", "fast", "speed", "speed x", "speed 0.1", "speed 3", "speed -1", "noise 3"])
def test_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"copy .*: give clean, noise, or speed with a factor"):
        Augmentation.parse(text)


def test_hash_is_of_the_samples(speech: np.ndarray) -> None:
    assert audio_hash(speech) == audio_hash(speech.copy())
    changed = speech.copy()
    changed[17] += 1e-6
    assert audio_hash(changed) != audio_hash(speech)
