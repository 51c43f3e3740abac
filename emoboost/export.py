"""The labels of an output in other formats: one table of writers, so that other kinds join."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa

from emoboost.carried import values_of
from emoboost.errors import OutputError
from emoboost.formulas import guarded, guarded_column
from emoboost.ledger import Ledger


def to_csv(ledger: Ledger, destination: Path, *, raw: bool = False) -> int:
    """Write every finished row, in the manifest's order, as RFC 4180 CSV with a header; returns the number of rows.

    The file appears under its name when it is complete. Text that a spreadsheet would take for a formula gets an
    apostrophe in front (`formulas`), unless `raw`; numbers are left as they are.
    """
    import pyarrow.csv as pa_csv

    rows = 0
    temporary = destination.with_name(destination.name + ".partial")
    shards = sorted(ledger.finished())
    schema = ledger.read_part(shards[0]).schema
    flat = pa.schema([_flat(field, raw=raw) for field in schema])
    try:
        with pa_csv.CSVWriter(temporary, flat) as writer:
            for shard in shards:
                part = ledger.read_part(shard)
                columns = [_cells(part[field.name], raw=raw) for field in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=flat))
                rows += len(part)
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


WRITERS: Mapping[str, Callable[..., int]] = {"csv": to_csv}
"""Kind -> function (ledger, destination, raw=) that writes an output's finished rows and returns how many."""


def export(ledger: Ledger, kind: str, destination: Path, *, raw: bool = False) -> int:
    """Write the finished rows of an output.

    Args:
        ledger: the output.
        kind: a key of `WRITERS`.
        destination: the file.
        raw: leave text as it is, also what a spreadsheet would take for a formula.

    Returns:
        How many rows were written.

    Raises:
        OutputError: nothing is finished yet, or the destination is no file or cannot be written.
    """
    if destination.exists() and not destination.is_file():
        raise OutputError(f"{destination}: is a folder or a device; name a file")
    if not ledger.finished():
        raise OutputError(f"{ledger.folder.display}: no part is finished yet; run annotate first")
    try:
        return WRITERS[kind](ledger, destination, raw=raw)
    except OSError as error:
        # pyarrow's text repeats the path.
        reason = os.strerror(error.errno) if error.errno else error
        raise OutputError(f"{destination}: cannot be written ({reason})") from error


def _flat(field: pa.Field, *, raw: bool) -> pa.Field:
    named = field.with_name(field.name if raw else guarded(field.name))
    return named if _is_plain(field.type) else named.with_type(pa.string())


def _cells(column: pa.ChunkedArray, *, raw: bool) -> pa.Array | pa.ChunkedArray:
    if not _is_plain(column.type):
        column = pa.array(map(_text, values_of(column)), pa.string())
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return guarded_column(column) if is_text and not raw else column


def _is_plain(kind: pa.DataType) -> bool:
    """Whether pyarrow writes the type into a CSV by itself."""
    return any(
        is_kind(kind)
        for is_kind in (
            *(pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_null),
            *(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
            *(pa.types.is_date, pa.types.is_time, pa.types.is_timestamp),
        )
    )


def _text(value: object) -> str | None:
    """Text as it is, bytes as hex digits, lists and structures as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=lambda other: _text(other) or "")
    return str(value)
