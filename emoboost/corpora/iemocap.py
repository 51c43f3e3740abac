"""IEMOCAP (Busso et al., Language Resources and Evaluation 42, 2008), in its published layout.

Session1/dialog/EmoEvaluation/Ses01F_impro01.txt           the labels, one line a turn
Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported, LeftOut
from emoboost.errors import ManifestError

EMOTIONS = {"ang": "anger", "sad": "sadness", "hap": "happiness", "exc": "happiness", "neu": "neutral"}
"""The four classes of the literature; excited counts as happy."""
PUBLISHED = {"anger": 1_103, "sadness": 1_084, "happiness": 1_636, "neutral": 1_708}
"""Utterances of each class: 5,531 together (paper, Corpora)."""
SESSIONS = range(1, 6)
TURN = re.compile(r"\[[\d.]+ - [\d.]+\]\t(Ses0(\d)[FM]_(\w+)_([FM])\w+)\t(\w+)\t\[.*\]")
"""A turn's line: time, name, agreed emotion, [valence, activation, dominance]. Lines of single annotators start with
their name, and comments with %."""


@dataclass(frozen=True)
class _Turn:
    name: str
    session: str
    scene: str
    sex: str
    emotion: str

    @property
    def dialog(self) -> str:
        return self.name.rsplit("_", 1)[0]


def read(folder: Path) -> Imported:
    """The turns with one of the four classes; other labels and turns without audio are left out and counted.

    Speaker is session and sex (`1F`), text the scene (`impro01`, `script01_1`), which sessions share.

    Args:
        folder: holds Session1 to Session5.

    Raises:
        ManifestError: no label file found.
    """
    files = sorted(
        file
        for session in SESSIONS
        for file in (folder / f"Session{session}/dialog/EmoEvaluation").glob("*.txt")
        if not file.name.startswith(".")
    )
    if not files:
        raise ManifestError(
            f"{folder}: no label file Session*/dialog/EmoEvaluation/*.txt in it; "
            "give the folder that holds Session1 to Session5"
        )
    rows, left_out = [], []
    for turn in (turn for file in files for turn in _turns(file)):
        audio = folder.resolve() / f"Session{turn.session}/sentences/wav/{turn.dialog}/{turn.name}.wav"
        if reason := _reason_against(turn, audio):
            left_out.append(LeftOut(reason=reason, session=turn.session, text=turn.scene))
        else:
            rows.append(_row(turn, audio))
    return Imported(rows, left_out, published=PUBLISHED)


def _reason_against(turn: _Turn, audio: Path) -> str | None:
    if turn.emotion not in EMOTIONS:
        return f"label {turn.emotion}"
    return None if audio.is_file() else "no audio"


def _turns(file: Path) -> Iterator[_Turn]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if match := TURN.fullmatch(line.strip()):
            yield _Turn(*match.groups())


def _row(turn: _Turn, audio: Path) -> CorpusRow:
    return CorpusRow(
        path=str(audio),
        utterance_id=turn.name,
        label=EMOTIONS[turn.emotion],
        original_label=turn.emotion,
        speaker=f"{turn.session}{turn.sex}",
        session=turn.session,
        text=turn.scene,
    )
