"""What is to be done with a shard: to label all that has no row yet, or to try its error rows again."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

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
        part = self.ledger.read_part(shard)
        chosen = pa.array([error.value for error in self.again], pa.string())
        return part.filter(pc.invert(pc.is_in(part["error_type"], chosen)))

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

    def publish(self, shard: int, rows: pa.Table) -> None:
        """Put a shard's rows into the output; of several attempts at a shard without a part the first wins."""
        if self.again is None:
            self.ledger.commit(shard, rows)
        elif not rows.equals(self.ledger.read_part(shard)):
            self.ledger.replace(shard, rows)


def without(planned: pa.Table, kept: pa.Table | None) -> pa.Table:
    """The utterances of a shard that are still to be computed, in the plan's order."""
    if kept is None:
        return planned
    return planned.filter(pc.invert(pc.is_in(planned["utterance_id"], kept["utterance_id"].combine_chunks())))


def joined(planned: pa.Table, computed: pa.Table, kept: pa.Table | None) -> pa.Table:
    """All rows of a shard in the plan's order, with the schema of those that were computed."""
    if kept is None:
        return computed
    rows = pa.concat_tables([computed, kept.select(computed.column_names).cast(computed.schema)])
    where = {name: place for place, name in enumerate(rows["utterance_id"].to_pylist())}
    order: Sequence[int] = [where[name] for name in planned["utterance_id"].to_pylist()]
    return rows.take(order).replace_schema_metadata(computed.schema.metadata).combine_chunks()
