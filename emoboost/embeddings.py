"""The enhanced vectors of an output, kept beside its labels, so that another classifier needs no audio.

OUTPUT/embeddings/part-<first 8 of plan hash>-<shard>-<first 12 of its SHA-256>.parquet

Files are only ever added, each before the label part whose rows it is of: an attempt, or a retry, adds the vectors of
the rows that it computed. So a row that is labelled always has its vector, whoever writes beside whom. Where a row has
several, made by different attempts, those of the recording that was labelled count, the first by name.
"""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.errors import OutputError
from emoboost.ledger import METADATA_PREFIX, Ledger
from emoboost.schema import Outcome, Status

EMBEDDINGS = "embeddings"
OPTION = "embeddings"
"""Of the plan: `encoder_identity` of the model whose vectors are kept; missing when none are."""
ENCODER = f"{METADATA_PREFIX}encoder".encode()
READ = ("utterance_id", "audio_version", "status", "n_segments")
"""Columns of a part that tell whose vectors are needed."""


def embeddings_schema(width: int) -> pa.Schema:
    """Of every file.

    utterance_id, audio_version: as in the label part.
    embedding: the utterance's vector, the mean over its segments.
    segments: the vector of each 3-second segment, in time order; null where there is one only, which is `embedding`.

    Args:
        width: channels of a vector.
    """
    vector = pa.list_(pa.float16(), width)
    return pa.schema(
        [
            pa.field("utterance_id", pa.string(), nullable=False),
            pa.field("audio_version", pa.string()),
            pa.field("embedding", vector, nullable=False),
            pa.field("segments", pa.list_(vector)),
        ]
    )


@dataclass(frozen=True)
class RowVectors:
    """Of one labelled utterance."""

    utterance_id: str
    audio_version: str | None
    segments: np.ndarray
    """(segments, D), at least one."""


def vectors_of_rows(ids: Sequence[str], outcomes: Sequence[Outcome], vectors: np.ndarray) -> list[RowVectors]:
    """Part the segments of some utterances; those with an error have none.

    Args:
        ids: of the utterances.
        outcomes: one for each.
        vectors: (segments, D) of all, one utterance after the other.
    """
    rows, last = [], 0
    for name, outcome in zip(ids, outcomes, strict=True):
        first, last = last, last + outcome.n_segments
        if outcome.status is Status.OK:
            rows.append(RowVectors(name, outcome.version, vectors[first:last]))
    return rows


def embeddings_table(rows: Sequence[RowVectors], width: int, metadata: Mapping[str, str]) -> pa.Table:
    """The rows of a file.

    Args:
        rows: of some utterances.
        width: D.
        metadata: facts about the run, stored in the schema.
    """
    means = np.array([row.segments.mean(axis=0, dtype=np.float64) for row in rows]).reshape(-1, width)
    counts = np.array([len(row.segments) for row in rows], np.int64)
    several = [row.segments for row in rows if len(row.segments) > 1]
    ends = np.cumsum(np.where(counts > 1, counts, 0))
    lists = pa.ListArray.from_arrays(
        pa.array([0, *ends], pa.int32()),
        _vectors(np.concatenate(several) if several else np.zeros((0, width))),
        mask=pa.array(counts == 1),
    )
    columns = [
        pa.array([row.utterance_id for row in rows], pa.string()),
        pa.array([row.audio_version for row in rows], pa.string()),
        _vectors(means),
        lists,
    ]
    return pa.Table.from_arrays(columns, schema=embeddings_schema(width).with_metadata(dict(metadata)))


def keep_embeddings(ledger: Ledger, shard: int, table: pa.Table) -> None:
    """Add vectors to an output; to be called before their rows are published.

    Raises:
        OSError, StorageStop: they cannot be written.
    """
    if not len(table):
        return
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    content = buffer.getvalue()
    name = f"{EMBEDDINGS}/{_stem(ledger, shard)}-{_mark(content)}.parquet"
    if not ledger.folder.publish(name, content) and ledger.folder.read(name) != content:
        ledger.folder.replace(name, content)


@dataclass(frozen=True)
class ShardVectors:
    """Of the rows of one part that are labelled, in its order."""

    rows: np.ndarray
    """(n,) which rows of the part these are."""
    counts: np.ndarray
    """(n,) segments of each."""
    segments: np.ndarray
    """(sum of counts, D) float32: one row after the other."""

    def parted(self) -> list[np.ndarray]:
        """The segments of each row."""
        return np.split(self.segments, np.cumsum(self.counts)[:-1]) if len(self.counts) else []


class Embeddings:
    """All vectors of an output. Make one with `Embeddings.of`."""

    def __init__(self, ledger: Ledger, files: Mapping[int, Sequence[str]]) -> None:
        self._ledger = ledger
        self._files = files

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        """List what there is."""
        files: dict[int, list[str]] = defaultdict(list)
        for name in ledger.folder.names(EMBEDDINGS):
            stem, _, _ = name.rpartition("-")
            if (shard := ledger.shard_of(f"{stem}.parquet")) is not None:
                files[shard].append(name)
        return cls(ledger, files)

    @property
    def shards(self) -> set[int]:
        """Those that have a file."""
        return set(self._files)

    def vectors(self, shard: int, part: pa.Table) -> ShardVectors:
        """Those of one part.

        Args:
            shard: its number.
            part: its rows, with the columns of `READ`.

        Raises:
            OutputError: a row that is labelled has no vector, or a damaged one.
        """
        found: dict[tuple[str, str | None], np.ndarray] = {}
        for name in self._files.get(shard, ()):
            for utterance_id, version, own in _read(self._ledger, name):
                found.setdefault((utterance_id, version), own)
        columns = [part[name].to_pylist() for name in READ]
        rows: list[int] = []
        segments: list[np.ndarray] = []
        for row, (utterance_id, version, status, count) in enumerate(zip(*columns, strict=True)):
            if status != Status.OK:
                continue
            rows.append(row)
            segments.append(self._whole(found.get((utterance_id, version)), count, shard, utterance_id))
        return ShardVectors(
            np.array(rows, np.int64),
            np.array([len(own) for own in segments], np.int64),
            np.concatenate(segments) if segments else np.zeros((0, 0), np.float32),
        )

    def _whole(self, own: np.ndarray | None, count: int, shard: int, utterance_id: str) -> np.ndarray:
        """A row's segments, if they are what they must be."""
        if own is not None and len(own) == count and np.isfinite(own).all():
            return own
        what = (
            "no vector, or a damaged one," if own is None else f"{len(own)} vectors for {count} segments, or NaN in one"
        )
        raise OutputError(
            f"{self._ledger.folder.display}: {self._ledger.part_name(shard)} has {what} in {EMBEDDINGS}/ for row "
            f"{utterance_id!r}; delete that part, and annotate makes it again"
        )


def _read(ledger: Ledger, name: str) -> Iterator[tuple[str, str | None, np.ndarray]]:
    """Id, version and segments (m, D) float32 of each row of a file; none of one that is damaged or was changed."""
    try:
        content = ledger.folder.read(f"{EMBEDDINGS}/{name}")
        if not name.endswith(f"-{_mark(content)}.parquet"):
            return
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(use_threads=False).combine_chunks()
        width = table.schema.field("embedding").type.list_size
        if not table.schema.equals(embeddings_schema(width)):
            return
    except (OSError, LookupError, ValueError, AttributeError, pa.ArrowException):
        return
    if not len(table):
        return
    means = _array(table["embedding"].chunk(0), width)
    lists = table["segments"].chunk(0)
    several = _array(lists.values, width) if len(lists.values) else np.zeros((0, width), np.float32)
    offsets = lists.offsets.to_numpy()
    alone = lists.is_null().to_numpy(zero_copy_only=False)
    pairs = zip(table["utterance_id"].to_pylist(), table["audio_version"].to_pylist(), strict=True)
    for row, (utterance_id, version) in enumerate(pairs):
        own = means[row : row + 1] if alone[row] else several[offsets[row] : offsets[row + 1]]
        yield utterance_id, version, own


def _array(vectors: pa.FixedSizeListArray, width: int) -> np.ndarray:
    values: np.ndarray = vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).astype(np.float32)
    return values


def _vectors(values: np.ndarray) -> pa.FixedSizeListArray:
    halves = pa.array(np.ascontiguousarray(values, np.float16).reshape(-1), pa.float16())
    return pa.FixedSizeListArray.from_arrays(halves, values.shape[1])


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _stem(ledger: Ledger, shard: int) -> str:
    return ledger.part_name(shard).rsplit("/", 1)[-1].removesuffix(".parquet")
