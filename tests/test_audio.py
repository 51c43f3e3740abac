"""Real recordings in every condition: what is read is right, what cannot be read says why."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from bad_audio import PROTECTED, RATE, Difficult
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import CLIP, OTHER, REPOSITORY, read, refusal, samples_of, written

from emoboost import audio
from emoboost.access import Access
from emoboost.audio import probe, resolve
from emoboost.errors import FIXES, AudioErrorType

DIFFICULT = [
    *("missing", "empty", "text", "m4a", "directory", "pipe", PROTECTED, "header_promises_more"),
    *("header_says_nothing", "truncated_flac", "nan", "one_sample", "all_zeros", "8_khz", "44_khz_stereo"),
    *("96_khz_24_bit", "7_channels", "spaces_and_umlauts", "length_unknown", "span_past_the_end", "too_long"),
]


def test_the_list_of_difficult_recordings_is_complete(difficult: dict[str, Difficult]) -> None:
    assert sorted(difficult) == sorted(DIFFICULT)


@pytest.mark.parametrize("name", [name for name in DIFFICULT if name != PROTECTED])  # that one: test_source.py
def test_difficult_recordings(name: str, difficult: dict[str, Difficult]) -> None:
    path, expected, start, end = difficult[name]
    if expected is not None:
        assert refusal(path, start, end)[0] is expected
        return
    waveform = read(path, start, end)
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert len(waveform) == (1 if name == "one_sample" else 56_560)
    assert np.isfinite(waveform).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "there is no such file"),
        ("empty", "the file has 0 bytes"),
        ("text", f"holds text; {FIXES[AudioErrorType.UNSUPPORTED_FORMAT]}"),
        ("m4a", "holds MPEG-4 (m4a, mp4); convert it, for example: ffmpeg -i IN -ar 16000 OUT.flac"),
        ("directory", "is a folder, not a file; name the recording itself"),
        ("pipe", "is a named pipe, not a file; name the recording itself"),
        ("header_promises_more", "its header promises 7.07 s, the file holds 3.54 s"),
        ("header_says_nothing", "says 0 frames, though 113120 bytes follow: the recorder did not close it"),
        ("truncated_flac", "damaged or cut off between 0.00 and 3.54 s (flac decoder lost sync)"),
        ("nan", "NaN, Inf or absurdly large samples before 3.54 s"),
        ("span_past_the_end", "end is 60.0 s, the recording has 3.54 s"),
        ("too_long", "11.00 s long, the limit is 10 s"),
    ],
)
def test_messages(name: str, message: str, difficult: dict[str, Difficult]) -> None:
    path, _, start, end = difficult[name]
    assert message in refusal(path, start, end)[1]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"root:$6$aZ09$QwErTy:19000:0:99999:7:::\n", "text"),
        (b"aZ09QwErTy", "text"),
        (b'{"auths": {"aZ09QwErTy": 1}}', "JSON"),
        (b"\n<html>aZ09QwErTy</html>", "HTML"),
        (b"aZ09\xffQwErTy\x01\xfe\xfd\xfc\xfb", "an unknown format"),
        ("aZ09QwErTy".encode("utf-16-le"), "an unknown format"),
        (b"\x89PNG\r\n\x1a\naZ09QwErTy", "an image (PNG)"),
    ],
)
def test_messages_quote_nothing_of_a_file_that_is_no_audio(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content)
    error_type, message = refusal(tmp_path / "secret")
    assert error_type is AudioErrorType.UNSUPPORTED_FORMAT
    fix = FIXES[AudioErrorType.UNSUPPORTED_FORMAT]
    assert message == f"{tmp_path}/secret: holds {kind}; {fix}"


def test_unusual_recordings_sound_like_the_clip(difficult: dict[str, Difficult], speech: np.ndarray) -> None:
    # Resampled there and back loses what lies near 8 kHz: -30 dB. 0.75 is the mean of the two channels' gains.
    for name, gain, tolerance in [
        ("96_khz_24_bit", 1.0, 0.03),
        ("44_khz_stereo", 0.75, 0.03),
        ("length_unknown", 1.0, 0.0),
        ("spaces_and_umlauts", 1.0, 0.0),
    ]:
        difference = read(difficult[name].path) - gain * speech
        assert np.linalg.norm(difference) <= tolerance * np.linalg.norm(gain * speech), name


@settings(deadline=None)
@given(st.integers(0, 56_559), st.integers(1, 56_560), st.booleans())
def test_a_span_is_a_slice(first: int, count: int, to_the_end: bool) -> None:
    whole = samples_of(CLIP)
    last = min(first + count, len(whole))
    waveform = read(CLIP, first / RATE, None if to_the_end else last / RATE)
    np.testing.assert_array_equal(waveform, whole[first : None if to_the_end else last])


def test_an_end_just_past_the_recording_is_rounding(speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(CLIP, 3.0, 3.535 + 0.049), speech[48_000:])
    assert refusal(CLIP, 3.0, 3.535 + 0.051)[0] is AudioErrorType.OUTSIDE_FILE


@pytest.mark.parametrize(
    ("start", "end", "expected", "message"),
    [
        (3.535, None, AudioErrorType.OUTSIDE_FILE, "start is 3.535 s, the recording has 3.54 s"),
        (9.0, 10.0, AudioErrorType.OUTSIDE_FILE, "start is 9.0 s"),
        (-0.5, 1.0, AudioErrorType.OUTSIDE_FILE, "start is -0.5 s"),
        (0.0, float("inf"), AudioErrorType.OUTSIDE_FILE, "end is inf s"),
        (float("inf"), None, AudioErrorType.OUTSIDE_FILE, "start is inf s"),
        (float("nan"), None, AudioErrorType.OUTSIDE_FILE, "start is nan s"),
        (0.0, float("nan"), AudioErrorType.EMPTY, "the span from 0.0 to nan s is empty"),
        (1.0, 1.0, AudioErrorType.EMPTY, "the span from 1.0 to 1.0 s is empty"),
        (2.0, 1.0, AudioErrorType.EMPTY, "the span from 2.0 to 1.0 s is empty"),
        (1.0, 1.00001, AudioErrorType.EMPTY, "shorter than one sample"),
    ],
)
def test_impossible_spans(start: float, end: float | None, expected: AudioErrorType, message: str) -> None:
    error_type, found = refusal(CLIP, start, end)
    assert error_type is expected
    assert message in found


def test_too_long_is_decided_before_decoding(tmp_path: Path) -> None:
    # Everything after the header is damaged, so that decoding would say so.
    content = CLIP.read_bytes()
    broken = tmp_path / "broken.flac"
    broken.write_bytes(content[:10_000] + bytes(len(content) - 10_000))
    assert refusal(broken)[0] is AudioErrorType.TRUNCATED
    error_type, message = refusal(broken, max_seconds=3.5)
    assert error_type is AudioErrorType.TOO_LONG
    assert message.endswith("3.54 s long, the limit is 3.5 s")
    assert len(read(CLIP, 0.0, 3.5, max_seconds=3.5)) == 56_000


def test_less_than_one_sample_after_resampling(tmp_path: Path) -> None:
    path = written(tmp_path / "one.wav", np.ones(1, np.float32), 96_000)
    error_type, message = refusal(path)
    assert error_type is AudioErrorType.EMPTY
    assert "shorter than one sample at 16000 Hz" in message


def test_probe(difficult: dict[str, Difficult]) -> None:
    header = probe(str(difficult["44_khz_stereo"].path), Access())
    assert (header.sample_rate, header.channels, header.frames) == (44_100, 2, 155_894)
    assert header.duration == 155_894 / 44_100


def test_channels(tmp_path: Path, speech: np.ndarray) -> None:
    other = samples_of(OTHER)
    length = min(len(speech), len(other))
    path = written(tmp_path / "stereo.wav", np.stack([speech[:length], other[:length]], axis=1))
    np.testing.assert_array_equal(read(path, channel=0), speech[:length])
    np.testing.assert_array_equal(read(path, channel=1), other[:length])
    np.testing.assert_array_equal(read(path), (speech[:length] + other[:length]) / np.float32(2))
    for channel in (2, -1):
        error_type, message = refusal(path, channel=channel)
        assert error_type is AudioErrorType.NO_CHANNEL
        assert message == f"{path}: there is no channel {channel}; it has 2"


def test_the_mean_of_equal_channels_is_each_of_them(difficult: dict[str, Difficult], speech: np.ndarray) -> None:
    np.testing.assert_array_equal(audio.to_mono(np.stack([speech, speech], axis=1), None), speech)
    seven = soundfile.read(difficult["7_channels"].path, dtype="float64")[0]
    np.testing.assert_allclose(read(difficult["7_channels"].path), seven.mean(axis=1), rtol=0, atol=1e-6)


def test_a_broken_channel_does_not_matter_when_another_is_read(tmp_path: Path, speech: np.ndarray) -> None:
    broken = np.stack([speech, np.full_like(speech, np.inf)], axis=1)
    path = written(tmp_path / "half.wav", broken, subtype="FLOAT")
    np.testing.assert_array_equal(read(path, channel=0), speech)
    for channel in (1, None):
        assert refusal(path, channel=channel)[0] is AudioErrorType.NOT_FINITE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_samples_that_no_feature_survives(value: float, tmp_path: Path, speech: np.ndarray) -> None:
    waveform = speech.copy()
    waveform[-1] = value
    path = written(tmp_path / "broken.wav", waveform, subtype="FLOAT")
    assert refusal(path)[0] is AudioErrorType.NOT_FINITE
    np.testing.assert_array_equal(read(path, 0.0, 3.5), speech[:56_000])


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_in_blocks_equals_resampling_at_once(rate: int, tmp_path: Path, speech: np.ndarray) -> None:
    # Long enough for at least two blocks of 2^18 frames at every rate.
    waveform = np.resize(speech, 600_000)
    path = written(tmp_path / "long.wav", waveform, rate, subtype="FLOAT")
    result = read(path, max_seconds=100.0)
    expected = soxr.resample(waveform, rate, RATE, quality="HQ")
    assert len(result) == len(expected)
    # The same filter in float32; only the order of additions may differ.
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_sine_keeps_its_pitch_level_and_phase(rate: int, tmp_path: Path) -> None:
    path = written(
        tmp_path / "sine.wav", 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(2 * rate) / rate), rate, subtype="FLOAT"
    )
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(2 * RATE) / RATE)
    # Away from the edges, where the filter sees silence; HQ promises 20 bits, 16 are asked for.
    np.testing.assert_allclose(read(path)[1_000:-1_000], expected[1_000:-1_000], rtol=0, atol=2**-16)


def test_memory_is_bounded_by_the_result(tmp_path: Path, speech: np.ndarray) -> None:
    path = written(tmp_path / "wide.wav", np.resize(speech, (480_000, 7)), 48_000)
    read(path, 0.0, 0.1)
    tracemalloc.start()
    result = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.nbytes == 640_000
    # One block, its mono mix, and the result twice while it is put together; all frames would be 13.4 MB.
    assert peak < 3.5e6


@pytest.mark.parametrize(
    ("uri", "base", "expected"),
    [
        ("a/b.wav", "/data", "/data/a/b.wav"),
        ("./b.wav", "/data/", "/data/b.wav"),
        ("../b.wav", "/data/x", "/data/x/../b.wav"),
        ("/elsewhere/b.wav", "/data", "/elsewhere/b.wav"),
        ("/elsewhere/b.wav", "s3://bucket/dir", "/elsewhere/b.wav"),
        ("Müßig, 2. Teil.wav", "s3://bucket/dir", "s3://bucket/dir/Müßig, 2. Teil.wav"),
        ("./b.wav", "s3://bucket/dir/", "s3://bucket/dir/b.wav"),
        ("gs://other/b.wav", "/data", "gs://other/b.wav"),
        ("https://host/b.wav?key=1", "s3://bucket", "https://host/b.wav?key=1"),
        ("b.wav", "", str(Path.cwd() / "b.wav")),
    ],
)
def test_resolve(uri: str, base: str, expected: str) -> None:
    assert resolve(uri, base) == expected


def test_the_example_is_real_speech_with_an_honest_column() -> None:
    import pandas as pd

    manifest = pd.read_csv(REPOSITORY / "examples/manifest.csv", dtype=str, keep_default_na=False)
    assert manifest.columns.tolist() == ["path", "corpus", "speaker", "emotion", "seen_in_training"]
    assert manifest.groupby("corpus").size().to_dict() == {"emodb": 8, "librispeech": 8}
    emotions = ["anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness"]
    letters = dict(zip("WLEAFNT", emotions, strict=True))
    for row in manifest.itertuples():
        name = Path(str(row.path)).stem
        header = probe(resolve(str(row.path), str(REPOSITORY / "examples")), Access())
        assert (header.sample_rate, header.channels) == (16_000, 1)
        if row.corpus == "emodb":
            assert header.duration == 2.0
            assert (row.speaker, row.emotion, row.seen_in_training) == (name[:2], letters[name[5]], "yes")
        else:
            assert (row.speaker, row.emotion, row.seen_in_training) == (name.split("-")[0], "", "no")
