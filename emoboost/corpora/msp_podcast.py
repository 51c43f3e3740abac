"""MSP-Podcast (Lotfian and Busso, IEEE Trans. Affective Computing 10(4), 2019), with its own splits.

Labels/labels_consensus.csv    FileName, EmoClass, SpkrID, Split_Set, ...
Audios/MSP-PODCAST_0001_0008.wav
"""

from collections.abc import Sequence
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported, LeftOut, recordings
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
NO_SPEAKER = ("", "unknown")
UNKNOWN = "unknown-"
"""Begins the name of a speaker whom the corpus does not know. One name for all of them would be one person in every
split."""


def read(folder: Path) -> Imported:
    """The utterances with an agreed emotion; X, O and rows without audio are left out and counted.

    Each utterance without a known speaker gets a speaker of its own, and a remark says how many there are.

    Args:
        folder: holds `Labels/labels_consensus.csv` and `Audios/`, as published.

    Raises:
        ManifestError: no label file, no recording, a column is missing, or an unknown emotion.
    """
    import pandas as pd

    found = sorted(folder.rglob(LABELS))
    if not found:
        raise ManifestError(f"{folder}: no {LABELS} in it; give the folder that holds Labels and Audios")
    table = pd.read_csv(found[0], dtype=str, keep_default_na=False)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ManifestError(f"{found[0]}: no column {missing[0]!r}; found {', '.join(table.columns)}")
    audio = {file.name: file for file in recordings(folder, "MSP-Podcast")}
    rows, left_out = [], []
    for line, (name, emotion, speaker, split) in enumerate(table[list(COLUMNS)].itertuples(index=False), start=2):
        if emotion in DROPPED:
            left_out.append(LeftOut(reason=DROPPED[emotion]))
        elif emotion not in EMOTIONS:
            raise ManifestError(
                f"{found[0]}, line {line}, column 'EmoClass', value {emotion!r}: not one of "
                f"{', '.join([*EMOTIONS, *DROPPED])}; correct that row"
            )
        elif name not in audio or not audio[name].is_file():
            left_out.append(LeftOut(reason="no audio"))
        else:
            rows.append(_row(audio[name], emotion, speaker, split))
    return Imported(rows, left_out, _remarks(rows))


def _row(file: Path, emotion: str, speaker: str, split: str) -> CorpusRow:
    is_unknown = speaker.strip().lower() in NO_SPEAKER
    return CorpusRow(
        path=str(file),
        utterance_id=file.stem,
        label=EMOTIONS[emotion],
        original_label=emotion,
        speaker=f"{UNKNOWN}{file.stem}" if is_unknown else speaker,
        split=split,
    )


def _remarks(rows: Sequence[CorpusRow]) -> list[str]:
    unknown = sum(row.speaker.startswith(UNKNOWN) for row in rows)
    if not unknown:
        return []
    return [
        f"{unknown:,} utterances have no known speaker: each is a speaker of its own, {UNKNOWN}<utterance id>, though "
        "some may be of one person or of a named one"
    ]
