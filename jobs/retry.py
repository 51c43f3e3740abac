"""`emoboost-batch retry`: try the error rows of an output again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from emoboost.access import Access
from emoboost.ahead import ahead
from emoboost.checkpoint import ModelFolder
from emoboost.defaults import STOP_AT
from emoboost.errors import AudioErrorType, UsageError
from emoboost.ledger import Ledger
from emoboost.runners import Runner, announced, new_id
from emoboost.summary import Summary
from emoboost.task import Task
from emoboost.verify import model_of
from jobs.finishing import finished
from jobs.outputs import ledger_of, moved, refuse_relabelled
from jobs.passes import Done, Job, complete
from jobs.permissions import refuse_other_permissions


@dataclass(frozen=True, kw_only=True)
class RetryOptions:
    """What a user may choose."""

    output: str
    types: frozenset[AudioErrorType]
    model: str | None = None
    base: str | None = None
    """Where relative uris start from, if the archive was moved."""
    access: Access = field(default_factory=Access)
    stop_at: float = STOP_AT
    ray_address: str | None = None


def error_types(names: Sequence[str]) -> frozenset[AudioErrorType]:
    """`--type`, given any number of times; all when it is not given.

    Raises:
        UsageError: no such type.
    """
    known = {error.value: error for error in AudioErrorType}
    for name in names:
        if name not in known:
            raise UsageError(f"--type {name}: no such error; give one of: {', '.join(known)}")
    return frozenset(known[name] for name in names) or frozenset(AudioErrorType)


def retry(options: RetryOptions, log: Path) -> tuple[Summary, Done]:
    """Compute the chosen error rows again and replace the parts that hold them; the old parts go into `_history/`.

    Returns:
        What the output holds, and what this call did.

    Raises:
        UsageError: a bad argument, model or output, or other permissions than annotate had, found before any work.
        EmoboostError: the job failed; what is replaced stays.
    """
    ledger = moved(ledger_of(options.output, options.access.storage_options), options.base)
    refuse_relabelled(ledger)
    refuse_other_permissions(ledger, options.access)
    model = model_of(ledger.plan, options.model, options.access)
    model.verify()
    refuse_unreachable(options.ray_address)
    shards = shards_with(ledger, options.types)
    done, runner = Done(), Runner(new_id())
    with announced(ledger.folder, runner):
        if shards:
            with quiet(log), connected(options.ray_address) as cluster:
                complete(job_of(options, ledger, model), shards, cluster, runner, done)
        return finished(ledger), done


def job_of(options: RetryOptions, ledger: Ledger, model: ModelFolder) -> Job:
    """What is to be done: as the output was made."""
    made: Any = ledger.plan.options
    return Job(
        task=Task(ledger, options.types),
        config=model.config,
        model=model.reference,
        precision=made["precision"],
        max_seconds=made["max_duration"],
        access=options.access.limited_as(made),
        storm_share=options.stop_at,
    )


def shards_with(ledger: Ledger, types: frozenset[AudioErrorType]) -> list[int]:
    """Finished shards that hold at least one row with one of these errors."""
    wanted = {error.value for error in types}

    def has_one(shard: int) -> bool:
        found = pc.unique(ledger.read_part(shard, ["error_type"])["error_type"]).to_pylist()
        return not wanted.isdisjoint(found)

    finished = sorted(ledger.finished())
    return [shard for shard, one in zip(finished, ahead(has_one, finished), strict=True) if one]
