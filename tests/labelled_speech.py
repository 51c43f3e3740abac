"""More than a hundred labelled utterances of real speech: spans of the example clips."""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from scipy.special import softmax
from tiny_model import REPOSITORY

from emoboost.checkpoint import ModelFolder, find_model
from emoboost.predict import EmotionModel, preparation_for
from emoboost.utterance import Utterance

AUDIO = REPOSITORY / "examples/audio"
TEMPERATURE, BIAS = 2.5, (1.5, -0.5, 0.0, -1.0)
"""Of the world that the labels come from."""


@cache
def spans() -> tuple[tuple[Path, float, float], ...]:
    """Recording, start and end in seconds of each utterance; some have two segments."""
    found = []
    for clip in sorted(AUDIO.glob("*/*.flac")):
        seconds = soundfile.info(clip).duration
        starts = np.arange(0, min(seconds, 4.0) - 0.75, 0.2)
        found += [(clip, float(start), round(min(seconds, start + 3.6), 3)) for start in starts]
    return tuple(found)


@cache
def logits_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What a model says of them, computed one by one: (segments, classes), and (n,) segments of each."""
    folder = find_model(path)
    model, prepare = EmotionModel(folder), preparation_for(folder.config)
    logits, counts = [], []
    for clip, start, end in spans():
        prepared = prepare([Utterance(clip.name, str(clip), None, start, end)])
        logits.append(model.segment_logits(prepared.inputs, prepared.valid))
        counts.append(len(prepared.valid))
    return np.concatenate(logits), np.array(counts)


def drawn_labels(folder: ModelFolder, seed: int = 0) -> list[str]:
    """Labels as if the model were right with another temperature and bias than it has."""
    logits, counts = logits_of(folder.path)
    shares = softmax(logits / TEMPERATURE + np.array(BIAS), axis=1)
    rng, first = np.random.default_rng(seed), np.cumsum(counts) - counts
    means = [shares[start : start + count].mean(axis=0) for start, count in zip(first, counts, strict=True)]
    return [folder.config.classes[rng.choice(len(mean), p=mean / mean.sum())] for mean in means]


def write_truth(file: Path, labels: Sequence[str], column: str = "human_label", **more: Sequence[object]) -> Path:
    """A manifest of the spans with these labels; with fewer labels the last spans have none."""
    columns: Mapping[str, Sequence[object]] = {column: [*labels, *[""] * (len(spans()) - len(labels))], **more}
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["path", "start", "end", *columns])
        for row, (clip, start, end) in enumerate(spans()):
            writer.writerow([clip, start, end, *(values[row] for values in columns.values())])
    return file


def speakers() -> list[str]:
    """Whose voice each span is: each clip's reader, or EMO-DB's number."""
    return [clip.name[:2] if clip.parent.name == "emodb" else clip.name.split("-")[0] for clip, _, _ in spans()]
