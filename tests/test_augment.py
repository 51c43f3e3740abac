"""Copies: what changes, what does not, and what is refused."""

import numpy as np
import pytest

from emoboost.augment import KINDS, LINE_BAND_HZ, NOISE_GAIN_DB, Augmentation, audio_hash
from emoboost.changes import CODECS, RATE, speech_level, trimmed
from emoboost.errors import UsageError


def texts() -> list[str]:
    """Every kind once, with a number in the middle of what it takes."""
    numbers = {"speed": "1.1", "gain": "-12", "white": "10", "before": "0.5", "after": "0.5", "cut": "1", "repeat": "5"}
    return [f"{name} {numbers[name]}" if kind.least is not None else name for name, kind in KINDS.items()]


def decibels(ratio: float) -> float:
    return 20 * float(np.log10(ratio))


def rms(signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))


def test_clean_is_the_same_samples(speech: np.ndarray) -> None:
    assert Augmentation.parse("clean")(speech) is speech


@pytest.mark.parametrize("text", texts())
class TestEach:
    def test_is_always_the_same_and_never_the_original(self, text: str, speech: np.ndarray) -> None:
        change = Augmentation.parse(text)
        found = change(speech)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(found, change(speech.copy()))
        if text != "clean":
            assert len(found) != len(speech) or not np.array_equal(found, speech)

    @pytest.mark.parametrize("length", [0, 1, 10, 500, 4_000])
    def test_takes_silence_and_next_to_nothing(self, text: str, length: int) -> None:
        found = Augmentation.parse(text)(np.zeros(length, np.float32))
        assert found.dtype == np.float32
        assert np.abs(found).max(initial=0) < 1e-3, "silence stays silence"
        if length:
            assert len(found) > 0


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


def test_gain(speech: np.ndarray) -> None:
    assert decibels(rms(Augmentation.parse("gain -12")(speech)) / rms(speech)) == pytest.approx(-12, abs=1e-3)


def test_noise_is_within_its_bounds(speech: np.ndarray) -> None:
    found = Augmentation.parse("noise")(speech)
    gain = float(found.astype(np.float64) @ speech / (speech.astype(np.float64) @ speech))
    assert abs(decibels(gain)) <= NOISE_GAIN_DB + 0.5
    ratio = decibels(speech_level(speech) / rms(found / gain - speech))
    assert 9.5 <= ratio <= 30.5
    other = Augmentation.parse("noise")(speech[:-1])
    assert not np.allclose(other, found[:-1]), "another recording, another draw"


@pytest.mark.parametrize("ratio", ["0", "20"])
def test_white_noise_is_so_much_weaker_than_the_speech(ratio: str, speech: np.ndarray) -> None:
    noise = Augmentation.parse(f"white {ratio}")(speech) - speech
    assert decibels(speech_level(speech) / rms(noise)) == pytest.approx(float(ratio), abs=0.1)
    halves = np.array_split(np.square(np.abs(np.fft.rfft(noise))), 2)
    assert halves[0].mean() == pytest.approx(halves[1].mean(), rel=0.1), "as strong above 4 kHz as below"


def test_background_noise_has_the_speech_level_it_should(speech: np.ndarray) -> None:
    ratios = []
    for start in range(8):  # other samples, other draws
        part = speech[start * 100 :]
        ratios.append(decibels(speech_level(part) / rms(Augmentation.parse("background")(part) - part)))
    assert min(ratios) >= 4.9
    assert max(ratios) <= 30.1
    assert max(ratios) - min(ratios) > 2


def test_silence_before_and_after(speech: np.ndarray) -> None:
    before, after = (Augmentation.parse(f"{side} 0.5")(speech) for side in ("before", "after"))
    assert len(before) == len(after) == len(speech) + RATE // 2
    assert not before[: RATE // 2].any()
    assert not after[len(speech) :].any()
    np.testing.assert_array_equal(before[RATE // 2 :], speech)
    np.testing.assert_array_equal(after[: len(speech)], speech)


def test_silence_at_the_ends_is_trimmed_and_placed_anew(speech: np.ndarray) -> None:
    quiet = np.pad(speech, (RATE, RATE))
    assert len(trimmed(quiet)) <= len(speech) + 2 * (RATE // 20 + RATE // 50)
    placed = Augmentation.parse("place")(quiet)
    inside = np.flatnonzero(placed)
    assert len(trimmed(quiet)) - 2 <= inside[-1] - inside[0] + 1 + RATE // 5
    assert len(placed) <= len(trimmed(quiet)) + 2 * 0.8 * RATE


def test_lengths(speech: np.ndarray) -> None:
    assert len(Augmentation.parse("cut 1")(speech)) == RATE
    np.testing.assert_array_equal(Augmentation.parse("cut 1")(speech), speech[:RATE])
    assert len(Augmentation.parse("repeat 10")(speech)) == 10 * RATE
    assert 0.75 * RATE <= len(Augmentation.parse("crop")(speech)) <= 1.85 * RATE


@pytest.mark.parametrize("text", ["mulaw", "telephone", *CODECS])
def test_lines_and_codecs_keep_length_and_what_they_carry(text: str, speech: np.ndarray) -> None:
    found = Augmentation.parse(text)(speech)
    assert len(found) == len(speech)
    band = slice(int(LINE_BAND_HZ[0][1]) * len(speech) // RATE, 2_000 * len(speech) // RATE)
    before, after = (np.abs(np.fft.rfft(signal))[band] for signal in (speech, found))
    assert float(np.corrcoef(before, after)[0, 1]) > 0.8, "speech of up to 2 kHz is what it was"
    above = np.square(np.abs(np.fft.rfft(found)))[4_200 * len(speech) // RATE :].sum()
    if text in ("mulaw", "telephone", "gsm"):
        assert above < 1e-3 * np.square(after).sum(), "nothing is left above 4 kHz"


def test_a_room_adds_a_tail(speech: np.ndarray) -> None:
    found = Augmentation.parse("room")(speech)
    assert len(speech) < len(found) <= len(speech) + 0.3 * RATE + 1
    assert rms(found[len(speech) :]) > 0


def test_steps_follow_one_another(speech: np.ndarray) -> None:
    one, two = Augmentation.parse("speed 0.9"), Augmentation.parse("telephone")
    both = Augmentation.parse("speed 0.9 +telephone")
    assert both.key == "speed 0.9 + telephone"
    np.testing.assert_array_equal(both(speech), two(one(speech)))
    kept = Augmentation.parse("before 0.5 + speed 0.9", keep_length=True)(speech)
    assert len(kept) == len(speech) + RATE // 2
    assert Augmentation.parse("clean + mulaw") == Augmentation.parse("mulaw")


def test_every_change_has_a_key_of_its_own() -> None:
    speeds = [Augmentation.parse(f"speed {x}", keep_length=keep) for x in (0.9, 1.1) for keep in (True, False)]
    changes = [*speeds, *(Augmentation.parse(text) for text in texts() if text != "speed 1.1")]
    assert len({change.key for change in changes}) == len(changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "copy '': there is no 'such'"),
        ("mulaw +", "copy '': there is no 'such'"),
        ("fast", "copy 'fast': there is no 'fast'; give one of clean, speed"),
        ("noise 3", "copy 'noise 3': noise takes no number"),
        *((f"speed{x}", "give speed with a number from 0.5 to 2") for x in ("", " x", " 0.1", " 3", " -1", " nan")),
        ("white 100", "give white with a number from -20 to 80"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Augmentation.parse(text)


def test_hash_is_of_the_samples(speech: np.ndarray) -> None:
    assert audio_hash(speech) == audio_hash(speech.copy())
    changed = speech.copy()
    changed[17] += 1e-6
    assert audio_hash(changed) != audio_hash(speech)
