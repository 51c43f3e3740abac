"""Every kind of difficult recording, made from one real clip: what an archive holds sooner or later."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import soxr

from emoboost.errors import AudioErrorType

MAX_SECONDS = 10.0
"""`too_long` is longer than this, everything else is shorter: run with this limit."""
RATE = 16_000
PROTECTED = "permission"
"""Nobody may read this one, but root can: read it in a command that begins with `obey_permissions()`."""


class Difficult(NamedTuple):
    """One recording and what reading it (or the span) must end in."""

    path: Path
    expected: AudioErrorType | None
    """None: it is readable."""
    start: float = 0.0
    end: float | None = None


def make_bad_audio(folder: Path, clip: Path) -> dict[str, Difficult]:
    """Write all of them into a folder.

    Args:
        folder: exists; gets one file for every entry.
        clip: 16 kHz mono, 2 to 9 s.
    """
    speech, rate = soundfile.read(clip, dtype="float32")
    assert rate == RATE
    assert speech.ndim == 1
    return {
        **_no_recording(folder),
        **_damaged(folder, clip, speech),
        **_unusual(folder, clip, speech),
        "span_past_the_end": Difficult(
            Path(shutil.copy(clip, folder / "span past the end.flac")), AudioErrorType.OUTSIDE_FILE, 1.0, 60.0
        ),
        "too_long": Difficult(
            _write(folder / "too_long.flac", np.resize(speech, int((MAX_SECONDS + 1) * RATE)), RATE),
            AudioErrorType.TOO_LONG,
        ),
    }


def _no_recording(folder: Path) -> dict[str, Difficult]:
    """Names behind which there is no audio at all."""
    paths = {name: folder / f"{name}.wav" for name in ("empty", "text", "directory", "pipe", PROTECTED)}
    paths["empty"].touch()
    paths["text"].write_text("Anna: Guten Tag!\nBen: Grüß Gott!\n" * 20, encoding="utf-8")
    paths["directory"].mkdir()
    os.mkfifo(paths["pipe"])
    _write(paths[PROTECTED], np.zeros(RATE, np.float32), RATE).chmod(0)
    m4a = folder / "phone.m4a"
    m4a.write_bytes(struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"M4A ", 0, b"M4A ", b"mp42") + bytes(range(256)) * 8)
    return {
        "missing": Difficult(folder / "missing.wav", AudioErrorType.NOT_FOUND),
        "empty": Difficult(paths["empty"], AudioErrorType.EMPTY),
        "text": Difficult(paths["text"], AudioErrorType.UNSUPPORTED_FORMAT),
        "m4a": Difficult(m4a, AudioErrorType.UNSUPPORTED_FORMAT),
        "directory": Difficult(paths["directory"], AudioErrorType.UNREADABLE),
        "pipe": Difficult(paths["pipe"], AudioErrorType.UNREADABLE),
        PROTECTED: Difficult(paths[PROTECTED], AudioErrorType.PERMISSION),
    }


def _damaged(folder: Path, clip: Path, speech: np.ndarray) -> dict[str, Difficult]:
    """Recordings that are not what their header says, or hold what is no sound."""
    cut_flac = folder / "truncated.flac"
    cut_flac.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    nan = speech.copy()
    nan[len(nan) // 2] = np.nan
    return {
        "header_promises_more": Difficult(
            set_wav_length(_write(folder / "promises.wav", speech, RATE), 4 * len(speech)),
            AudioErrorType.TRUNCATED,
        ),
        "header_says_nothing": Difficult(
            set_wav_length(_write(folder / "unclosed.wav", speech, RATE), 0), AudioErrorType.EMPTY
        ),
        "truncated_flac": Difficult(cut_flac, AudioErrorType.TRUNCATED),
        "nan": Difficult(_write(folder / "nan.wav", nan, RATE, "FLOAT"), AudioErrorType.NOT_FINITE),
    }


def _unusual(folder: Path, clip: Path, speech: np.ndarray) -> dict[str, Difficult]:
    """Recordings that are fine, however they look."""
    wide = soxr.resample(speech, RATE, 96_000)
    stereo = soxr.resample(np.stack([speech, 0.5 * speech], axis=1), RATE, 44_100)
    seven = np.stack([np.roll(speech, 100 * channel) for channel in range(7)], axis=1)
    piped = set_wav_length(_write(folder / "written_to_a_pipe.wav", speech, RATE), 0xFFFFFFFF)
    files = {
        "one_sample": _write(folder / "one_sample.wav", speech[:1], RATE),
        "all_zeros": _write(folder / "all_zeros.wav", np.zeros_like(speech), RATE),
        "8_khz": _write(folder / "8_khz.wav", soxr.resample(speech, RATE, 8_000), 8_000, "ULAW"),
        "44_khz_stereo": _write(folder / "44_khz_stereo.flac", stereo, 44_100),
        "96_khz_24_bit": _write(folder / "96_khz_24_bit.wav", wide, 96_000, "PCM_24"),
        "7_channels": _write(folder / "7_channels.wav", seven, RATE),
        "spaces_and_umlauts": Path(shutil.copy(clip, folder / "Gespräch mit Frau Müßig, 2. Teil.flac")),
        "length_unknown": piped,
    }
    return {name: Difficult(path, None) for name, path in files.items()}


def set_wav_length(path: Path, length: int) -> Path:
    """Make a plain WAV's header claim `length` bytes of samples."""
    content = bytearray(path.read_bytes())
    assert content[36:40] == b"data"
    content[4:8] = struct.pack("<I", min(length + 36, 0xFFFFFFFF))
    content[40:44] = struct.pack("<I", length)
    path.write_bytes(content)
    return path


def obey_permissions() -> list[str]:
    """How to begin a command that chmod stops: root without the capabilities that let it read everything.

    The user stays the same, because another user may not even reach this interpreter in root's home.
    Skips the test where that is refused.
    """
    if os.geteuid() != 0:
        return []
    over_permissions = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--inh-caps={over_permissions}", f"--bounding-set={over_permissions}"]
    try:
        subprocess.run([*prefix, sys.executable, "-c", ""], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"root reads everything here, and setpriv cannot change that: {error}")
    return prefix


def _write(path: Path, waveform: np.ndarray, rate: int, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, waveform, rate, subtype=subtype)
    return path
