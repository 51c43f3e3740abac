"""Whether the plan's tables hold what plan.json says: every row once, in order, each with its own id."""

import hashlib
import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emoboost.files_hash import FilesHash
from emoboost.ledger import PLAN, Ledger
from emoboost.manifest.identifiers import SeenIds, suspicious
from emoboost.plan import INDEX, LENGTH, PLAN_FILE
from emoboost.shards import shard_file, shard_files
from emoboost.verify.findings import SHOWN, Findings, reason_of

TABLES_CHANGED = "the plan's tables are not those that it was written with; copy the output again"
PLAN_JSON = f"{PLAN}/{PLAN_FILE}"
REMEMBERED = 100_000
"""Ids kept while repeated ones are looked for a second time; a bound on memory, not on what is found to be wrong."""
SECONDS_TOLERANCE = 1e-9
"""Relative; sums of many numbers depend on their order."""


class PlanCheck:
    """Takes the plan's tables one after the other; needs 8 bytes an utterance, for finding ids that occur twice."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self._ledger = ledger
        self._findings = findings
        self._columns = ["utterance_id", "uri", "channel", "start", "end", LENGTH]
        self._rows = self._unknown = 0
        self._seconds = 0.0
        self._ids = SeenIds()
        self._unreadable: set[str] = set()

    def see(self, shard: int, planned: pa.Table | Exception) -> bool:
        """Check the next shard, or why it cannot be read; returns whether its part can be compared with it."""
        file = self._file(shard)
        if isinstance(planned, Exception):
            if file not in self._unreadable:
                self._findings.add(file, reason_of(planned, self._ledger, file), shard)
            self._unreadable.add(file)
            return False
        expected = [INDEX, *self._columns, *self._ledger.plan.carried.names]
        if planned.column_names != expected:
            self._findings.add(file, f"the columns are {planned.column_names}, must be {expected}", shard)
            self._unreadable.add(file)
            return False
        ids = planned["utterance_id"].to_pylist()
        self._compare_numbers(file, shard, planned[INDEX], ids)
        self._rows += len(planned)
        self._seconds += pc.sum(planned[LENGTH]).as_py() or 0.0
        self._unknown += planned[LENGTH].null_count
        self._ids.add(ids)
        return True

    def finish(self) -> None:
        """Compare the totals and look for ids that occur twice, once every shard was seen."""
        plan = self._ledger.plan
        if not self._unreadable:
            if self._tables_hash() != plan.tables_sha256:
                self._findings.add(PLAN_JSON, TABLES_CHANGED)
            for name, found in (("utterances", self._rows), ("unknown_lengths", self._unknown)):
                if found != getattr(plan, name):
                    self._findings.add(PLAN_JSON, f"{name} is {getattr(plan, name)}, the plan's tables hold {found}")
            if not math.isclose(self._seconds, plan.known_seconds, rel_tol=SECONDS_TOLERANCE, abs_tol=1e-6):
                self._findings.add(
                    PLAN_JSON, f"known_seconds is {plan.known_seconds}, the plan's tables add up to {self._seconds}"
                )
        suspects, repeats = self._ids.suspects()
        if repeats:
            self._tell_repeated(suspects, repeats)

    def _compare_numbers(self, file: str, shard: int, numbers: pa.ChunkedArray, ids: list[str]) -> None:
        """plan_index must go on where the last shard ended; one finding a shard, because one gap shifts all rows."""
        expected = range(self._rows, self._rows + len(numbers))
        for row, (found, wanted) in enumerate(zip(numbers.to_pylist(), expected, strict=True)):
            if found != wanted:
                if not self._unreadable:
                    self._findings.add(file, f"{INDEX} is {found}, must be {wanted}", shard, ids[row])
                return

    def _tables_hash(self) -> str:
        ledger, plan, files = self._ledger, self._ledger.plan, FilesHash()
        for name in shard_files(plan.shards, plan.shards_per_file):
            files.add(name, hashlib.sha256(ledger.folder.read(ledger.plan_name(name))).hexdigest())
        return files.hex

    def _tell_repeated(self, suspects: np.ndarray, repeats: int) -> None:
        found = list(islice(self._repeated(suspects), SHOWN))
        for shard, utterance_id, first in found:
            what = f"the id is also that of a row in shard {first}; ids must be unique"
            self._findings.add(self._file(shard), what, shard, utterance_id)
        if len(found) == SHOWN:
            self._findings.count += repeats - SHOWN

    def _repeated(self, suspects: np.ndarray) -> Iterator[tuple[int, str, int]]:
        """Read again and compare the ids themselves: a hash may be the same by chance."""
        first_in: dict[str, int] = {}
        for shard in range(self._ledger.plan.shards):
            if self._file(shard) in self._unreadable:
                continue
            ids = self._ledger.shard_table(shard)["utterance_id"].to_pylist()
            for row in map(int, suspicious(ids, suspects)):
                if ids[row] in first_in:
                    yield shard, ids[row], first_in[ids[row]]
                elif len(first_in) < REMEMBERED:
                    first_in[ids[row]] = shard

    def _file(self, shard: int) -> str:
        return self._ledger.plan_name(shard_file(shard, self._ledger.plan.shards_per_file)[0])
