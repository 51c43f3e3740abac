"""A random sample of labelled rows, drawn while the parts go by."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emoboost.ledger import METADATA_PREFIX
from emoboost.plan import utterances_of
from emoboost.schema import Status
from emoboost.utterance import Utterance


@dataclass(frozen=True)
class Drawn:
    """A row that was drawn."""

    shard: int
    utterance: Utterance
    """As the plan has it."""
    row: Mapping[str, Any]
    """What the part says became of it."""
    hardware: str
    """What the part says it was computed on."""


class Sample:
    """The rows with the smallest random numbers: every row is as likely, and only so many are held."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._heap: list[tuple[float, int, int, Drawn]] = []

    def see(self, shard: int, part: pa.Table, planned: pa.Table) -> None:
        """Draw from the rows of a part that are `ok`; `planned` has the same utterances."""
        numbers = np.random.default_rng([self._seed, shard]).random(len(part))
        hardware = (part.schema.metadata or {}).get(f"{METADATA_PREFIX}device".encode(), b"").decode(errors="replace")
        results = [name for name in part.column_names if name not in planned.column_names]
        for row, status in enumerate(part["status"].to_pylist()):
            number = float(numbers[row])
            if status != Status.OK or (len(self._heap) == self._size and number >= -self._heap[0][0]):
                continue
            (utterance,) = utterances_of(planned.slice(row, 1))
            (values,) = part.slice(row, 1).select(results).to_pylist()
            heapq.heappush(self._heap, (-number, shard, row, Drawn(shard, utterance, values, hardware)))
            if len(self._heap) > self._size:
                heapq.heappop(self._heap)

    @property
    def rows(self) -> list[Drawn]:
        """What was drawn, in the plan's order."""
        return [drawn for _, _, _, drawn in sorted(self._heap, key=lambda entry: entry[1:3])]
