"""Label rows of an older output that hold for a new one: same audio, same span, same model.

A fixed typo or an added file makes another manifest, and so another output. What did not change need not be computed
again: a row is taken over when its recording, channel, start and planned end are the same, and the recording's version
(a store's etag, else its size) is still the one that was labelled.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.ahead import THREADS, ahead
from emoboost.audio import resolve
from emoboost.carried import rows_at
from emoboost.embeddings import OPTION as EMBEDDINGS_OPTION
from emoboost.embeddings import Embeddings, RowVectors
from emoboost.errors import AudioError, OutputError
from emoboost.ledger import EDITED, METADATA_PREFIX, Ledger, Part
from emoboost.plan import INDEX, LENGTH, OF_THE_MANIFEST, Plan
from emoboost.schema import FORMAT_VERSION, Status, classes_of, labels_schema
from emoboost.source import audio_errors, open_source

PLANNED = ("utterance_id", "uri", "channel", "start")
"""Columns of the output that come from the plan; all others are a result."""
ROW_BITS = 16
"""A place is a shard's number, then as many bits for the row in it."""

Span = tuple[int | None, float, float | None]
"""Channel, start and planned end."""


def refuse_unfit(new_options: Mapping[str, object], old_plan: Plan) -> None:
    """Stop when an older output was made such that its labels would not be those of a run from scratch.

    Args:
        new_options: those of the new plan that change a row.
        old_plan: of the output to reuse.

    Raises:
        OutputError: naming what differs, with both values.
    """
    old_options = old_plan.options
    unneeded = set() if EMBEDDINGS_OPTION in new_options else {EMBEDDINGS_OPTION}
    differences = [
        f"{name} was {old_options.get(name)!r} and is now {new_options.get(name)!r}"
        for name in sorted({*old_options, *new_options} - set(OF_THE_MANIFEST) - unneeded)
        if old_options.get(name) != new_options.get(name)
    ]
    if differences:
        raise OutputError(
            f"the output of {old_plan.manifest} cannot be reused: {'; '.join(differences)}.\n"
            "Choose the same, or leave out --reuse"
        )


def current_version(location: str, access: Access) -> str | None:
    """The version (`Source.version`) of a recording as it is now, without reading it; None when it cannot be opened.

    Args:
        location: a path or URL, as `audio.resolve` gives it.
        access: how it may be reached.
    """
    try:
        with audio_errors(location):
            source = open_source(location, access)
    except AudioError:
        return None
    source.close()
    return source.version


@dataclass(frozen=True)
class OldRows:
    """Where the rows of an older output lie, found by what was heard; make one with `OldRows.read`.

    Needs 16 bytes for a row, 32 where the manifest's folder is another now; cheap to pickle apart from that.
    """

    ledger: Ledger
    """The older output."""
    base: str
    """Folder or URL that relative uris of the new manifest start from."""
    access: Access
    classes: tuple[str, ...]
    keys: np.ndarray
    """(n,) uint64, ascending: hashes of location and span. Equal ones are told apart by looking at the rows."""
    places: np.ndarray
    """(n,) int64: where the row of each key lies, see `ROW_BITS`."""

    @classmethod
    def read(cls, ledger: Ledger, base: str, access: Access, *, errors: bool = False) -> Self:
        """Read the older output's plan and parts once, no more than a few at a time.

        A recording is the same if the new manifest leads to the same place. It is also the same if the old manifest's
        relative uri, taken from the new manifest's folder, does: both were moved together. There, as everywhere on a
        disk, only its size can show that it is another recording.

        Args:
            ledger: the older output; what it has finished is used.
            base: folder or URL that relative uris of the new manifest start from.
            access: how recordings may be reached.
            errors: whether error rows are taken over too, rather than tried again.

        Raises:
            OutputError: nothing is finished, or the output is damaged or of another release.
        """
        shards = sorted(ledger.finished() & set(range(ledger.plan.shards)))
        if not shards:
            raise OutputError(f"{ledger.folder.display}: no part is finished, nothing can be reused; leave out --reuse")
        wanted = {Status.OK.value, Status.ERROR.value} if errors else {Status.OK.value}
        keys, places = array("Q"), array("q")

        def read(shard: int) -> tuple[int, Part, pa.Table]:
            return shard, ledger.part(shard, ["utterance_id", "status"]), ledger.shard_table(shard)

        for shard, part, planned in ahead(read, shards):
            _refuse_damaged(ledger, shard, part, planned)
            statuses = part.table["status"].to_pylist()
            for row, (uri, span) in enumerate(_heard(planned)):
                if statuses[row] in wanted:
                    for location in _locations(uri, ledger.plan.base, base, statuses[row]):
                        keys.append(_key(location, span))
                        places.append(shard << ROW_BITS | row)
        classes = classes_of(ledger.part(shards[0]).table.schema.names)
        order = np.argsort(np.frombuffer(keys, np.uint64), kind="stable") if keys else np.zeros(0, np.int64)
        sorted_keys = np.array(keys, np.uint64)[order]
        return cls(ledger, base, access, classes, sorted_keys, np.array(places, np.int64)[order])

    def rows_for(self, planned: pa.Table) -> "OldShardRows":
        """The rows of one new shard that need not be computed.

        Args:
            planned: the shard's utterances as the new plan holds them (`Ledger.shard_table`).

        Raises:
            OutputError: a part or the plan of the older output is damaged.
        """
        heard = [(resolve(uri, self.base), span) for uri, span in _heard(planned)]
        candidates = [self._candidates(location, span) for location, span in heard]
        old = self._load({_split(place)[0] for places in candidates for place in places})
        promising = [
            [place for place in places if old.is_of(place, location, span)]
            for places, (location, span) in zip(candidates, heard, strict=True)
        ]
        versions = self._versions(location for places, (location, _) in zip(promising, heard, strict=True) if places)
        taken: dict[int, int] = {}
        for position, (places, (location, _)) in enumerate(zip(promising, heard, strict=True)):
            fitting = [place for place in places if old.version(place) == versions[location]]
            if fitting:
                taken[position] = fitting[0]
        places = list(taken.values())
        return OldShardRows(self._table(rows_at(planned, list(taken)), old, places), places)

    def vectors_for(self, rows: "OldShardRows", embeddings: Embeddings) -> list[RowVectors]:
        """The vectors of those of the rows that are labelled, under their new ids.

        Args:
            rows: as `rows_for` gives them.
            embeddings: of the older output.

        Raises:
            OutputError: one is missing or damaged.
        """
        wanted = defaultdict(list)
        for row, place in enumerate(rows.places):
            shard, old_row = _split(place)
            wanted[shard].append((row, old_row))
        found: dict[int, np.ndarray] = {}
        for shard, pairs in wanted.items():
            vectors = embeddings.vectors(shard, self.ledger.read_part(shard))
            of_row = dict(zip(vectors.rows.tolist(), vectors.parted(), strict=True))
            found |= {row: of_row[old_row] for row, old_row in pairs if old_row in of_row}
        names, versions = (rows.table[name].to_pylist() for name in ("utterance_id", "audio_version"))
        return [RowVectors(names[row], versions[row], segments) for row, segments in sorted(found.items())]

    def _candidates(self, location: str, span: Span) -> list[int]:
        key = np.uint64(_key(location, span))
        first, last = np.searchsorted(self.keys, key, "left"), np.searchsorted(self.keys, key, "right")
        return [int(place) for place in self.places[first:last]]

    def _load(self, shards: Iterable[int]) -> "_OldShards":
        def read(shard: int) -> tuple[int, pa.Table, pa.Table]:
            return shard, self.ledger.part(shard).table, self.ledger.shard_table(shard)

        loaded = list(ahead(read, sorted(shards)))
        return _OldShards(self.ledger.plan.base, self.base, {shard: tables for shard, *tables in loaded})

    def _versions(self, locations: Iterable[str]) -> dict[str, str | None]:
        """The version of each recording now, asked for by threads because a store answers slowly."""
        distinct = list(dict.fromkeys(locations))
        with ThreadPoolExecutor(THREADS) as threads:
            found = threads.map(lambda location: current_version(location, self.access), distinct)
            return dict(zip(distinct, found, strict=True))

    def _table(self, planned: pa.Table, old: "_OldShards", places: Sequence[int]) -> pa.Table:
        """Old results beside what the new plan says of the same utterances."""
        own = {INDEX, LENGTH, "end", *PLANNED}
        carried = planned.select([name for name in planned.column_names if name not in own])
        schema = labels_schema(self.classes, carried.schema)
        if not places:
            return schema.empty_table()
        from_plan = {*PLANNED, *carried.column_names}
        results = old.results(places, [name for name in schema.names if name not in from_plan])
        columns = [(planned if name in from_plan else results)[name] for name in schema.names]
        return pa.Table.from_arrays(columns, schema=schema)


@dataclass(frozen=True)
class OldShardRows:
    """The rows of one new shard that an older output has."""

    table: pa.Table
    """As `labels_schema` has them, in the plan's order: ids and carried columns are the new plan's, results the older
    output's. Without metadata."""
    places: Sequence[int]
    """Where each is in the older output."""


class _OldShards:
    """Some shards of the older output, held while one new shard is filled."""

    def __init__(self, old_base: str, new_base: str, tables: Mapping[int, Sequence[pa.Table]]) -> None:
        self._bases = old_base, new_base
        self._parts = {shard: part for shard, (part, _) in tables.items()}
        self._heard = {shard: _heard(planned) for shard, (_, planned) in tables.items()}

    def is_of(self, place: int, location: str, span: Span) -> bool:
        """Whether a row is what its key promised: two different ones may share a key."""
        shard, row = _split(place)
        uri, old_span = self._heard[shard][row]
        return old_span == span and location in _locations(uri, *self._bases, self._value(place, "status"))

    def version(self, place: int) -> str | None:
        """Of the recording that was labelled."""
        version: str | None = self._value(place, "audio_version")
        return version

    def results(self, places: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """These columns of these rows, at least one."""
        rows = [self._parts[shard].slice(row, 1) for shard, row in map(_split, places)]
        return pa.concat_tables([row.select(list(columns)) for row in rows])

    def _value(self, place: int, name: str) -> Any:
        shard, row = _split(place)
        return self._parts[shard][name][row].as_py()


def _heard(planned: pa.Table) -> list[tuple[str, Span]]:
    """The uri and span of each planned utterance.

    From the plan, because the output's end is that of the recording where the plan has none.
    """
    columns = [planned[name].to_pylist() for name in ("uri", "channel", "start", "end")]
    return [(uri, (channel, start, end)) for uri, channel, start, end in zip(*columns, strict=True)]


def _locations(uri: str, old_base: str, new_base: str, status: str) -> list[str]:
    """Where an old row's recording was, and where it is if it was moved together with its manifest."""
    where_it_was, moved = resolve(uri, old_base), resolve(uri, new_base)
    # What an error says of a file holds, and names it, where it was.
    return [where_it_was] if moved == where_it_was or status == Status.ERROR else [where_it_was, moved]


def _key(location: str, span: Span) -> int:
    channel, start, end = span
    heard = f"{channel}\0{start!r}\0{end!r}\0{location}"
    return int.from_bytes(blake2b(heard.encode(errors="surrogateescape"), digest_size=8).digest())


def _split(place: int) -> tuple[int, int]:
    """The shard and row of a place."""
    return place >> ROW_BITS, place & ((1 << ROW_BITS) - 1)


def _refuse_damaged(ledger: Ledger, shard: int, part: Part, planned: pa.Table) -> None:
    """Stop at a part that does not hold what the plan says, was edited, or is of another release."""
    metadata = part.table.schema.metadata or {}
    found = metadata.get(f"{METADATA_PREFIX}format".encode(), b"nothing").decode(errors="replace")
    where = f"{ledger.folder.display}: {ledger.part_name(shard)}"
    if found != FORMAT_VERSION:
        raise OutputError(f"{where} has format {found}, this release reads {FORMAT_VERSION}; leave out --reuse")
    if not part.table["utterance_id"].equals(planned["utterance_id"]):
        raise OutputError(f"{where} does not hold the utterances of its plan; see emoboost-batch verify")
    if part.is_edited:
        raise OutputError(f"{where} {EDITED}")
