"""People's labels beside the model's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emoboost.ahead import ahead
from emoboost.carried import cell_text, values_of
from emoboost.errors import OutputError, UsageError
from emoboost.formulas import unguarded
from emoboost.ledger import Ledger
from emoboost.manifest.problems import Problem
from emoboost.review.classes import Classes
from emoboost.review.truth import FEWEST, ID, SPEAKER, Judgement, Truth
from emoboost.schema import Status, classes_of, probability_column
from emoboost.summary import calibration_of


@dataclass(frozen=True)
class Judged:
    """Rows that a person and the model labelled, and how confident the model is in all rows."""

    truth: np.ndarray
    """(n,) class numbers."""
    probabilities: np.ndarray
    """(n, classes) of the model."""
    weights: np.ndarray
    """(n,) above 0: what each row counts."""
    speakers: Sequence[str] | None
    """(n,) who speaks, empty text where that is not known; None when neither table says it."""
    no_label: int
    """Rows that a person labelled and the model could not, because their recording could not be read."""
    confidences: np.ndarray
    """(labelled rows of the output,) ascending."""
    calibrated_on: str | None
    """The speech that the model was calibrated on; None where it was not."""

    @property
    def predicted(self) -> np.ndarray:
        """(n,) class numbers."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> np.ndarray:
        """(n,) the probability of the class that is predicted."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def right(self) -> np.ndarray:
        """(n,) whether the two agree."""
        return np.asarray(self.predicted == self.truth)


def model_classes(ledger: Ledger) -> tuple[str, ...]:
    """The classes of the model that made an output, in its order.

    Raises:
        OutputError: nothing is finished yet.
    """
    finished = ledger.finished()
    if not finished:
        raise OutputError(f"{ledger.folder.display}: no part is finished yet; run annotate first")
    return classes_of(ledger.read_part(min(finished)).column_names)


def judge(
    ledger: Ledger,
    truth: Truth,
    model: Sequence[str],
    classes: Classes,
    progress: Callable[[int], None] = lambda shards: None,
) -> Judged:
    """Put what people heard beside what the model said; reads the parts once. Memory: 8 bytes a row of the output.

    Args:
        ledger: the output.
        truth: what people heard.
        model: the model's classes, in its order.
        classes: what the two are compared in.
        progress: called with the number of shards read so far.

    Raises:
        ManifestError: ids that are none of the output's; the message lists up to 20 of them.
        UsageError: too few rows have a label of both.
    """
    columns = [probability_column(name) for name in model]
    speaker = SPEAKER if not truth.has_speakers and SPEAKER in ledger.plan.carried.names else None
    wanted = _wanted(truth)
    ids = pa.array(sorted(wanted), pa.string())
    found: dict[str, _Answer] = {}
    confidences: list[np.ndarray] = []
    calibrated_on = None
    shards = sorted(ledger.finished())
    read = [ID, "status", *columns, *([speaker] if speaker else [])]
    for done, part in enumerate(ahead(lambda shard: ledger.read_part(shard, read), shards), 1):
        calibrated_on = calibration_of(part) or calibrated_on
        ok = np.asarray(pc.equal(part["status"], Status.OK.value))
        rows = np.stack([np.asarray(part[name], np.float64) for name in columns], axis=1)
        confidences.append(classes.probabilities(rows[ok]).max(axis=1))
        for row in np.flatnonzero(np.asarray(pc.is_in(part[ID], value_set=ids))):
            name = part[ID][int(row)].as_py()
            said = _speaker(part, speaker, int(row))
            found[name] = _Answer(rows[row] if ok[row] else None, said)
        progress(done)
    answers = _answers(ledger, truth, found)
    return _judged(ledger, truth, answers, classes, np.sort(np.concatenate(confidences)), calibrated_on)


@dataclass(frozen=True)
class _Answer:
    """What the output says of an utterance."""

    probabilities: np.ndarray | None
    """(model's classes,); None where there is no label."""
    speaker: str | None
    """None when the output names none."""


def _spellings(judgement: Judgement, truth: Truth) -> list[str]:
    """The ids that a cell may stand for, the likelier one first: in a CSV one that looks like a formula is guarded."""
    given = judgement.utterance_id
    return list(dict.fromkeys([unguarded(given), given] if truth.source.is_text else [given]))


def _wanted(truth: Truth) -> set[str]:
    return {spelling for judgement in truth.rows for spelling in _spellings(judgement, truth)}


def _speaker(part: pa.Table, column: str | None, row: int) -> str | None:
    if column is None:
        return None
    (value,) = values_of(part[column].slice(row, 1))
    return cell_text(value)


def _answers(ledger: Ledger, truth: Truth, found: dict[str, _Answer]) -> list[_Answer]:
    """One for each judgement."""
    answers: list[_Answer] = []
    problems = truth.problems()
    missing = len(ledger.missing())
    for judgement in truth.rows:
        known = [spelling for spelling in _spellings(judgement, truth) if spelling in found]
        if known:
            answers.append(found[known[0]])
            continue
        what = f"is no utterance of {ledger.folder.display}; give the output that the sample was drawn from"
        if missing:
            what += f", or let annotate complete it ({missing:,} parts are missing)"
        problems.add([Problem(judgement.position, what, ID, judgement.utterance_id)])
    problems.raise_if_any()
    return answers


def _judged(
    ledger: Ledger,
    truth: Truth,
    answers: Sequence[_Answer],
    classes: Classes,
    confidences: np.ndarray,
    calibrated_on: str | None,
) -> Judged:
    pairs = [
        (judgement, answer.probabilities, answer.speaker)
        for judgement, answer in zip(truth.rows, answers, strict=True)
        if answer.probabilities is not None
    ]
    no_label = len(answers) - len(pairs)
    if len(pairs) < FEWEST:
        raise UsageError(
            f"{truth.file}: only {len(pairs)} of {len(answers)} labelled rows have a label in "
            f"{ledger.folder.display}, the others have errors there; figures need at least {FEWEST}: label more"
        )
    probabilities: Any = np.stack([row for _, row, _ in pairs])
    speakers = [judgement.speaker if truth.has_speakers else speaker for judgement, _, speaker in pairs]
    return Judged(
        truth=np.array([judgement.truth for judgement, _, _ in pairs], np.int64),
        probabilities=classes.probabilities(probabilities),
        weights=np.array([judgement.weight for judgement, _, _ in pairs]),
        speakers=None if None in speakers else [speaker or "" for speaker in speakers],
        no_label=no_label,
        confidences=confidences,
        calibrated_on=calibrated_on,
    )
