"""MSP-Podcast (Lotfian and Busso, IEEE Trans. Affective Computing 10(4), 2019), with its own splits.

Labels/labels_consensus.csv    FileName, EmoClass, SpkrID, Split_Set, ...
Audios/MSP-PODCAST_0001_0008.wav
"""

from collections import Counter
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported
from emoboost.errors import ManifestError

EMOTIONS = {
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "U": "surprise",
}
DROPPED = {"X": "no agreement (X)", "O": "other (O)"}
LABELS = "labels_consensus.csv"
COLUMNS = ("FileName", "EmoClass", "SpkrID", "Split_Set")


def read(folder: Path) -> Imported:
    """The utterances with an agreed emotion; X, O and rows without audio are left out and counted.

    Args:
        folder: holds `Labels/labels_consensus.csv` and `Audios/`, as published.

    Raises:
        ManifestError: no label file, a column is missing, or an unknown emotion.
    """
    import pandas as pd

    found = sorted(folder.rglob(LABELS))
    if not found:
        raise ManifestError(f"{folder}: no {LABELS} in it; give the folder that holds Labels and Audios")
    table = pd.read_csv(found[0], dtype=str, keep_default_na=False)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ManifestError(f"{found[0]}: no column {missing[0]!r}; found {', '.join(table.columns)}")
    audio = {file.name: file for file in sorted(folder.rglob("*.wav")) if not file.name.startswith(".")}
    rows, dropped = [], Counter[str]()
    for line, (name, emotion, speaker, split) in enumerate(table[list(COLUMNS)].itertuples(index=False), start=2):
        if emotion in DROPPED:
            dropped[DROPPED[emotion]] += 1
        elif emotion not in EMOTIONS:
            raise ManifestError(
                f"{found[0]}, line {line}, column 'EmoClass', value {emotion!r}: not one of "
                f"{', '.join([*EMOTIONS, *DROPPED])}; correct that row"
            )
        elif name not in audio:
            dropped["no audio"] += 1
        else:
            rows.append(
                CorpusRow(
                    path=str(audio[name].resolve()),
                    utterance_id=Path(name).stem,
                    label=EMOTIONS[emotion],
                    original_label=emotion,
                    speaker=speaker,
                    split=split,
                )
            )
    return Imported(rows, dropped)
