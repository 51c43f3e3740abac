"""The speakers of an archive: what each one's utterances have in common, and who is left as he is.

Two things make an offset harm: too few utterances to tell a voice from what is said in them, and a speaker who speaks
nearly always in one emotion, which would be taken for his voice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from emoboost.adaptation import AdaptationConfig, AdaptedHead, offset_of_sum
from emoboost.classifier import Classifier


class Reason(StrEnum):
    """Why an utterance is not adapted."""

    NO_SPEAKER = "no_speaker"
    """The column is empty."""
    TOO_FEW = "too_few"
    """The speaker has fewer utterances than `Guard.least_utterances`."""
    ONE_SIDED = "one_sided"
    """More of the speaker's utterances have one unadapted label than `Guard.most_of_one`."""


@dataclass(frozen=True)
class Guard:
    """Who is adapted; docs/experiments.md has the figures from which this was chosen."""

    least_utterances: int = 10
    most_of_one: float = 0.5
    """Share of a speaker's utterances with his most frequent unadapted label."""


@dataclass(frozen=True)
class Voices:
    """What is known of the speakers."""

    offsets: dict[str, np.ndarray]
    """Of each who is adapted: (D,) float64."""
    reasons: dict[str, Reason]
    """Of each who is not."""

    def reason(self, speaker: str | None) -> Reason | None:
        """Why utterances of a speaker are not adapted; None when they are."""
        return Reason.NO_SPEAKER if speaker is None else self.reasons.get(speaker)


@dataclass
class Listening:
    """Takes utterances in the plan's order; holds some numbers of each, and one vector of each speaker."""

    classifier: Classifier
    head: AdaptedHead
    _numbers: dict[str, int] = field(default_factory=dict)
    """Of the speakers, as they come."""
    _totals: list[np.ndarray] = field(default_factory=list)
    """(D,) of each speaker."""
    _who: list[np.ndarray] = field(default_factory=list)
    _labels: list[np.ndarray] = field(default_factory=list)
    _plain: list[np.ndarray] = field(default_factory=list)
    _adapted: list[np.ndarray] = field(default_factory=list)

    def hear(self, speakers: Sequence[str | None], vectors: np.ndarray, scores: np.ndarray) -> None:
        """Take some utterances.

        Args:
            speakers: (n,) who speaks; None is not known.
            vectors: (n, D) float64.
            scores: (n, classes) from which the unadapted labels are taken.
        """
        known = [row for row, speaker in enumerate(speakers) if speaker is not None]
        numbers = [self._numbers.setdefault(str(speakers[row]), len(self._numbers)) for row in known]
        self._totals += [np.zeros(vectors.shape[1]) for _ in range(len(self._numbers) - len(self._totals))]
        for row, number in zip(known, numbers, strict=True):
            self._totals[number] += vectors[row]
        self._who.append(np.array(numbers, np.int32))
        self._labels.append(scores[known].astype(np.float32).argmax(axis=1).astype(np.int32))
        self._plain.append(self.classifier.logits(vectors[known]).astype(np.float32))
        self._adapted.append(self.head.logits(vectors[known]).astype(np.float32))

    def voices(self, guard: Guard, config: AdaptationConfig) -> Voices:
        """Who is adapted, and how, once all were heard."""
        offsets: dict[str, np.ndarray] = {}
        reasons: dict[str, Reason] = {}
        if not self._numbers:
            return Voices(offsets, reasons)
        who, labels, plain, adapted = map(np.concatenate, (self._who, self._labels, self._plain, self._adapted))
        ends = np.cumsum(np.bincount(who))
        each_ones = np.split(np.argsort(who, kind="stable"), ends[:-1])
        for speaker, total, rows in zip(self._numbers, self._totals, each_ones, strict=True):
            if len(rows) < guard.least_utterances:
                reasons[speaker] = Reason.TOO_FEW
            elif np.bincount(labels[rows]).max() > guard.most_of_one * len(rows):
                reasons[speaker] = Reason.ONE_SIDED
            else:
                offsets[speaker] = offset_of_sum(total, plain[rows], adapted[rows], self.head, config)
        return Voices(offsets, reasons)
