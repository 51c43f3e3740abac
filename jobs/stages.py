"""The two stages of annotation as Ray Data calls them: one row is one shard, from the first stage to the last.

Between the stages a shard travels as one row of binary columns, which Ray stores without copying or regrouping: a
retry of either stage repeats a whole shard, harmlessly.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.config import ModelConfig
from emoboost.importing import collector_paused
from emoboost.ledger import METADATA_PREFIX, Ledger
from emoboost.plan import utterances_of
from emoboost.predict import load_model, preparation_for
from emoboost.prepare import Prepared
from emoboost.schema import FORMAT_VERSION, Outcome, Status, labels_table

SHARD, OUTCOMES, VALID, STARTS = "shard", "outcomes", "valid", "starts"
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


@dataclass(frozen=True)
class PrepareWork:
    """What every worker of the CPU stage is told."""

    ledger: Ledger
    config: ModelConfig
    max_seconds: float
    """A longer utterance becomes an error row `too_long`."""
    access: Access
    """How recordings may be reached, and what they may hold."""
    shards: np.ndarray
    """(n,) the shards of this run, by position."""


@dataclass(frozen=True)
class NetworkWork:
    """What every network actor is told."""

    ledger: Ledger
    model: str
    """Name of a bundled model, a model folder that every machine has at this path, or a URL."""
    device: str
    precision: str
    access: Access = field(default_factory=Access)
    """How a model in a store is reached."""


def prepare_shard(rows: pa.Table, work: PrepareWork) -> pa.Table:
    """CPU stage: the position of a shard -> its segments as network inputs."""
    (position,) = rows["id"].to_pylist()
    shard = int(work.shards[position])
    with collector_paused():
        # Here and not in the driver, which would import librosa while Ray waits for it; again it takes 4 ms.
        preparation = preparation_for(work.config, work.ledger.plan.base, work.max_seconds, work.access)
    prepared = preparation(utterances_of(work.ledger.shard_table(shard)))
    return to_row(shard, prepared)


class LabelShards:
    """Network stage: a shard's inputs -> its part, published; one small row of counts comes back."""

    def __init__(self, work: NetworkWork) -> None:
        set_up_torch(work.device)
        self.work = work
        self.model = load_model(work.model, work.access, device=work.device, precision=work.precision)
        self.facts = run_facts(work, self.model.identity)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Label and publish; a shard that another attempt has published is not written again."""
        shard, prepared = from_row(rows)
        ledger = self.work.ledger
        if not ledger.has(shard):
            planned, carried = ledger.shard_table(shard), ledger.plan.carried.names
            probabilities = self.model.utterance_probabilities(prepared)
            ledger.commit(
                shard,
                labels_table(planned, prepared.outcomes, probabilities, self.model.classes, carried, self.facts),
            )
        ok = [outcome for outcome in prepared.outcomes if outcome.status is Status.OK]
        counts = {
            "utterances": len(prepared.outcomes),
            "errors": len(prepared.outcomes) - len(ok),
            "seconds": sum(outcome.duration or 0.0 for outcome in ok),
        }
        return pa.table({name: [value] for name, value in counts.items()})


def set_up_torch(device: str) -> None:
    """One thread for each worker on a CPU; full float32 on a GPU."""
    with collector_paused():
        import torch

    if device == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def run_facts(work: NetworkWork, identity: str) -> dict[str, str]:
    """What a part's schema metadata says of the run that made it."""
    import platform

    import torch
    import transformers

    facts = {
        "format": FORMAT_VERSION,
        "plan": work.ledger.plan.hash,
        "model": identity,
        "device": torch.cuda.get_device_name() if work.device == "cuda" else platform.machine(),
        "precision": work.precision,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return {METADATA_PREFIX + name: value for name, value in facts.items()}


def to_row(shard: int, prepared: Prepared) -> pa.Table:
    """One shard as one row; arrays are wrapped, not copied."""
    columns: dict[str, pa.Array] = {
        SHARD: pa.array([shard]),
        OUTCOMES: pa.array([[asdict(outcome) for outcome in prepared.outcomes]], pa.list_(OUTCOME_TYPE)),
        VALID: _binary(pa.py_buffer(prepared.valid)),
        STARTS: _binary(pa.py_buffer(prepared.starts)),
    }
    for name, values in prepared.inputs.items():
        columns[f"{INPUT}{name}.{'x'.join(map(str, values.shape))}.{values.dtype}"] = _binary(pa.py_buffer(values))
    return pa.table(columns)


def from_row(rows: pa.Table) -> tuple[int, Prepared]:
    """The inverse of `to_row`; arrays are views of the row's memory, read-only."""
    inputs = {}
    for column in rows.column_names:
        if column.startswith(INPUT):
            name, shape, dtype = column.removeprefix(INPUT).split(".")
            inputs[name] = np.frombuffer(_buffer(rows, column), dtype).reshape([int(n) for n in shape.split("x")])
    (shard,) = rows[SHARD].to_pylist()
    (outcomes,) = rows[OUTCOMES].to_pylist()
    return shard, Prepared(
        tuple(Outcome.from_dict(outcome) for outcome in outcomes),
        inputs,
        np.frombuffer(_buffer(rows, VALID), np.int32),
        np.frombuffer(_buffer(rows, STARTS), np.float64),
    )


def _binary(buffer: Any) -> pa.Array:
    offsets = pa.py_buffer(np.array([0, len(buffer)], np.int64))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, buffer])


def _buffer(rows: pa.Table, column: str) -> Any:
    return rows[column][0].as_buffer()
