"""The hash of every part, as it was when the output was last found right: `OUTPUT/_CHECKED.parquet`.

The success marker comes and goes with retries and missing parts. What was checked stays known, so that a part which
somebody edits is told from one that a retry replaced, whatever else is wrong with the output.
"""

import contextlib
import io
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.storage import Folder

RECORD = "_CHECKED.parquet"
SCHEMA = pa.schema([("shard", pa.int64()), ("sha256", pa.string())])


def read_record(folder: Folder) -> dict[int, str]:
    """Shard -> SHA-256 of its part in hex; empty when nothing was checked yet, or the file is damaged."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, LookupError, ValueError, pa.ArrowException):
        table = pq.read_table(pa.BufferReader(folder.read(RECORD)), schema=SCHEMA, use_threads=False)
        return dict(zip(table["shard"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    return {}


def write_record(folder: Folder, hashes: Mapping[int, str]) -> None:
    """Put these in the place of what was recorded."""
    table = pa.table([list(hashes), list(hashes.values())], schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    folder.replace(RECORD, buffer.getvalue())
