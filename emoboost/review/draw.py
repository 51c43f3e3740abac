"""Rows of an output drawn by stratum: which ones depends on the seed and on the rows, not on how they are stored."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emoboost.ahead import ahead
from emoboost.errors import OutputError, UsageError
from emoboost.ledger import Ledger
from emoboost.plan import utterances_of
from emoboost.review.strata import Confidences, Strata, Stratum, allocation
from emoboost.schema import Status
from emoboost.utterance import Utterance

SPARE = 20
"""Rows of each stratum that stand by, beside as many as are drawn, for those whose recording cannot be read now."""


@dataclass(frozen=True)
class Drawn:
    """A row that was drawn, or stands by."""

    utterance_id: str
    shard: int
    row: int
    """In its shard."""
    confidence: float
    version: str | None
    """Of the recording that was labelled; see `Source.version`."""

    def utterance(self, ledger: Ledger) -> Utterance:
        """What was heard, as the plan has it."""
        (utterance,) = utterances_of(ledger.shard_table(self.shard).slice(self.row, 1))
        return utterance


@dataclass(frozen=True)
class Draw:
    """What was drawn from an output."""

    strata: Sequence[Stratum]
    quotas: Sequence[int]
    """How many rows of each stratum make the sample."""
    rows: Sequence[Sequence[Drawn]]
    """Of each stratum, in the order in which they are drawn: first those of the sample, then those that stand by."""
    seed: int

    @property
    def sampled(self) -> list[tuple[int, Drawn]]:
        """The sample as pairs of stratum and row, in the plan's order."""
        pairs = [
            (number, drawn)
            for number, (quota, rows) in enumerate(zip(self.quotas, self.rows, strict=True))
            for drawn in rows[:quota]
        ]
        return sorted(pairs, key=lambda pair: (pair[1].shard, pair[1].row))

    @property
    def shuffled(self) -> list[tuple[int, Drawn]]:
        """The same in an order that depends on the seed and the ids, and so tells nothing of the strata."""
        return sorted(self.sampled, key=lambda pair: _chance(self.seed, "order", pair[1].utterance_id))


def draw(ledger: Ledger, rows: int, seed: int, progress: Callable[[int], None] = lambda shards: None) -> Draw:
    """Draw from the rows of a finished or unfinished output that are `ok`, evenly over its strata.

    Reads the parts twice, a few at a time. Memory: 4 bytes a row.

    Args:
        ledger: the output.
        rows: to draw; an output with fewer gives all.
        seed: of the draw.
        progress: called with the number of shards read so far, in both passes.

    Raises:
        OutputError: nothing is finished, or no row is `ok`.
        UsageError: fewer rows than the output has labels.
    """
    shards = sorted(ledger.finished())
    if not shards:
        raise OutputError(f"{ledger.folder.display}: no part is finished yet; run annotate first")
    strata = _strata(ledger, shards, rows, progress)
    quotas = allocation([stratum.rows for stratum in strata.strata], rows)
    smallest = [_Smallest(2 * quota + SPARE) for quota in quotas]
    columns = ["utterance_id", "status", "label", "confidence", "audio_version"]
    for done, (shard, part) in enumerate(_parts(ledger, shards, columns), 1):
        places = _ok(part)
        ok = part.take(places)
        names, versions, labels, confidences = (
            ok[name].to_pylist() for name in ("utterance_id", "audio_version", "label", "confidence")
        )
        numbers = strata.numbers(labels, confidences)
        for number, name, row, confidence, version in zip(numbers, names, places, confidences, versions, strict=True):
            if number is not None:
                smallest[number].see(_chance(seed, "draw", name), Drawn(name, shard, int(row), confidence, version))
        progress(len(shards) + done)
    return Draw(strata.strata, quotas, [found.in_order for found in smallest], seed)


def _strata(ledger: Ledger, shards: Sequence[int], rows: int, progress: Callable[[int], None]) -> Strata:
    confidences = Confidences()
    for done, (_, part) in enumerate(_parts(ledger, shards, ["status", "label", "confidence"]), 1):
        ok = part.take(_ok(part))
        confidences.add(ok["label"].to_pylist(), ok["confidence"].to_pylist())
        progress(done)
    labels = sorted(confidences.of_label)
    if not labels:
        raise OutputError(f"{ledger.folder.display}: no row has a label, there is nothing to draw from")
    if rows < len(labels):
        raise UsageError(
            f"--n {rows}: {ledger.folder.display} has {len(labels)} labels ({', '.join(labels)}); give at least "
            f"{len(labels)}, so that every label is drawn"
        )
    return Strata.of(confidences.of_label, rows)


def _parts(ledger: Ledger, shards: Sequence[int], columns: Sequence[str]) -> "zip[tuple[int, pa.Table]]":
    return zip(shards, ahead(lambda shard: ledger.read_part(shard, columns), shards), strict=True)


def _ok(part: pa.Table) -> np.ndarray:
    """Numbers of the rows that have a label."""
    return np.flatnonzero(np.asarray(pc.equal(part["status"], Status.OK.value)))


def _chance(seed: int, purpose: str, utterance_id: str) -> int:
    """A number that stands for chance: the rows of a stratum with the smallest are drawn."""
    return int.from_bytes(blake2b(utterance_id.encode(), digest_size=16, key=f"{purpose} {seed}".encode()).digest())


class _Smallest:
    """The rows with the smallest numbers; no more than so many are held."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, int, int, Drawn]] = []

    def see(self, number: int, drawn: Drawn) -> None:
        entry = (-number, drawn.shard, drawn.row, drawn)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    @property
    def in_order(self) -> list[Drawn]:
        return [drawn for *_, drawn in sorted(self._heap, key=lambda entry: -entry[0])]
