"""Parquet: columns with types, which carried columns keep."""

import contextlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.carried import rows_at, unknown_time_zone
from emoboost.errors import ManifestError
from emoboost.manifest.column_types import is_text_type
from emoboost.manifest.problems import Problem
from emoboost.manifest.source import BATCH_ROWS, CHUNK_BYTES, Place, Rows, Source
from emoboost.printable import shown

NOT_UTF8 = "is not UTF-8; write the column as UTF-8 text"


def parquet_source(place: Place) -> Source:
    """A Parquet file, read a stretch at a time whatever the size of its row groups.

    Raises:
        ManifestError: not a Parquet file, or a column in a time zone that nobody knows.
    """

    def read(limit: int | None) -> Iterator[Rows]:
        with _opened(place) as file:
            begun = 0
            for batch in file.iter_batches(BATCH_ROWS):
                wanted = batch if limit is None else batch.slice(0, limit - begun)
                positions = np.arange(begun + 1, begun + 1 + len(wanted))
                yield _checked(pa.Table.from_batches([wanted]), positions, place.given)
                begun += len(wanted)
                if begun == limit:
                    return

    with _opened(place) as file:
        schema = file.schema_arrow
    for column in schema:
        if zone := unknown_time_zone(column.type):
            raise ManifestError(
                f"{place.given}: column {shown(column.name)} is in the time zone {shown(zone)}, which this machine "
                "does not know; write it in UTC, or as text"
            )
    return Source(
        place.given, place.parent, "row", schema, False, read, place.digest, "has no rows; write a row per utterance"
    )


@contextlib.contextmanager
def _opened(place: Place) -> Iterator[pq.ParquetFile]:
    with place.open() as file:
        try:
            # With a buffer a column chunk is read piece by piece: a row group may hold the whole archive.
            yield pq.ParquetFile(file, buffer_size=CHUNK_BYTES)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            # The second is the name of a column that is no text.
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ManifestError(f"{place.given}: not a readable Parquet file ({reason}); write it again") from error


def _checked(table: pa.Table, positions: np.ndarray, manifest: str) -> Rows:
    """The rows whose text is UTF-8: neither the format nor its readers make sure of that."""
    problems = [
        Problem(int(positions[row]), NOT_UTF8, name, value)
        for name in table.column_names
        for row, value in _undecodable(table[name], name, manifest)
    ]
    good = ~np.isin(positions, [problem.position for problem in problems])
    if not problems:
        return Rows(table, positions)
    return Rows(rows_at(table, np.flatnonzero(good)), positions[good], tuple(problems))


def _undecodable(column: pa.ChunkedArray, name: str, manifest: str) -> Iterator[tuple[int, bytes]]:
    if not (is_text_type(column.type) or pa.types.is_nested(column.type)):
        return
    try:
        column.validate(full=True)
        return
    except pa.ArrowInvalid as error:
        invalid = error
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    values = column.cast(kind).cast(pa.binary()).to_pylist() if is_text_type(kind) else []
    bad = [(row, value) for row, value in enumerate(values) if value is not None and not _is_utf8(value)]
    if not bad:
        raise ManifestError(f"{manifest}: column {name!r} cannot be read ({invalid}); write it again") from invalid
    yield from bad


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
