"""Parquet: columns with types, which carried columns keep."""

import contextlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.errors import ManifestError
from emoboost.manifest.source import BATCH_ROWS, CHUNK_BYTES, Place, Rows, Source


def parquet_source(place: Place) -> Source:
    """A Parquet file, read a stretch at a time whatever the size of its row groups.

    Raises:
        ManifestError: not a Parquet file.
    """

    def read(limit: int | None) -> Iterator[Rows]:
        with _opened(place) as file:
            begun = 0
            for batch in file.iter_batches(BATCH_ROWS):
                wanted = batch if limit is None else batch.slice(0, limit - begun)
                positions = np.arange(begun + 1, begun + 1 + len(wanted))
                yield Rows(pa.Table.from_batches([wanted]), positions)
                begun += len(wanted)
                if begun == limit:
                    return

    with _opened(place) as file:
        schema = file.schema_arrow
    return Source(
        place.given, place.parent, "row", schema, False, read, place.digest, "has no rows; write a row per utterance"
    )


@contextlib.contextmanager
def _opened(place: Place) -> Iterator[pq.ParquetFile]:
    with place.open() as file:
        try:
            # With a buffer a column chunk is read piece by piece: a row group may hold the whole archive.
            yield pq.ParquetFile(file, buffer_size=CHUNK_BYTES)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise ManifestError(f"{place.given}: not a readable Parquet file ({reason}); write it again") from error
