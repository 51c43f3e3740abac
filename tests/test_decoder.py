"""Every format, whole and damaged: the same samples whatever was read before, and no silent cut."""

import struct
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from bad_audio import MAX_SECONDS, RATE, set_wav_length
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import CLIP, read, refusal, samples_of, written

from emoboost.access import Access
from emoboost.audio import open_recording, probe
from emoboost.errors import FIXES, AudioError, AudioErrorType


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return samples_of(CLIP)


FORMATS = {
    "flac": ("FLAC", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
    "ima": ("WAV", "IMA_ADPCM"),
    "gsm": ("WAV", "GSM610"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoded")
    return {
        name: written(folder / name, np.tile(speech, 2), RATE, format=container, subtype=codec)
        for name, (container, codec) in FORMATS.items()
    }


@pytest.mark.parametrize("name", FORMATS)
def test_spans_do_not_depend_on_those_read_before(
    name: str, encoded: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the formats whose decoders give other samples after a seek, and over the borders of blocks."""
    whole = read(encoded[name])
    # Five thousand frames a block instead of 2^18, so that a short recording has many.
    monkeypatch.setattr("emoboost.decoder.BLOCK_VALUES", 5_000)
    np.testing.assert_array_equal(read(encoded[name]), whole)
    with open_recording(str(encoded[name]), Access()) as recording:
        for first in (30_000, 1, 90_000, 90_000, 12_345, 0, 104_000):
            span = recording.read(first / RATE, (first + 9_000) / RATE, None, MAX_SECONDS)
            np.testing.assert_array_equal(span, whole[first : first + 9_000])


def test_lossy_formats_decode_to_the_same_speech(encoded: dict[str, Path], speech: np.ndarray) -> None:
    """Catches an offset, which equal spans would share."""
    for name in FORMATS:
        decoded = read(encoded[name])[: 2 * len(speech)]
        correlation = np.corrcoef(decoded, np.tile(speech, 2)[: len(decoded)])[0, 1]
        assert correlation > (0.8 if name == "gsm" else 0.95), name


@pytest.fixture
def unknown_length(tmp_path: Path) -> Path:
    """FLAC as `flac - > file` writes it: the 36 bits of its length are 0."""
    content = bytearray(CLIP.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "piped.flac"
    path.write_bytes(content)
    return path


def test_flac_of_unknown_length(unknown_length: Path, speech: np.ndarray) -> None:
    header = probe(str(unknown_length), Access())
    assert header.frames is None
    assert header.duration is None
    np.testing.assert_array_equal(read(unknown_length), speech)
    np.testing.assert_array_equal(read(unknown_length, 1.0, 2.0), speech[16_000:32_000])
    np.testing.assert_array_equal(read(unknown_length, 1.0), speech[16_000:])
    np.testing.assert_array_equal(read(unknown_length, max_seconds=3.535), speech)
    assert refusal(unknown_length, max_seconds=2.0)[0] is AudioErrorType.TOO_LONG
    assert refusal(unknown_length, max_seconds=3.5349)[0] is AudioErrorType.TOO_LONG
    assert refusal(unknown_length, 1.0, 4.0)[0] is AudioErrorType.OUTSIDE_FILE
    assert refusal(unknown_length, 5.0)[0] is AudioErrorType.OUTSIDE_FILE


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *((container, "PCM_16") for container in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "NIST", "VOC")),
        *((container, "ULAW") for container in ("WAV", "W64", "NIST", "VOC")),
        *(("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")),
    ],
)
def test_cut_recordings(container: str, codec: str, tmp_path: Path, speech: np.ndarray) -> None:
    """What a cut copy still holds can be read; the rest is an error, and none of it disturbs another span."""
    path = written(tmp_path / "cut", speech, format=container, subtype=codec)
    whole = read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_recording(str(path), Access()) as recording:
        for _ in range(2):
            with pytest.raises(AudioError, match=r"cut off between|its header promises 3\.5\d s") as caught:
                recording.read(0.0, None, None, MAX_SECONDS)
            assert caught.value.type is AudioErrorType.TRUNCATED
            span = recording.read(0.5, 1.0, None, MAX_SECONDS)
            np.testing.assert_array_equal(span, whole[8_000:16_000])
            with pytest.raises(AudioError) as caught:
                recording.read(3.0, 3.5, None, MAX_SECONDS)
            assert caught.value.type is AudioErrorType.TRUNCATED


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("codec", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAC_16"])
def test_a_cut_caf_file(codec: str, share: float, tmp_path: Path, speech: np.ndarray) -> None:
    """libsndfile refuses some of these itself, and takes the rest for shorter ones."""
    path = written(tmp_path / "cut", speech, format="CAF", subtype=codec)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert refusal(path)[0] is AudioErrorType.TRUNCATED


@pytest.mark.parametrize("container", ["WAV", "W64", "AIFF", "CAF", "FLAC"])
def test_files_cut_inside_their_header(container: str, tmp_path: Path, speech: np.ndarray) -> None:
    path = written(tmp_path / "cut", speech, format=container, subtype="PCM_16")
    content = path.read_bytes()
    for length in (12, 20, 30, 38, 42):
        path.write_bytes(content[:length])
        assert refusal(path)[0] is AudioErrorType.TRUNCATED, length


def test_wav_that_ends_with_its_header(tmp_path: Path, speech: np.ndarray) -> None:
    path = written(tmp_path / "header.wav", speech)
    path.write_bytes(path.read_bytes()[:44])
    assert refusal(path) == (
        AudioErrorType.TRUNCATED,
        f"{path}: the file ends before its first sample",
    )


@pytest.mark.parametrize("length", [0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_wav_written_to_a_pipe(length: int, tmp_path: Path, speech: np.ndarray) -> None:
    path = set_wav_length(written(tmp_path / "piped.wav", speech), length)
    np.testing.assert_array_equal(read(path), speech)


def test_a_promise_broken_by_a_few_samples_is_rounding(tmp_path: Path, speech: np.ndarray) -> None:
    """Some programs count their own 44 bytes of header as samples."""
    path = set_wav_length(written(tmp_path / "counted.wav", speech), 2 * len(speech) + 44)
    np.testing.assert_array_equal(read(path), speech)


def test_unknown_codec_in_wav(tmp_path: Path, speech: np.ndarray) -> None:
    path = written(tmp_path / "codec.wav", speech)
    content = bytearray(path.read_bytes())
    content[20:22] = struct.pack("<H", 0x0161)
    path.write_bytes(content)
    error_type, message = refusal(path)
    assert error_type is AudioErrorType.UNSUPPORTED_FORMAT
    assert "holds an unknown codec" in message
    assert message.endswith(FIXES[error_type])


@settings(deadline=None)
@given(st.integers(0, 63), st.binary(min_size=1, max_size=8), st.integers(0, 200_000))
def test_whatever_a_header_says_the_answer_is_audio_or_an_audio_error(
    tmp_path_factory: pytest.TempPathFactory, position: int, damage: bytes, length: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for container in ("WAV", "FLAC", "AIFF"):
        whole = folder / f"whole.{container}"
        if not whole.exists():
            written(whole, samples_of(CLIP), format=container, subtype="PCM_16")
        content = bytearray(whole.read_bytes())[:length]
        content[position : position + len(damage)] = damage
        path = folder / f"damaged.{container}"
        path.write_bytes(content)
        try:
            waveform = read(path)
        except AudioError as error:
            assert error.message.startswith(f"{path}: ")  # noqa: PT017
        else:
            assert np.isfinite(waveform).all()
            assert 0 < len(waveform) <= MAX_SECONDS * RATE + 1


@pytest.mark.parametrize("length", [2**62, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize(("container", "at", "order"), [("W64", 56, "little"), ("CAF", 12, "big")])
def test_a_chunk_that_ends_where_no_file_can(
    container: str, at: int, order: Literal["little", "big"], length: int, tmp_path: Path, speech: np.ndarray
) -> None:
    """The length of the chunk before the samples; it is damage, and no failing disk."""
    path = written(tmp_path / "damaged", speech, format=container, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[at : at + 8] = length.to_bytes(8, order)
    path.write_bytes(content)
    assert refusal(path)[0] is AudioErrorType.TRUNCATED


@pytest.mark.parametrize("content", [b"\n" * 100, b" \t\r\n" * 30])
def test_nothing_but_white_space(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "blank.wav"
    path.write_bytes(content)
    error_type, message = refusal(path)
    assert error_type is AudioErrorType.UNSUPPORTED_FORMAT
    assert "holds nothing but white space; " in message


@pytest.mark.parametrize("rate", [1, 999])
def test_rates_that_no_recorder_writes(rate: int, tmp_path: Path, speech: np.ndarray) -> None:
    error_type, message = refusal(written(tmp_path / "rate.wav", speech, rate))
    assert error_type is AudioErrorType.UNSUPPORTED_FORMAT
    assert f"its header says {rate} Hz, which no recorder writes" in message


@pytest.mark.parametrize(("rate", "limit"), [(1_000_001, None), (268_451_456, None), (16_000, 15_999)])
def test_rates_above_the_limit(rate: int, limit: int | None, tmp_path: Path, speech: np.ndarray) -> None:
    access = Access() if limit is None else Access(max_sample_rate=limit)
    error_type, message = refusal(written(tmp_path / "rate.wav", speech, rate), access=access)
    assert error_type is AudioErrorType.UNSUPPORTED_FORMAT
    assert f"its header says {rate} Hz, the limit is {limit or 1_000_000} Hz (--max-sample-rate)" in message


def test_channels_above_the_limit(tmp_path: Path, speech: np.ndarray) -> None:
    path = written(tmp_path / "three.wav", np.stack([speech[:1_600]] * 3, axis=1))
    assert len(read(path, access=Access(max_channels=3))) == 1_600
    error_type, message = refusal(path, access=Access(max_channels=2))
    assert error_type is AudioErrorType.UNSUPPORTED_FORMAT
    assert "it has 3 channels, the limit is 2 (--max-channels)" in message
