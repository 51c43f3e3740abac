"""A shard as one row of a Ray Data block, and what comes back of it.

Between the stages a shard travels as one row of binary columns, which Ray stores without copying or regrouping: a
retry of either stage repeats a whole shard, harmlessly.
"""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa

from emoboost.prepare import Prepared
from emoboost.schema import Outcome

SHARD, OUTCOMES, VALID, STARTS, KEPT, EXCUSE = "shard", "outcomes", "valid", "starts", "kept", "excuse"
INPUT = "input."
OUTCOME_TYPE = pa.struct(
    [
        ("end", pa.float64()),
        ("duration", pa.float64()),
        ("n_segments", pa.int32()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
        ("version", pa.string()),
    ]
)


RESULT = pa.schema(
    [
        (SHARD, pa.int64()),
        ("utterances", pa.int64()),
        ("seconds", pa.float64()),
        ("error_types", pa.list_(pa.string())),
        (EXCUSE, pa.string()),
        ("reason", pa.string()),
    ]
)


class Excuse(StrEnum):
    """Why a pass did not compute a shard."""

    DONE = "done"
    """Someone else has published it."""
    CARE = "care"
    """Something died or failed over it: another pass reads it with care."""
    STOP = "stop"
    """The storage is at fault, not the shard: the job ends."""


def counts_row(shard: int, outcomes: Sequence[Outcome]) -> pa.Table:
    """What the driver is told of a shard that was computed and published."""
    return _result(
        shard,
        utterances=len(outcomes),
        seconds=sum(outcome.duration or 0.0 for outcome in outcomes),
        error_types=[outcome.error_type and outcome.error_type.value for outcome in outcomes],
    )


def excuse_row(shard: int, excuse: Excuse, reason: str) -> pa.Table:
    """What the driver is told of a shard that this pass did not compute."""
    return _result(shard, excuse=excuse.value, reason=reason)


def _result(shard: int, **values: object) -> pa.Table:
    found = {SHARD: shard, "utterances": 0, "seconds": 0.0, "error_types": [], EXCUSE: None, "reason": None, **values}
    return pa.Table.from_pylist([found], schema=RESULT)


def to_row(shard: int, prepared: Prepared, kept: pa.Table | None = None) -> pa.Table:
    """One shard as one row; arrays are wrapped, not copied."""
    columns: dict[str, pa.Array] = {
        SHARD: pa.array([shard]),
        OUTCOMES: pa.array([[asdict(outcome) for outcome in prepared.outcomes]], pa.list_(OUTCOME_TYPE)),
        VALID: _binary(pa.py_buffer(prepared.valid)),
        STARTS: _binary(pa.py_buffer(prepared.starts)),
        KEPT: pa.array([None if kept is None else _ipc(kept)], pa.binary()),
    }
    for name, values in prepared.inputs.items():
        columns[f"{INPUT}{name}.{'x'.join(map(str, values.shape))}.{values.dtype}"] = _binary(pa.py_buffer(values))
    return pa.table(columns)


def from_row(rows: pa.Table) -> tuple[int, Prepared, pa.Table | None]:
    """The inverse of `to_row`; arrays are views of the row's memory, read-only."""
    inputs = {}
    for column in rows.column_names:
        if column.startswith(INPUT):
            name, shape, dtype = column.removeprefix(INPUT).split(".")
            inputs[name] = np.frombuffer(_buffer(rows, column), dtype).reshape([int(n) for n in shape.split("x")])
    (shard,) = rows[SHARD].to_pylist()
    (outcomes,) = rows[OUTCOMES].to_pylist()
    (kept,) = rows[KEPT].to_pylist()
    prepared = Prepared(
        tuple(Outcome.from_dict(outcome) for outcome in outcomes),
        inputs,
        np.frombuffer(_buffer(rows, VALID), np.int32),
        np.frombuffer(_buffer(rows, STARTS), np.float64),
    )
    return shard, prepared, None if kept is None else pa.ipc.open_stream(kept).read_all()


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _binary(buffer: Any) -> pa.Array:
    offsets = pa.py_buffer(np.array([0, len(buffer)], np.int64))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, buffer])


def _buffer(rows: pa.Table, column: str) -> Any:
    return rows[column][0].as_buffer()
