"""Shards: how a plan's utterances are cut into pieces of work, and the files that hold them.

A shard is one row group of a Parquet file of 500, so that shard number -> (file, row group) is arithmetic and no task
reads a footer that grows with the archive.
"""

from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MAX_UTTERANCES = 128
MAX_SECONDS = 600.0
UNKNOWN_SECONDS = 60.0
"""What an utterance of unknown length counts as."""
FIRST_UTTERANCES = (8, 8, 16, 16, 32, 32, 64, 64)
"""The first shards are smaller: the first part appears soon, and a small manifest keeps several workers busy."""
SHARDS_PER_FILE = 500


def shard_limits(shard: int) -> tuple[int, float]:
    """At how many utterances or seconds a shard ends, whichever it reaches first.

    >>> shard_limits(0), shard_limits(8)
    ((8, 37.5), (128, 600.0))
    """
    utterances = FIRST_UTTERANCES[shard] if shard < len(FIRST_UTTERANCES) else MAX_UTTERANCES
    return utterances, MAX_SECONDS * utterances / MAX_UTTERANCES


def shard_file(shard: int, per_file: int = SHARDS_PER_FILE) -> tuple[str, int]:
    """The file that holds a shard, and which of its row groups.

    >>> shard_file(1_234)
    ('shards-00002.parquet', 234)
    """
    return f"shards-{shard // per_file:05d}.parquet", shard % per_file


def shard_files(shards: int, per_file: int = SHARDS_PER_FILE) -> list[str]:
    """The files that hold so many shards, in order.

    >>> shard_files(501)
    ['shards-00000.parquet', 'shards-00001.parquet']
    """
    return [shard_file(first, per_file)[0] for first in range(0, shards, per_file)]


def cut(lengths: np.ndarray, shard: int) -> int | None:
    """How many of the next utterances make this shard; None when that depends on utterances yet to come.

    The utterance that reaches the limit is the shard's last.

    Args:
        lengths: (n,) seconds of the next utterances, in order.
        shard: its number.
    """
    utterances, seconds = shard_limits(shard)
    total = np.cumsum(lengths[:utterances])
    reached = int(np.searchsorted(total, seconds))
    if reached < len(total):
        return reached + 1
    return utterances if len(total) == utterances else None


class ShardWriter:
    """Writes utterances to a folder, shard by shard; needs memory for one shard and what is added at a time."""

    def __init__(self, folder: Path, length: str) -> None:
        """`length` is the column with the seconds of each utterance; null is unknown."""
        self.utterances = 0
        self.shards = 0
        self._folder = folder
        self._length = length
        self._pending: pa.Table | None = None
        self._file: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, table: pa.Table) -> None:
        """Take the next utterances and write the shards that they complete."""
        self.utterances += len(table)
        table = table if self._pending is None else pa.concat_tables([self._pending, table])
        lengths = np.asarray(pc.fill_null(table[self._length], UNKNOWN_SECONDS))
        begin = 0
        while (count := cut(lengths[begin:], self.shards)) is not None:
            self._write(table.slice(begin, count))
            begin += count
        self._pending = table.slice(begin)

    def finish(self) -> None:
        """Write the last shard, which may be smaller."""
        if self._pending is not None and len(self._pending):
            self._write(self._pending)
        self._pending = None

    def _write(self, shard: pa.Table) -> None:
        name, row_group = shard_file(self.shards)
        if row_group == 0:
            if self._file is not None:
                self._file.close()
            # For 128 rows statistics, dictionaries and a better compression cost more than they save.
            self._file = pq.ParquetWriter(
                self._folder / name, shard.schema, compression="lz4", use_dictionary=False, write_statistics=False
            )
        assert self._file is not None
        self._file.write_table(shard, row_group_size=len(shard))
        self.shards += 1
