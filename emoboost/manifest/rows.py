"""From a manifest's own columns to utterances, and what is wrong with each row."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emoboost.carried import rows_at
from emoboost.errors import ManifestError
from emoboost.manifest.column_types import is_text_type
from emoboost.manifest.columns import LENGTH, Columns
from emoboost.manifest.identifiers import derived_id
from emoboost.manifest.problems import Problem
from emoboost.manifest.source import Rows
from emoboost.redaction import REPLACEMENT, holds_secret

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
NUMERIC = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
MIX = "mix"
LAST_CHANNEL = 2**31 - 1
LONGEST_TEXT = 32_768
"""Characters of a uri or an id; paths have at most 4,096 bytes, and few servers take longer URLs than 16,384."""
MAY_HOLD_SECRET = r"://.*@|[?&;#~].*="
"""What every uri or id with a secret in it matches; few others do, so that only these are looked at one by one."""


def utterances(rows: Rows, columns: Columns, default_channel: int | None) -> tuple[pa.Table, np.ndarray, list[Problem]]:
    """Check a stretch of a manifest and give its utterances.

    Args:
        rows: from the manifest.
        columns: what they mean.
        default_channel: of rows that name none; None is the mean of all channels.

    Returns:
        A table of the rows without a problem: utterance_id, uri (string), channel (int32), start, end, plan_length
        (float64, seconds), then the carried columns in the manifest's types; the position of each of these rows in the
        manifest; and the problems.

    Raises:
        ManifestError: a column whose type cannot hold what it should.
    """
    problems = list(rows.problems)
    uri = _text(rows, columns.uri)
    problems += _problems(
        rows, columns.uri, _blank(uri), "is empty; give the path or URL of the audio, or remove the row"
    )
    problems += _too_long(rows, uri, "uri")
    problems += _problems(
        rows,
        columns.uri,
        _secret(uri),
        "holds a password, token or signature, which the output would show; give the URL alone, and the credentials in "
        "the environment or with --storage-options",
    )
    problems += _id_problems(rows, columns.utterance_id)
    channel = _channel(rows, columns.channel, default_channel, problems)
    start = _seconds(rows, columns.start, problems)
    end = _seconds(rows, columns.end, problems)
    duration = _seconds(rows, columns.duration, problems)
    start = np.where(np.isnan(start), 0.0, start)
    if columns.duration_cuts:
        end = start + duration
    problems += _problems(
        rows,
        columns.duration if columns.duration_cuts else columns.end,
        end <= start,
        "leaves nothing to label: the end must lie behind the start; correct one of them",
    )
    table = pa.table(
        {
            "uri": uri,
            "channel": channel,
            "start": start,
            "end": _known(end),
            LENGTH: _known(np.where(np.isnan(end), duration, end - start)),
            **{ours: rows.table[theirs] for ours, theirs in columns.carried.items()},
        }
    )
    positions = rows.positions
    if problems:
        good = ~np.isin(positions, [problem.position for problem in problems])
        rows = Rows(rows_at(rows.table, np.flatnonzero(good)), positions[good])
        table, positions = rows_at(table, np.flatnonzero(good)), positions[good]
    return table.add_column(0, "utterance_id", _ids(rows, columns.utterance_id, table)), positions, problems


def _id_problems(rows: Rows, name: str | None) -> list[Problem]:
    if name is None:
        return []
    ids = _text(rows, name)
    what = (
        "holds a password, token or signature, which the output would show; give another id, or leave it empty to "
        "have one made"
    )
    secret = [Problem(int(rows.positions[row]), what, name, REPLACEMENT) for row in np.flatnonzero(_secret(ids))]
    return [*_too_long(rows, ids, "utterance_id"), *secret]


def _ids(rows: Rows, name: str | None, table: pa.Table) -> pa.Array:
    """The manifest's ids; a missing or blank one is derived from the audio and the span."""
    given = pa.nulls(len(table), pa.string()) if name is None else _text(rows, name)
    missing = np.flatnonzero(_blank(given))
    if not len(missing):
        return given
    spans = zip(*(table[key].take(missing).to_pylist() for key in ("uri", "channel", "start", "end")), strict=True)
    derived = pa.array([derived_id(*span) for span in spans], pa.string())
    return derived if len(missing) == len(table) else pc.replace_with_mask(given, _blank(given), derived)


def _channel(rows: Rows, name: str | None, default: int | None, problems: list[Problem]) -> pa.Array:
    count = len(rows.positions)
    if name is None:
        return pa.array([default] * count, pa.int32())
    column = rows.table[name]
    mixed = np.zeros(count, bool)
    if is_text_type(column.type):
        text = pc.utf8_lower(pc.utf8_trim_whitespace(_text(rows, name)))
        mixed = np.asarray(pc.fill_null(pc.equal(text, MIX), False))
        column = pc.if_else(pa.array(mixed), None, text)
    number, present = _numbers(column, name)
    bad = present & ~((number >= 0) & (number <= LAST_CHANNEL) & (number == np.floor(number)))
    problems += _problems(
        rows, name, bad, "is not a channel; give a whole number counted from 0, or mix for the mean of all channels"
    )
    chosen = np.where(present & ~bad, number, 0 if default is None else default).astype(np.int32)
    unknown = ~present | bad
    return pa.array(chosen, mask=mixed | (unknown if default is None else np.zeros(count, bool)))


def _seconds(rows: Rows, name: str | None, problems: list[Problem]) -> np.ndarray:
    """(n,) float64; NaN where the manifest gives none, or none that can be used."""
    if name is None:
        return np.full(len(rows.positions), np.nan)
    number, present = _numbers(rows.table[name], name)
    bad, negative = present & ~np.isfinite(number), present & (number < 0)
    problems += _problems(
        rows, name, bad, "is not a number; give seconds with a decimal point, such as 12.5, or leave it empty"
    )
    problems += _problems(rows, name, negative, "is negative; give seconds counted from the recording's start")
    # Adding zero turns -0.0 into 0.0, which derived ids would tell apart.
    return np.where(bad | negative, np.nan, number) + 0.0


def _numbers(column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values as float64, NaN where they are no number, and whether there is a value at all."""
    if is_text_type(column.type):
        text = pc.utf8_trim_whitespace(column.cast(pa.string()))
        column = pc.if_else(pc.equal(text, ""), None, text)
        readable = pc.if_else(pc.match_substring_regex(column, NUMBER), column, None)
    elif any(holds(column.type) for holds in NUMERIC):
        readable = column
    else:
        raise ManifestError(f"column {name!r} is of type {column.type}; write it as a number")
    present = np.asarray(pc.is_valid(column))
    values = pc.fill_null(pc.cast(readable, pa.float64(), safe=False), np.nan)
    return np.asarray(values), present


def _text(rows: Rows, name: str) -> pa.ChunkedArray:
    column = rows.table[name]
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise ManifestError(
            f"column {name!r} is of type {column.type} and is no text ({error}); write it as text"
        ) from error


def _blank(text: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(text), ""), True))


def _too_long(rows: Rows, text: pa.ChunkedArray, name: str) -> Iterator[Problem]:
    lengths = np.asarray(pc.fill_null(pc.utf8_length(text), 0))
    for row in np.flatnonzero(lengths > LONGEST_TEXT):
        what = f"the {name} has {lengths[row]:,} characters; give one of at most {LONGEST_TEXT:,}, or close its quotes"
        yield Problem(int(rows.positions[row]), what)


def _secret(text: pa.ChunkedArray) -> np.ndarray:
    short = pc.less_equal(pc.utf8_length(text), LONGEST_TEXT)
    suspected = np.array(pc.fill_null(pc.and_(short, pc.match_substring_regex(text, MAY_HOLD_SECRET)), False))
    for row in np.flatnonzero(suspected):
        suspected[row] = holds_secret(text[int(row)].as_py())
    return suspected


def _known(seconds: np.ndarray) -> pa.Array:
    return pa.array(seconds, pa.float64(), mask=np.isnan(seconds))


def _problems(rows: Rows, name: str | None, where: np.ndarray, what: str) -> Iterator[Problem]:
    for row in np.flatnonzero(where):
        yield Problem(int(rows.positions[row]), what, name, rows.table[name][int(row)].as_py())
