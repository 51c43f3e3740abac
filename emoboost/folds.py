"""Who is tested and who is trained on; a fold that shares a speaker cannot be made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fold:
    """Row numbers of one split. Raises ValueError when a test speaker is also a training speaker."""

    name: str
    train: np.ndarray
    test: np.ndarray
    speakers: Sequence[str]
    """Speaker of every row of the corpus."""

    def __post_init__(self) -> None:
        shared = {self.speakers[row] for row in self.train} & {self.speakers[row] for row in self.test}
        if shared:
            raise ValueError(f"fold {self.name}: speaker {min(shared)} is in training and in test")


def leave_one_speaker_out(speakers: Sequence[str]) -> Iterator[Fold]:
    """One fold a speaker, in sorted order: that speaker is tested, all others are trained on."""
    names = np.array(speakers)
    for speaker in sorted(set(speakers)):
        yield Fold(speaker, np.flatnonzero(names != speaker), np.flatnonzero(names == speaker), speakers)
