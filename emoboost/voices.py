"""The speakers of an archive: what each one's utterances have in common, and who is left as he is.

Two things make an offset harm: too few utterances to tell a voice from what is said in them, and a speaker who speaks
nearly always in one emotion, which would be taken for his voice.
"""

from collections.abc import Iterable, Sequence
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
    _totals: dict[str, np.ndarray] = field(default_factory=dict)
    _speakers: list[str] = field(default_factory=list)
    _plain: list[np.ndarray] = field(default_factory=list)
    _adapted: list[np.ndarray] = field(default_factory=list)

    def hear(self, speakers: Sequence[str | None], vectors: np.ndarray) -> None:
        """Take some utterances.

        Args:
            speakers: (n,) who speaks; None is not known.
            vectors: (n, D) float64.
        """
        known = [row for row, speaker in enumerate(speakers) if speaker is not None]
        self._plain.append(self.classifier.logits(vectors[known]).astype(np.float32))
        self._adapted.append(self.head.logits(vectors[known]).astype(np.float32))
        for row in known:
            speaker = str(speakers[row])
            self._speakers.append(speaker)
            self._totals[speaker] = self._totals.get(speaker, 0.0) + vectors[row]

    def voices(self, guard: Guard, config: AdaptationConfig) -> Voices:
        """Who is adapted, and how, once all were heard."""
        offsets: dict[str, np.ndarray] = {}
        reasons: dict[str, Reason] = {}
        if not self._speakers:
            return Voices(offsets, reasons)
        plain, adapted = np.concatenate(self._plain), np.concatenate(self._adapted)
        for speaker, rows in rows_of(self._speakers):
            if len(rows) < guard.least_utterances:
                reasons[speaker] = Reason.TOO_FEW
            elif np.bincount(plain[rows].argmax(axis=1)).max() > guard.most_of_one * len(rows):
                reasons[speaker] = Reason.ONE_SIDED
            else:
                total = self._totals[speaker]
                offsets[speaker] = offset_of_sum(total, plain[rows], adapted[rows], self.head, config)
        return Voices(offsets, reasons)


def rows_of(speakers: Sequence[str]) -> Iterable[tuple[str, np.ndarray]]:
    """Each speaker, and which of the utterances are his, in order."""
    names, who = np.unique(np.array(speakers), return_inverse=True)
    order = np.argsort(who, kind="stable")
    parted = np.split(order, np.cumsum(np.bincount(who))[:-1])
    return zip(names.tolist(), parted, strict=True)
