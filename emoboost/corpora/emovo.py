"""EMOVO, Italian acted speech (Costantini et al., LREC 2014): `dis-f1-b1` is disgust, speaker f1, sentence b1."""

import re
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported, rows_by_name

EMOTIONS = {
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
NAME = re.compile(r"(dis|gio|neu|pau|rab|sor|tri)-([fm]\d)-(\w+)")


def read(folder: Path) -> Imported:
    """Every recording of the corpus.

    Args:
        folder: holds the recordings, at any depth.

    Raises:
        ManifestError: no recording found, or a file whose name is not an EMOVO code.
    """
    return rows_by_name(folder, "EMOVO", _row, "emotion, speaker and sentence joined by hyphens, as in dis-f1-b1")


def _row(file: Path) -> CorpusRow | None:
    match = NAME.fullmatch(file.stem)
    if match is None:
        return None
    emotion, speaker, text = match.groups()
    return CorpusRow(
        path=str(file),
        utterance_id=file.stem,
        label=EMOTIONS[emotion],
        original_label=emotion,
        speaker=speaker,
        text=text,
    )
