"""Speaker adaptation as a protocol of its own: offsets come from utterances that are not tested."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from emoboost.adaptation import AdaptationConfig, AdaptedHead, speaker_offset
from emoboost.errors import UsageError

ALL = "all"
DRAWS = 5
"""Times that enrolment utterances are drawn anew; of all but the tested one there is one draw."""
COLUMN = "speaker"


@dataclass(frozen=True)
class Enrolment:
    """Which unlabelled utterances of a test speaker tell his voice."""

    count: int | None
    """So many, drawn at random and not tested; None is all but the one that is tested."""

    @property
    def name(self) -> str:
        """As it is asked for."""
        return ALL if self.count is None else str(self.count)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A number, or `all`.

        Raises:
            UsageError: neither.
        """
        word = text.strip()
        if word == ALL:
            return cls(None)
        if word.isascii() and word.isdecimal() and 1 <= len(word) <= 6 and int(word) > 0:
            return cls(int(word))
        raise UsageError(f"give numbers of enrolment utterances or {ALL}, as in {COLUMN}:5,10,{ALL}")


def parse_adapt(text: str) -> tuple[Enrolment, ...]:
    """`--adapt`: `speaker` for all but the tested utterance, or with numbers behind it.

    >>> [enrolment.name for enrolment in parse_adapt("speaker:5,10,all")]
    ['5', '10', 'all']

    Raises:
        UsageError: another column, or what `Enrolment.parse` refuses, or one twice.
    """
    column, colon, numbers = text.partition(":")
    if column.strip() != COLUMN:
        raise UsageError(f"--adapt {text}: the column is {COLUMN}, as in {COLUMN} or {COLUMN}:5,10,{ALL}")
    try:
        found = tuple(map(Enrolment.parse, numbers.split(","))) if colon else (Enrolment(None),)
    except UsageError as error:
        raise UsageError(f"--adapt {text}: {error}") from error
    if len(set(found)) < len(found):
        raise UsageError(f"--adapt {text}: name each number once")
    return found


def refuse_few(adapt: Sequence[Enrolment], speakers: Sequence[str]) -> None:
    """Stop before the work when a tested speaker has too few utterances in a fold.

    Args:
        adapt: what is to be tried.
        speakers: (utterances that the fold tests,) who speaks.

    Raises:
        UsageError: it names the speaker, what he has and what is needed.
    """
    most = max(enrolment.count or 1 for enrolment in adapt)
    names, counts = np.unique(np.array(speakers), return_counts=True)
    fewest = int(counts.argmin())
    if counts[fewest] <= most:
        raise UsageError(
            f"--adapt: {most} enrolment utterances asked for, and one to test; speaker {names[fewest]} has "
            f"{counts[fewest]} in a fold; ask for fewer"
        )


def adapted_labels(
    vectors: np.ndarray,
    plain_logits: np.ndarray,
    speakers: Sequence[str],
    head: AdaptedHead,
    config: AdaptationConfig,
    enrolment: Enrolment,
    seed: int,
) -> np.ndarray:
    """Labels of utterances whose speaker's offset was taken away.

    Args:
        vectors: (n, D) of the tested utterances.
        plain_logits: (n, classes) of the unadapted classifier.
        speakers: (n,) who speaks.
        head: of the adapted classifier.
        config: how offsets are found.
        enrolment: from which utterances.
        seed: of the draws.

    Returns:
        (draws, n) class numbers; -1 where an utterance tells the voice and is not tested.
    """
    random = np.random.default_rng(seed)
    names = np.array(speakers)
    draws = 1 if enrolment.count is None else DRAWS
    labels = np.full((draws, len(vectors)), -1)
    for name in np.unique(names):
        mine = np.flatnonzero(names == name)
        for draw in range(draws):
            for told, tested in _divided(mine, enrolment, random):
                offset = speaker_offset(vectors[told], plain_logits[told], head, config)
                labels[draw, tested] = head.logits(vectors[tested] - offset).argmax(axis=1)
    return labels


def _divided(
    mine: np.ndarray, enrolment: Enrolment, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that tell a voice, and rows that are tested with it."""
    if enrolment.count is None:
        for row in mine:
            yield mine[mine != row], np.array([row])
        return
    told = random.choice(mine, enrolment.count, replace=False)
    yield told, np.setdiff1d(mine, told)
