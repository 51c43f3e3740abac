"""RAVDESS (Livingstone and Russo, PLoS ONE 13(5), 2018).

Seven two-digit codes: modality, vocal channel, emotion, intensity, statement, repetition, actor.
"""

import re
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported, LeftOut, rows_by_name

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
SPEECH = "01"


def read(folder: Path) -> Imported:
    """The spoken recordings; songs are left out and counted, and so are copies.

    The published archive holds the same files a second time in a folder of their own.

    Args:
        folder: holds the recordings, at any depth.

    Raises:
        ManifestError: no recording found, or a file whose name is not a RAVDESS code.
    """
    found = rows_by_name(folder, "RAVDESS", _row, "seven two-digit codes, as in 03-01-06-01-02-01-12")
    spoken = [row for row in found.rows if _is_spoken(row)]
    songs = [LeftOut(reason="song", text=row.text) for row in found.rows if not _is_spoken(row)]
    return Imported(spoken, [*found.left_out, *songs])


def _is_spoken(row: CorpusRow) -> bool:
    return row.utterance_id.split("-")[1] == SPEECH


def _row(file: Path) -> CorpusRow | None:
    match = NAME.fullmatch(file.stem)
    if match is None:
        return None
    _, _, emotion, _, statement, _, actor = match.groups()
    return CorpusRow(
        path=str(file),
        utterance_id=file.stem,
        label=EMOTIONS[emotion],
        original_label=emotion,
        speaker=actor,
        text=statement,
    )
