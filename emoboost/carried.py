"""Tables with a manifest's own columns, which may be of types that Arrow cannot filter and Python has no value for."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NO_VALUE = (ValueError, ArithmeticError, LookupError, NotImplementedError)
"""What Arrow raises where Python has no such value; its own errors are among them."""


def rows_at(table: pa.Table, places: Sequence[int] | np.ndarray) -> pa.Table:
    """These rows, in this order; by slices, because Arrow neither takes nor filters every type.

    Args:
        table: of any columns.
        places: (n,) numbers of rows.
    """
    if not len(places):
        return table.slice(0, 0)
    runs = np.split(np.asarray(places), np.flatnonzero(np.diff(places) != 1) + 1)
    return pa.concat_tables([table.slice(int(run[0]), len(run)) for run in runs])


def values_of(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column; a value that Python has none for is told as Arrow tells it."""
    try:
        return list(column.to_pylist())
    except NO_VALUE:
        return [_value(column.slice(row, 1)) for row in range(len(column))]


def cell_text(value: object) -> str:
    """A cell without surrounding blanks; a missing text is NaN in a column that pandas took for numbers.

    >>> cell_text(" anger "), cell_text(None), cell_text(float("nan"))
    ('anger', '', '')
    """
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()


def texts_of(table: pa.Table, name: str | None) -> list[str]:
    """The values of a column as text without blanks around it; '' where there is none, also of the column."""
    if name is None or name not in table.column_names:
        return [""] * len(table)
    return [cell_text(value) for value in values_of(table[name])]


def _value(one: pa.Array | pa.ChunkedArray) -> Any:
    try:
        return one[0].as_py()
    except NO_VALUE:
        return " ".join(pa.concat_arrays(one.chunks if isinstance(one, pa.ChunkedArray) else [one]).to_string().split())


def unknown_time_zone(kind: pa.DataType) -> str | None:
    """A time zone in a type, or in one that it is made of, that this machine knows nothing of; None is none."""
    return next(filter(None, map(_unknown_zone, _types(kind))), None)


def _types(kind: pa.DataType) -> Iterator[pa.DataType]:
    yield kind
    inner = [kind.value_type] if pa.types.is_dictionary(kind) else [kind.field(i).type for i in range(kind.num_fields)]
    for each in inner:
        yield from _types(each)


def _unknown_zone(kind: pa.DataType) -> str | None:
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        return None
    try:
        pc.local_timestamp(pa.array([0], kind))
    except pa.ArrowInvalid:
        return str(kind.tz)
    return None
