"""What is to be done with a shard: to label all that has no row yet, or to try its error rows again."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from emoboost.carried import rows_at
from emoboost.errors import AudioErrorType
from emoboost.ledger import Ledger
from emoboost.plan import LENGTH


@dataclass(frozen=True)
class Task:
    """The work on an output; cheap to pickle."""

    ledger: Ledger
    again: frozenset[AudioErrorType] | None = None
    """Rows with these errors are computed again; None: shards that have no part are computed."""

    def is_done(self, shard: int) -> bool:
        """Whether someone has published this shard, which nobody need do again."""
        return self.again is None and self.ledger.has(shard)

    def kept(self, shard: int) -> pa.Table | None:
        """Rows of this shard that stay as they are."""
        if self.again is None:
            return self.ledger.kept(shard)
        return self._without_errors(self.ledger.read_part(shard))

    def size(self, shards: Sequence[int]) -> tuple[int, float | None]:
        """Utterances to compute in these shards, and their seconds of audio where all are known."""
        if self.again is not None:
            return sum(len(without(self.ledger.shard_table(shard), self.kept(shard))) for shard in shards), None
        partly = self.ledger.partly_kept().intersection(shards)
        utterances, seconds = self.ledger.remaining([shard for shard in shards if shard not in partly])
        for shard in partly:
            lengths = without(self.ledger.shard_table(shard), self.kept(shard))[LENGTH]
            utterances += len(lengths)
            seconds = None if seconds is None or lengths.null_count else seconds + (pc.sum(lengths).as_py() or 0.0)
        return utterances, seconds

    def publish(self, shard: int, planned: pa.Table, computed: pa.Table, kept: pa.Table | None) -> None:
        """Put a shard's rows into the output.

        Of several attempts at a shard without a part the first wins. Where rows are computed again, only those change
        that have one of the errors by then: another command may have given others their label in the meantime.

        Args:
            shard: its number.
            planned: its utterances, as the plan has them.
            computed: the rows that were.
            kept: the others, as `kept` gave them.
        """
        if self.again is None:
            self.ledger.commit(shard, joined(planned, computed, kept))
        else:
            self.ledger.change(shard, lambda part: self._mended(planned, computed, part))

    def _mended(self, planned: pa.Table, computed: pa.Table, part: pa.Table) -> pa.Table:
        """A part with those of the computed rows that still have one of the errors in it."""
        rows = without(computed, self._without_errors(part))
        return joined(planned, rows, without(part, rows))

    def _without_errors(self, part: pa.Table) -> pa.Table:
        assert self.again is not None
        errors = part["error_type"].to_pylist()
        return rows_at(part, [row for row, error in enumerate(errors) if error not in self.again])


def without(planned: pa.Table, kept: pa.Table | None) -> pa.Table:
    """The utterances of a shard that are still to be computed, in the plan's order."""
    if kept is None:
        return planned
    there = set(kept["utterance_id"].to_pylist())
    return rows_at(planned, [row for row, name in enumerate(planned["utterance_id"].to_pylist()) if name not in there])


def joined(planned: pa.Table, computed: pa.Table, kept: pa.Table | None) -> pa.Table:
    """All rows of a shard in the plan's order, with the schema of those that were computed."""
    if kept is None:
        return computed
    rows = pa.concat_tables([computed, kept.select(computed.column_names).cast(computed.schema)])
    where = {name: place for place, name in enumerate(rows["utterance_id"].to_pylist())}
    order = [where[name] for name in planned["utterance_id"].to_pylist()]
    return rows_at(rows, order).replace_schema_metadata(computed.schema.metadata).combine_chunks()
