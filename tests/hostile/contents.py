"""Files that are no speech, or more of it than anybody asked for."""

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from emoboost.errors import AudioErrorType
from hostile.case import CUT, OK, UNSUPPORTED, Content, Hostile, only
from hostile.encodings import Encoding, encoded
from hostile.recordings import RATE

HOURS = 10
NOT_FINITE = only(AudioErrorType.NOT_FINITE)
TOO_LONG = only(AudioErrorType.TOO_LONG)
TOO_LARGE = only(AudioErrorType.TOO_LARGE)


def no_audio(seed: int) -> Iterator[Content]:
    """Files of other kinds under the names of recordings."""
    noise = np.random.default_rng(seed).bytes(100_000)
    yield Content("empty", ".wav", b"", only(AudioErrorType.EMPTY))
    for suffix in (".wav", ".flac", ".mp3", ".ogg"):
        yield Content(f"zeros_{suffix[1:]}", suffix, bytes(1 << 20), UNSUPPORTED)
        yield Content(f"noise_{suffix[1:]}", suffix, noise, CUT)
    yield Content("zip_bomb", ".flac", _zip_bomb(), UNSUPPORTED)
    yield Content("white_space", ".wav", b" \n" * 5_000, UNSUPPORTED)
    yield Content("web_page", ".mp3", b"<!DOCTYPE html><title>404</title>" * 100, UNSUPPORTED)
    yield Content("picture", ".ogg", b"\x89PNG\r\n\x1a\n" + noise, UNSUPPORTED)
    yield Content("program", ".wav", b"\x7fELF" + noise, UNSUPPORTED)
    yield Content("only_flac", ".flac", b"fLaC", CUT)
    yield Content("only_ogg", ".ogg", b"OggS" * 1_000, CUT)
    yield Content("only_mp3_syncs", ".mp3", b"\xff\xfb\x90\x64" * 5_000, CUT)


def strange_signals(speech: np.ndarray) -> Iterator[Content]:
    """Sound recordings of what is no sound; `speech` is (samples,) of 16 bits at 16 kHz."""
    for name, value in (("nan", np.nan), ("inf", np.inf), ("minus_inf", -np.inf), ("1e30", 1e30)):
        broken = speech.copy()
        broken[len(broken) // 2] = value
        yield Content(name, ".wav", encoded(broken, RATE, Encoding("WAV", "FLOAT")), NOT_FINITE)
    huge = np.full(RATE, 1e300)
    yield Content("1e300", ".wav", encoded(huge, RATE, Encoding("WAV", "DOUBLE")), NOT_FINITE)
    tiny = np.full(RATE, 1e-42, np.float32)
    yield Content("denormal", ".wav", encoded(tiny, RATE, Encoding("WAV", "FLOAT")), OK)
    clipped = np.tile(np.array([1, -1], np.float32), RATE // 2)
    yield Content("square_wave", ".wav", encoded(clipped, RATE, Encoding("WAV", "PCM_16")), OK)
    every_channel = np.repeat(speech[:, np.newaxis], 64, axis=1)
    yield Content("64_channels", ".wav", encoded(every_channel, RATE, Encoding("WAV", "PCM_16")), OK, is_clip=True)
    most = encoded(every_channel[:500].repeat(16, axis=1), RATE, Encoding("WAV", "PCM_16"))
    yield Content("1024_channels", ".wav", most, UNSUPPORTED | OK)
    for rate in (1_000, 1_000_000):
        yield Content(f"{rate}_hz", ".wav", encoded(speech, rate, Encoding("WAV", "PCM_16")), OK)
    yield Content("one_sample", ".wav", encoded(speech[:1], RATE, Encoding("WAV", "PCM_16")), OK)
    one_fast = encoded(speech[:1], 192_000, Encoding("WAV", "PCM_16"))
    yield Content("one_sample_too_fast", ".wav", one_fast, only(AudioErrorType.EMPTY))


def endless(folder: Path) -> list[Hostile]:
    """Days of audio in little space; makes the folder."""
    folder.mkdir()
    silence, sparse, gigabytes = folder / "ten_hours.flac", folder / "sparse.rf64", folder / "zeros.wav"
    silence.write_bytes(_silence())
    unknown = bytearray(silence.read_bytes())
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    (folder / "ten_hours_untold.flac").write_bytes(unknown)
    _sparse_rf64(sparse, 64 << 30)
    with gigabytes.open("wb") as file:
        file.truncate(1 << 40)
    late = HOURS * 3_600.0 - 2
    return [
        Hostile("ten_hours", f"{folder.name}/{silence.name}", TOO_LONG),
        Hostile("ten_hours_untold", f"{folder.name}/ten_hours_untold.flac", TOO_LONG),
        Hostile("last_seconds_of_ten_hours", f"{folder.name}/{silence.name}", OK, start=late),
        Hostile("last_seconds_of_ten_hours_untold", f"{folder.name}/ten_hours_untold.flac", OK, start=late),
        Hostile("24_days", f"{folder.name}/{sparse.name}", TOO_LONG),
        Hostile("last_second_of_24_days", f"{folder.name}/{sparse.name}", OK, start=2_147_482.0, end=2_147_483.0),
        Hostile("a_terabyte_of_nothing", f"{folder.name}/{gigabytes.name}", UNSUPPORTED | TOO_LARGE),
    ]


def spans(clip: Path, seconds: float) -> list[Hostile]:
    """Impossible places in a good recording of so many seconds."""
    outside, none = only(AudioErrorType.OUTSIDE_FILE), only(AudioErrorType.NO_CHANNEL)
    uri = str(clip)
    return [
        Hostile("starts_at_the_end", uri, outside, start=seconds),
        Hostile("starts_at_1e308", uri, outside, start=1e308),
        Hostile("ends_at_1e308", uri, outside, end=1e308),
        Hostile("shorter_than_a_sample", uri, only(AudioErrorType.EMPTY), start=0.1, end=0.1 + 1e-9),
        Hostile("shorter_than_a_double", uri, only(AudioErrorType.EMPTY), end=5e-324),
        Hostile("channel_1", uri, none, channel=1),
        Hostile("channel_2_31", uri, none, channel=2**31 - 1),
    ]


def _silence() -> bytes:
    """A FLAC file of hours; the encoder makes 900 kB of it, which pass through memory once."""
    file = io.BytesIO()
    hour = np.zeros(3_600 * 1_000, np.int16)
    with soundfile.SoundFile(file, "w", samplerate=1_000, channels=1, format="FLAC", subtype="PCM_16") as sound:
        for _ in range(HOURS):
            sound.write(hour)
    return file.getvalue()


def _sparse_rf64(path: Path, length: int) -> None:
    """An RF64 file of zeros that take no space on the disk."""
    sizes = struct.pack("<QQQI", length + 100, length, length // 2, 0)
    chunks = struct.pack("<4sI", b"ds64", len(sizes)) + sizes
    chunks += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"RF64" + b"\xff" * 4 + b"WAVE" + chunks + b"data" + b"\xff" * 4
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + length)


def _zip_bomb() -> bytes:
    """100 MiB of zeros in 100 kB, and those a hundred times."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(100 << 20))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(100):
            archive.writestr(f"{number}.zip", inner.getvalue())
    return outer.getvalue()
