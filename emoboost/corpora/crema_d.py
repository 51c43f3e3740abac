"""CREMA-D (Cao et al., IEEE Trans. Affective Computing 5(4), 2014).

`1001_DFA_ANG_XX` is actor 1001, sentence DFA, anger, intensity unspecified.
"""

import re
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported, rows_by_name

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
NAME = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")


def read(folder: Path) -> Imported:
    """Every recording of the corpus, with the emotion that the actor was asked for.

    Args:
        folder: holds the recordings (AudioWAV), at any depth.

    Raises:
        ManifestError: no recording found, or a file whose name is not a CREMA-D code.
    """
    form = "actor, sentence, emotion and intensity joined by underscores, as in 1001_DFA_ANG_XX"
    return rows_by_name(folder, "CREMA-D", _row, form)


def _row(file: Path) -> CorpusRow | None:
    match = NAME.fullmatch(file.stem)
    if match is None:
        return None
    actor, text, emotion, _ = match.groups()
    return CorpusRow(
        path=str(file),
        utterance_id=file.stem,
        label=EMOTIONS[emotion],
        original_label=emotion,
        speaker=actor,
        text=text,
    )
