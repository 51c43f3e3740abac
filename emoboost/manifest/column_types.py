"""Which columns are text, and the types of those of a text file, found from every value that it has."""

import math
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc


def is_integer_text(text: str) -> bool:
    """Whether text is exactly what an int64 prints.

    >>> [text for text in ("7", "-7", "007", "+7", "7.0", "-0", str(2**63)) if is_integer_text(text)]
    ['7', '-7']
    """
    try:
        value = int(text)
    except ValueError:
        return False
    return str(value) == text and -(2**63) <= value < 2**63


def is_float_text(text: str) -> bool:
    """Whether text is exactly what Python (and so pandas' `to_csv`) prints for a finite float64.

    >>> [text for text in ("1.5", "1.50", "1", "-0.0", "1e3", "1e-05", "nan", "inf") if is_float_text(text)]
    ['1.5', '-0.0', '1e-05']
    """
    try:
        value = float(text)
    except ValueError:
        return False
    return repr(value) == text and math.isfinite(value)


def is_text_type(kind: pa.DataType) -> bool:
    """Whether a column's values are text, also where they are numbered in a dictionary."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


class TextTypes:
    """The narrowest type that keeps every value's text, column by column.

    int64 or float64 if every value survives the way there and back, empty text standing for null; string otherwise,
    and where all values are empty. In a string column empty text stays empty text.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._candidates: dict[str, list[tuple[pa.DataType, Callable[[str], bool]]]] = {
            name: [(pa.int64(), is_integer_text), (pa.float64(), is_float_text)] for name in columns
        }
        self._filled: set[str] = set()

    def see(self, table: pa.Table) -> None:
        """Take the next rows into account."""
        for name, candidates in self._candidates.items():
            if not candidates:
                continue
            values = [value for value in table[name].to_pylist() if value]
            if values:
                self._filled.add(name)
                self._candidates[name] = [each for each in candidates if all(map(each[1], values))]

    def of(self, name: str) -> pa.DataType:
        """The type after all rows so far."""
        candidates = self._candidates[name]
        return candidates[0][0] if candidates and name in self._filled else pa.string()


def typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of `schema` in its types; text becomes the numbers that `TextTypes` decided on."""
    wanted = {field.name: field for field in schema}
    # All at once: a table with one column changed is a copy, and a manifest may have thousands.
    fields = [wanted.get(field.name, field) for field in table.schema]
    columns = [_converted(column, field.type) for column, field in zip(table.columns, fields, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata))


def _converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return column if column.type == kind else pc.if_else(pc.equal(column, ""), None, column).cast(kind)
