"""EMO-DB, the Berlin database of emotional speech (Burkhardt et al., Interspeech 2005).

A file's name says everything: `03a01Wa` is speaker 03, sentence a01, Wut (anger), version a.
"""

import re
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported, rows_by_name

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
NAME = re.compile(r"(\d\d)(\w\d\d)([WLEAFTN])\w")


def read(folder: Path) -> Imported:
    """Every recording of the corpus.

    Args:
        folder: holds the recordings, at any depth.

    Raises:
        ManifestError: no recording found, or a file whose name is not an EMO-DB code.
    """
    form = "two digits speaker, three characters sentence, one letter of WLEAFTN, one letter version, as in 03a01Wa"
    return rows_by_name(folder, "EMO-DB", _row, form)


def _row(file: Path) -> CorpusRow | None:
    match = NAME.fullmatch(file.stem)
    if match is None:
        return None
    speaker, text, emotion = match.groups()
    return CorpusRow(
        path=str(file),
        utterance_id=file.stem,
        label=EMOTIONS[emotion],
        original_label=emotion,
        speaker=speaker,
        text=text,
    )
