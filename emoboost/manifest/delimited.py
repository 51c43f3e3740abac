"""CSV and TSV: text whose rows may span lines and whose every column is text."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import IO

import numpy as np
import pyarrow as pa

from emoboost.errors import ManifestError
from emoboost.manifest.columns import has_path_column
from emoboost.manifest.problems import Problem
from emoboost.manifest.source import BATCH_ROWS, Place, Rows, Source, is_utf8

Record = tuple[int, list[str]]
"""The line on which a row begins, and its fields."""

LONGEST_FIELD = 16 * 2**20
"""Characters; far above any honest field, and below what a missing quote at the top of a large file would read."""
NOT_UTF8 = "is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)"


def delimited_source(
    place: Place, delimiters: str, is_header: Callable[[Sequence[str]], bool] = has_path_column
) -> Source:
    """A text file with a header; the first of `delimiters` that makes sense of the header is used.

    A header without a name for a column (pandas writes its index so) calls it `column_<number>`, counted from 1.

    Raises:
        ManifestError: no header, or one that cannot be read.
    """
    firsts = {delimiter: _first(place, delimiter) for delimiter in delimiters}
    delimiter = next((each for each in delimiters if _makes_sense(firsts[each], is_header)), delimiters[0])
    header = _header(place, firsts[delimiter])

    def read(limit: int | None) -> Iterator[Rows]:
        with place.open_text() as file:
            records = islice(_records(file, delimiter), 1, None if limit is None else limit + 1)
            while batch := list(islice(records, BATCH_ROWS)):
                yield _rows(header, batch)

    schema = pa.schema([(name, pa.string()) for name in header])
    return Source(
        place.given,
        place.parent,
        "line",
        schema,
        True,
        read,
        place.digest,
        "has a header but no rows; add a row per utterance",
    )


def _first(place: Place, delimiter: str) -> Record | Problem | None:
    with place.open_text() as file:
        return next(_records(file, delimiter), None)


def _makes_sense(first: Record | Problem | None, is_header: Callable[[Sequence[str]], bool]) -> bool:
    return isinstance(first, tuple) and is_header(first[1])


def _header(place: Place, first: Record | Problem | None) -> list[str]:
    if first is None:
        raise ManifestError(f"{place.given}: is empty; the first line must name the columns, such as path,speaker")
    if isinstance(first, Problem):
        raise ManifestError(first.text(place.given, "line"))
    line, names = first
    if not all(map(is_utf8, names)):
        raise ManifestError(f"{place.given}, line {line}: {NOT_UTF8}")
    return [name or f"column_{number}" for number, name in enumerate(names, 1)]


def _records(file: IO[str], delimiter: str) -> Iterator[Record | Problem]:
    """Header and rows without blank lines; after a row that is not CSV nothing can be trusted, so it is the last."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1
        except csv.Error as error:
            yield Problem(line, f"is not valid CSV ({error}); {_quoting_advice(str(error))}")
        return


def _quoting_advice(error: str) -> str:
    if "field limit" in error:
        return f'no field may have more than {LONGEST_FIELD:,} characters; a closing " may be missing here or below'
    if "end of data" in error:
        return 'a field that begins with " here or below has no closing "; close it, or double each " inside'
    return 'a field with " in it must begin and end with ", and each " inside must be doubled'


def _field_advice(found: int, expected: int) -> str:
    fix = "add a delimiter for each empty one" if found < expected else "quote a field that holds the delimiter"
    return f"has {found} field{'s' * (found != 1)} where the header has {expected}; {fix}"


def _rows(header: Sequence[str], records: Iterable[Record | Problem]) -> Rows:
    complete: list[Record] = []
    problems: list[Problem] = []
    for record in records:
        if isinstance(record, Problem):
            problems.append(record)
        elif len(record[1]) == len(header):
            complete.append(record)
        else:
            line, fields = record
            problems.append(Problem(line, _field_advice(len(fields), len(header))))
    try:
        table = _table(header, complete)
    except UnicodeEncodeError:
        problems += _undecodable(header, complete)
        table = _table(header, complete := [record for record in complete if all(map(is_utf8, record[1]))])
    return Rows(table, np.array([line for line, _ in complete], np.int64), tuple(problems))


def _table(header: Sequence[str], records: Sequence[Record]) -> pa.Table:
    values = zip(*(fields for _, fields in records), strict=True) if records else [()] * len(header)
    return pa.table([pa.array(column, pa.string()) for column in values], names=list(header))


def _undecodable(header: Sequence[str], records: Iterable[Record]) -> Iterator[Problem]:
    for line, fields in records:
        for name, value in zip(header, fields, strict=True):
            if not is_utf8(value):
                # Shown as the bytes that are in the file: b'M\xfcller.wav'
                yield Problem(line, NOT_UTF8, name, value.encode("utf-8", "surrogateescape"))
