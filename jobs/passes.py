"""Passes over the shards that are missing, until none is or no pass gets any further."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cluster.connect import Cluster
from cluster.lost_nodes import LostNodesError
from cluster.resources import Layout
from emoboost.access import Access
from emoboost.attempts import Attempts
from emoboost.config import ModelConfig
from emoboost.errors import FIXES, AudioErrorType, EmoboostError
from emoboost.runners import Runner, new_id, others_alive, shared
from emoboost.storm import Storm
from emoboost.task import Task
from jobs.console import say
from jobs.pipeline import stream, stream_alone
from jobs.progress import Progress, progress
from jobs.rows import EXCUSE, SHARD, Excuse
from jobs.stages import LabelShards, LabelWithCare, NetworkWork, PrepareWork, prepare_shard


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done, and how."""

    task: Task
    config: ModelConfig
    model: str
    """Name of a bundled model, or a model folder that every machine has at this path."""
    precision: str
    max_seconds: float
    access: Access
    storm_share: float
    """Share of utterances with one storage error that stops the job; 1 never does."""


@dataclass
class Done:
    """What a run did."""

    seconds: float = 0.0
    """Of audio that it labelled."""
    finished: set[int] = field(default_factory=set)
    """Shards that it published."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why a shard is not finished."""
    left: list[int] = field(default_factory=list)
    """Shards that it should have published and has not."""


def complete(job: Job, shards: Sequence[int], cluster: Cluster, runner: Runner, done: Done) -> None:
    """Do these shards, and add to `done` what was done.

    The first pass reads many recordings in one process. Shards over which something died or failed are left to passes
    that read one recording at a time in a process of its own, so that the one at fault gets an error row.

    Args:
        job: what to do with them.
        shards: their numbers.
        cluster: where; when machines of it are lost, the others do their work.
        runner: who does it, as it is announced.
        done: so far.

    Raises:
        EmoboostError: the storage is at fault; what is published stays.
    """
    runner.total = job.task.size(shards)[0]
    own = replace(job, task=replace(job.task, ledger=job.task.ledger.owned_by(runner.id)))
    storm, care = Storm(job.storm_share), False
    say(f"Running on {cluster.describe()}: {cluster.layout.describe()}")
    while left := _left(job.task, shards, done):
        if care:
            say(f"{_shards(len(left))} again, each recording in a process of its own: {_first_reason(done, left)}")
        try:
            _one_pass(own, left, cluster, runner, storm, done, care=care)
        except LostNodesError:
            cluster = cluster.now()
            say(f"Machines are lost, and the work stood still. It continues on {cluster.describe()}")
            continue
        if care and len(_left(job.task, shards, done)) == len(left):
            break
        care = True
    done.left = left


def _left(task: Task, shards: Sequence[int], done: Done) -> list[int]:
    """Shards without a part; or, when rows are done again, those that this run has not finished."""
    if task.again is None:
        return task.ledger.missing()
    return [shard for shard in shards if shard not in done.finished]


def _one_pass(
    job: Job, shards: Sequence[int], cluster: Cluster, runner: Runner, storm: Storm, done: Done, *, care: bool
) -> None:
    layout = cluster.layout
    others = len(others_alive(job.task.ledger.folder, runner))
    if others:
        say(f"{others} other command{'s work' if others > 1 else ' works'} on this output; they share what is left")
    order = shared(np.array(shards), others)
    attempts = Attempts(new_id())
    prepare = PrepareWork(job.task, job.config, job.max_seconds, job.access, order, attempts)
    network = NetworkWork(job.task, job.model, layout.device, job.precision, attempts, job.access)
    done.reasons.clear()
    try:
        with (
            progress(*job.task.size(shards)) as shown,
            cluster.loss_noticed() as moved,
            _rows(prepare, network, layout, care=care) as rows,
        ):
            for row in rows:
                moved()
                _take(row, job, done, runner, storm, shown)
    finally:
        attempts.forget()


def _rows(
    prepare: PrepareWork, network: NetworkWork, layout: Layout, *, care: bool
) -> AbstractContextManager[Iterator[dict[str, Any]]]:
    if care:
        return stream_alone(len(prepare.shards), LabelWithCare, (prepare, network), layout)
    return stream(len(prepare.shards), prepare_shard, prepare, LabelShards, network, layout)


def _take(row: dict[str, Any], job: Job, done: Done, runner: Runner, storm: Storm, shown: Progress) -> None:
    """Note what became of one shard."""
    excuse, shard = row[EXCUSE], row[SHARD]
    if excuse == Excuse.STOP:
        raise EmoboostError(f"{row['reason']}\nWhat is finished stays; the same command continues")
    if excuse == Excuse.CARE:
        done.reasons[shard] = row["reason"]
    if excuse is not None:
        return
    done.finished.add(shard)
    done.seconds += row["seconds"]
    errors = [error and AudioErrorType(error) for error in row["error_types"]]
    shown.add(utterances=row["utterances"], seconds=row["seconds"], errors=len(errors) - errors.count(None))
    runner.utterances, runner.seconds, runner.errors = shown.utterances, shown.seconds, shown.errors
    if (found := storm.add(errors)) is not None:
        error, count, among = found
        why = f"{count} of {among} utterances in a row cannot be read: {error.value}; {FIXES[error]}."
        job.task.ledger.note_stop(why)
        raise EmoboostError(
            f"{why}\nIt stops rather than fill the output with error rows (--stop-at 1 goes on). When it is mended "
            f"give the same command again, and then: {_retry(job, error)}"
        )


def _retry(job: Job, error: AudioErrorType) -> str:
    """The command that tries such rows again."""
    words = ["emoboost-batch", "retry", job.task.ledger.folder.display, "--errors", "--type", error.value]
    words += [] if job.access.root is None else ["--root", job.access.root]
    return shlex.join([*words, *(["--allow-http"] if job.access.http else [])])


def _shards(count: int) -> str:
    return f"{count:,} shard{'s' * (count != 1)}"


def _first_reason(done: Done, left: Sequence[int]) -> str:
    return next((done.reasons[shard] for shard in left if shard in done.reasons), "it has no part yet")
