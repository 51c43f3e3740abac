"""EMO-DB, the Berlin database of emotional speech (Burkhardt et al., Interspeech 2005).

A file's name says everything: `03a01Wa` is speaker 03, sentence a01, Wut (anger), version a.
"""

from pathlib import Path

from emoboost.corpora.row import CorpusRow
from emoboost.errors import ManifestError

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
SUFFIXES = (".wav", ".flac")


def rows(folder: Path) -> list[CorpusRow]:
    """Every recording of the corpus.

    Args:
        folder: holds the recordings, at any depth.

    Raises:
        ManifestError: no recording found, or a file whose name is not an EMO-DB code.
    """
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ManifestError(f"{folder}: no .wav or .flac file in it; give the folder that holds EMO-DB's recordings")
    return [_row(file) for file in files]


def _row(file: Path) -> CorpusRow:
    code = file.stem
    if len(code) != 7 or not code[:2].isdigit() or code[5] not in EMOTIONS:
        raise ManifestError(
            f"{file}: not an EMO-DB name (two digits speaker, three characters sentence, one letter of "
            f"{''.join(EMOTIONS)}, one letter version, as in 03a01Wa); move it out of the folder"
        )
    return CorpusRow(str(file.resolve()), code, EMOTIONS[code[5]], code[:2], code[2:5])
