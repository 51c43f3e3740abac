"""Whether one row of a part agrees with itself."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emoboost.decoder import ROUNDING_SECONDS
from emoboost.errors import AudioErrorType
from emoboost.schema import Status, probability_column

SUM_TOLERANCE = 1e-5
END_TOLERANCE = 1e-6
"""Seconds; the end is computed from start and duration."""
PLANNED_END_TOLERANCE = 2 * ROUNDING_SECONDS + 0.01
"""Seconds: a span may end so far past its recording's end, and the recording before what its header says; both are
rounded to a sample."""


def problems_of(row: Mapping[str, Any], planned_end: float | None, classes: Sequence[str]) -> Iterator[str]:
    """What is wrong with a row; nothing of a good one.

    Args:
        row: its values under the names of the output's columns.
        planned_end: seconds from the recording's start; None is the recording's end.
        classes: the model's classes.
    """
    if row["status"] == Status.OK:
        yield from _problems_of_ok(row, planned_end, classes)
    elif row["status"] == Status.ERROR:
        yield from _problems_of_error(row, planned_end, classes)
    else:
        yield f"status is {row['status']!r}, must be 'ok' or 'error'"


def _problems_of_ok(row: Mapping[str, Any], planned_end: float | None, classes: Sequence[str]) -> Iterator[str]:
    yield from _problems_of_label(row, {name: row[probability_column(name)] for name in classes})
    if row["n_segments"] is None or row["n_segments"] < 1:
        yield f"n_segments is {row['n_segments']}, must be at least 1"
    duration, end = row["duration"], row["end"]
    if duration is None or not 0 < duration < math.inf:
        yield f"duration is {duration}, must be above 0"
    elif row["start"] is None:
        yield "start is None, must be a number"
    elif end is None or not abs(end - (row["start"] + duration)) <= END_TOLERANCE:
        yield f"end is {end}, start and duration give {row['start'] + duration}"
    elif planned_end is not None and not abs(end - planned_end) <= PLANNED_END_TOLERANCE:
        yield f"end is {end}, the plan says {planned_end}"
    for name in ("error_type", "error_message"):
        if row[name] is not None:
            yield f"{name} is {row[name]!r}, must be null because status is 'ok'"
    if not row["audio_version"]:
        yield f"audio_version is {row['audio_version']!r}, must be there because status is 'ok'"


def _problems_of_label(row: Mapping[str, Any], probabilities: Mapping[str, float | None]) -> Iterator[str]:
    known = {name: value for name, value in probabilities.items() if value is not None and 0 <= value <= 1}
    if len(known) < len(probabilities):
        wrong = next(name for name in probabilities if name not in known)
        yield f"{probability_column(wrong)} is {probabilities[wrong]}, must be from 0 to 1"
        return
    if not abs(math.fsum(known.values()) - 1) <= SUM_TOLERANCE:
        yield f"the probabilities sum to {math.fsum(known.values()):.6f}, must be 1"
    best = max(known, key=lambda name: known[name])
    if known.get(row["label"]) != known[best]:
        yield f"label is {row['label']!r}, the highest probability is that of {best!r}"
    if row["confidence"] != known[best]:
        yield f"confidence is {row['confidence']}, the highest probability is {known[best]}"


def _problems_of_error(row: Mapping[str, Any], planned_end: float | None, classes: Sequence[str]) -> Iterator[str]:
    if row["error_type"] not in set(AudioErrorType):
        yield f"error_type is {row['error_type']!r}, must be one of the closed list (docs/errors.md)"
    if not (row["error_message"] or "").strip():
        yield f"error_message is {row['error_message']!r}, must say what was wrong"
    for name in ("duration", "label", "confidence", *map(probability_column, classes)):
        if row[name] is not None:
            yield f"{name} is {row[name]!r}, must be null because status is 'error'"
    if row["n_segments"] != 0:
        yield f"n_segments is {row['n_segments']}, must be 0 because status is 'error'"
    if row["end"] != planned_end:
        yield f"end is {row['end']}, the plan says {planned_end}"
