"""Segments against a plain loop, pre-emphasis against librosa."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emoboost.config import SegmentConfig
from emoboost.segment import count_segments, preemphasis, segment, segment_groups

CLIP = Path(__file__).parents[1] / "examples/audio/librispeech/1363-135842-0000.flac"
SAMPLES = SegmentConfig().samples
MIN_TAIL = SegmentConfig().min_tail_samples

lengths = st.one_of(
    st.integers(1, 4 * SAMPLES),
    st.builds(
        lambda whole, offset: whole * SAMPLES + offset,
        st.integers(1, 3),
        st.sampled_from([-1, 0, 1, MIN_TAIL - 1, MIN_TAIL, MIN_TAIL + 1]),
    ),
)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    waveform, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == SegmentConfig().sample_rate
    return waveform


def numbered(length: int) -> np.ndarray:
    """Every sample tells its place: 1, 2, 3, ..., exact in float32 up to 16 million."""
    return np.arange(1, length + 1, dtype=np.float32)


def by_hand(waveform: np.ndarray, config: SegmentConfig) -> list[tuple[list[float], int, int]]:
    """(samples, valid, first sample) of every segment, one sample at a time."""
    found: list[tuple[list[float], int, int]] = []
    begin = 0
    while begin < len(waveform):
        left = len(waveform) - begin
        if found and left < config.samples:
            if config.tail == "align":
                begin = len(waveform) - config.samples
            elif left < config.min_tail_samples:
                break
        piece = [0.0] * config.samples
        valid = 0
        for place in range(config.samples):
            if begin + place < len(waveform):
                piece[place] = float(waveform[begin + place])
                valid += 1
        found.append((piece, valid, begin))
        begin += config.samples
    return found


@pytest.mark.parametrize("tail", ["pad", "align"])
@pytest.mark.parametrize("length", [1, 2, 9, 10, 11, 12, 13, 19, 20, 21, 23, 30, 31, 34])
def test_equals_a_plain_loop(length: int, tail: str) -> None:
    config = SegmentConfig(samples=10, min_tail_samples=3, sample_rate=100, tail=tail)
    waveform = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    cut = segment(waveform, config)
    expected = by_hand(waveform, config)
    np.testing.assert_array_equal(cut.waveforms, np.array([piece for piece, _, _ in expected], np.float32))
    assert cut.valid.tolist() == [valid for _, valid, _ in expected]
    np.testing.assert_allclose(cut.starts, [begin / 100 for _, _, begin in expected], rtol=0, atol=1e-12)
    emphasised = by_hand(preemphasis(waveform, config.preemphasis), config)
    np.testing.assert_array_equal(cut.emphasised, np.array([piece for piece, _, _ in emphasised], np.float32))


@pytest.mark.parametrize("tail", ["pad", "align"])
@pytest.mark.parametrize("length", [1, 10, 11, 31, 34, 50, 59])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_groups_are_the_whole_in_pieces(length: int, tail: str, most: int) -> None:
    config = SegmentConfig(samples=10, min_tail_samples=3, sample_rate=100, tail=tail)
    waveform = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    whole, groups = segment(waveform, config), list(segment_groups(waveform, config, most))
    assert all(len(group.valid) == most for group in groups[:-1])
    for name in ("waveforms", "emphasised", "valid", "starts"):
        np.testing.assert_array_equal(np.concatenate([getattr(group, name) for group in groups]), getattr(whole, name))


@settings(deadline=None)
@given(lengths, st.sampled_from(["pad", "align"]))
def test_shapes_and_valid_samples(length: int, tail: str) -> None:
    cut = segment(numbered(length), SegmentConfig(tail=tail))
    n = len(cut.valid)
    assert n >= 1
    assert cut.waveforms.shape == cut.emphasised.shape == (n, SAMPLES)
    assert cut.waveforms.dtype == cut.emphasised.dtype == np.float32
    assert cut.valid.dtype == np.int32
    assert cut.starts.shape == (n,)
    for waveform, emphasised, valid in zip(cut.waveforms, cut.emphasised, cut.valid, strict=True):
        assert np.all(waveform[:valid] > 0)
        assert not waveform[valid:].any()
        assert not emphasised[valid:].any()
    if n > 1 or length >= SAMPLES:
        assert (cut.valid[:-1] == SAMPLES).all()


@settings(deadline=None)
@given(lengths, st.sampled_from(["pad", "align"]))
def test_segments_are_counted_without_cutting(length: int, tail: str) -> None:
    config = SegmentConfig(tail=tail)
    assert count_segments(length, config) == len(segment(np.zeros(length, np.float32), config).valid)


@given(lengths)
def test_pad_covers_every_sample_once_but_a_short_tail(length: int) -> None:
    cut = segment(numbered(length), SegmentConfig(tail="pad"))
    covered = np.concatenate([w[:v] for w, v in zip(cut.waveforms, cut.valid, strict=True)])
    np.testing.assert_array_equal(covered, numbered(len(covered)))
    dropped = length - len(covered)
    assert dropped == (length % SAMPLES if length > SAMPLES and length % SAMPLES < MIN_TAIL else 0)


@settings(deadline=None)
@given(lengths)
def test_align_covers_every_sample_and_ends_with_the_utterance(length: int) -> None:
    waveform = numbered(length)
    cut = segment(waveform, SegmentConfig(tail="align"))
    if length >= SAMPLES:
        np.testing.assert_array_equal(cut.waveforms[-1], waveform[-SAMPLES:])
        assert (cut.valid == SAMPLES).all()
    np.testing.assert_array_equal(np.unique(cut.waveforms[cut.waveforms > 0]), waveform)
    np.testing.assert_allclose(cut.waveforms[:, 0], cut.starts * 16_000 + 1, rtol=0, atol=1e-6)


def test_real_speech_of_five_seconds(speech: np.ndarray) -> None:
    assert len(speech) == 84_160
    padded = segment(speech, SegmentConfig())
    assert padded.valid.tolist() == [48_000, 36_160]
    assert padded.starts.tolist() == [0.0, 3.0]
    np.testing.assert_array_equal(padded.waveforms.ravel()[:84_160], speech)
    aligned = segment(speech, SegmentConfig(tail="align"))
    assert aligned.valid.tolist() == [48_000, 48_000]
    assert aligned.starts.tolist() == [0.0, 2.26]


def test_preemphasis_equals_librosa(speech: np.ndarray) -> None:
    # One rounding of the product may differ where a CPU fuses multiplication and addition: 2^-25 of full scale.
    np.testing.assert_allclose(
        preemphasis(speech, 0.97), librosa.effects.preemphasis(speech, coef=0.97), rtol=0, atol=2**-25
    )


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=50), st.floats(0, 1))
def test_preemphasis_equals_librosa_from_two_samples_on(values: list[float], coefficient: float) -> None:
    waveform = np.array(values, np.float32)
    expected = librosa.effects.preemphasis(waveform, coef=coefficient)
    np.testing.assert_allclose(preemphasis(waveform, coefficient), expected, rtol=0, atol=2**-24)


def test_preemphasis_by_hand() -> None:
    emphasised = preemphasis(np.array([1.0, 2.0, 4.0], np.float32), 0.5)
    assert emphasised.tolist() == [3 * 1.0 - 2.0, 2.0 - 0.5 * 1.0, 4.0 - 0.5 * 2.0]


def test_a_single_sample_is_a_constant() -> None:
    one, two = np.array([0.25], np.float32), np.array([0.25, 0.25], np.float32)
    assert preemphasis(one, 0.97)[0] == preemphasis(two, 0.97)[0] == 0.5
    cut = segment(one, SegmentConfig())
    assert cut.valid.tolist() == [1]
    assert cut.waveforms[0, :2].tolist() == [0.25, 0.0]
    assert cut.emphasised[0, :2].tolist() == [0.5, 0.0]


def test_segments_of_the_emphasised_utterance_do_not_start_anew(speech: np.ndarray) -> None:
    second = segment(speech, SegmentConfig()).emphasised[1]
    assert second[0] == speech[SAMPLES] - np.float32(0.97) * speech[SAMPLES - 1]


def test_the_waveform_is_left_alone(speech: np.ndarray) -> None:
    frozen = speech.copy()
    frozen.flags.writeable = False
    segment(frozen, SegmentConfig())
    np.testing.assert_array_equal(frozen, speech)


@pytest.mark.parametrize("shape", [(0,), (10, 2)])
def test_refuses_what_is_no_waveform(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"one-dimensional and has samples, found shape \("):
        segment(np.zeros(shape, np.float32), SegmentConfig())


class TestLoudness:
    @pytest.mark.parametrize("gain", [1e-3, 0.25, 4.0])
    def test_the_level_of_a_recording_changes_nothing(self, speech: np.ndarray, gain: float) -> None:
        config = SegmentConfig(loudness=0.1)
        first, second = segment(speech, config), segment(speech * np.float32(gain), config)
        np.testing.assert_allclose(second.waveforms, first.waveforms, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(second.emphasised, first.emphasised, rtol=1e-5, atol=1e-7)

    def test_the_loudest_tenth_of_a_second_of_each_segment_has_it(self, speech: np.ndarray) -> None:
        found = segment(speech, SegmentConfig(loudness=0.1)).waveforms.astype(np.float64)
        for signal in found:
            loudest = max(np.sqrt(np.mean(signal[i : i + 1_600] ** 2)) for i in range(0, len(signal) - 1_599, 160))
            assert loudest == pytest.approx(0.1, rel=1e-5)

    def test_both_signals_are_scaled_alike(self, speech: np.ndarray) -> None:
        plain, scaled = segment(speech, SegmentConfig()), segment(speech, SegmentConfig(loudness=0.1))
        for before, after in ((plain.waveforms, scaled.waveforms), (plain.emphasised, scaled.emphasised)):
            factors = [np.abs(b).max() / np.abs(a).max() for a, b in zip(before, after, strict=True)]
            expected = [
                np.abs(b).max() / np.abs(a).max() for a, b in zip(plain.waveforms, scaled.waveforms, strict=True)
            ]
            np.testing.assert_allclose(factors, expected, rtol=1e-5)

    def test_silence_stays_silence(self) -> None:
        assert not segment(np.zeros(50_000, np.float32), SegmentConfig(loudness=0.1)).waveforms.any()
