"""Archives of real speech for the tests, put together from the example's clips."""

import csv
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from pipeline.labels import Heard
from pipeline.shell import EXAMPLES

RATE = 16_000
EMODB = sorted((EXAMPLES / "audio/emodb").glob("*.flac"))
LIBRISPEECH = sorted((EXAMPLES / "audio/librispeech").glob("*.flac"))
EMOTIONS = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"}


def typed_archive(folder: Path) -> tuple[Path, list[Heard]]:
    """A Parquet manifest of 24 spans (three shards), typed columns, and a folder's name that is not ASCII."""
    audio = folder / "Gespräche mit Frau Müßig"
    audio.mkdir(parents=True)
    for clip in [*EMODB, *LIBRISPEECH]:
        shutil.copy(clip, audio / f"{clip.stem} (Kopie).flac")
    names = [f"{audio.name}/{clip.stem} (Kopie).flac" for clip in [*EMODB, *LIBRISPEECH, *LIBRISPEECH]]
    offsets = [None] * 8 + [0.25] * 8 + [1.0] * 8
    durations = [None] * 8 + [1.5] * 8 + [None] * 8
    manifest = folder / "archive.parquet"
    table = pa.table(
        {
            "audio_filepath": names,
            "offset": pa.array(offsets, pa.float64()),
            "duration": pa.array(durations, pa.float64()),
            "speaker": [f"{number:03d}" for number in range(24)],
            "label": [EMOTIONS[clip.stem[5]] for clip in EMODB] + [None] * 16,
            "take": pa.array(range(24), pa.int16()),
            "tags": [["laut", "leise"][: number % 3] for number in range(24)],
            "recorded": [datetime(2026, 1, 1 + number, tzinfo=UTC) for number in range(24)],
        }
    )
    pq.write_table(table, manifest)
    heard = [
        Heard(folder / name, offset or 0.0, None if duration is None else (offset or 0.0) + duration)
        for name, offset, duration in zip(names, offsets, durations, strict=True)
    ]
    return manifest, heard


def call(path: Path, left: Path, right: Path) -> Path:
    """Two people on two channels who take turns."""
    first, second = (soundfile.read(clip, dtype="float32")[0] for clip in (left, right))
    both = np.zeros((len(first) + len(second), 2), np.float32)
    both[: len(first), 0] = first
    both[len(first) :, 1] = second
    soundfile.write(path, both, RATE)
    return path


def one_channel(path: Path, recording: Path, channel: int) -> Path:
    """A channel of a recording as a file of its own."""
    soundfile.write(path, soundfile.read(recording, dtype="float32")[0][:, channel], RATE)
    return path


def long_recording(path: Path) -> Path:
    """More than ten segments: LibriSpeech's clips one after the other, repeated to 36 s."""
    speech = np.concatenate([soundfile.read(clip, dtype="float32")[0] for clip in LIBRISPEECH])
    soundfile.write(path, np.resize(speech, 36 * RATE), RATE)
    return path


def many_utterances(folder: Path, repeats: int) -> Path:
    """A manifest that names each of LibriSpeech's clips `repeats` times, under different ids."""
    manifest = folder / "many.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "utterance_id"])
        writer.writerows([clip, f"{clip.stem}-{n:03d}"] for n in range(repeats) for clip in LIBRISPEECH)
    return manifest
