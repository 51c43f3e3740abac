"""How far an output is, seen from anywhere: by its listing, its plan, and what the runners at work say."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from emoboost.ledger import SUCCESS, Ledger
from emoboost.runners import DEAD_SECONDS, has_ended, read_runner, silent_seconds

LARGEST = 2**53
"""A number in a runner's file that is taken for one."""


@dataclass(frozen=True)
class Worker:
    """A command at work on an output."""

    host: str
    pid: int
    started: str
    """UTC, by its own clock."""
    silent_seconds: float
    """Since its last sign of life, by this machine's clock."""
    ended: bool
    """Whether it is of this machine, and gone."""
    utterances: int
    seconds: float
    """Of audio labelled by it."""
    errors: int
    running_seconds: float

    @property
    def alive(self) -> bool:
        """Whether it is heard of; a sign of life from the future is one of a clock, not of life."""
        return not self.ended and abs(self.silent_seconds) < DEAD_SECONDS

    @property
    def utterances_a_second(self) -> float:
        """Its speed since it started."""
        return self.utterances / self.running_seconds if self.running_seconds else 0.0


@dataclass(frozen=True)
class OutputStatus:
    """An output in numbers, without reading a part."""

    output: str
    model: str
    utterances: int
    finished_utterances: int
    shards: int
    finished_shards: int
    complete: bool
    """Whether every part and the success marker are there."""
    workers: Sequence[Worker]

    @property
    def seconds_left(self) -> float | None:
        """Until all is done at the speed of the living workers; None when nothing moves."""
        speed = sum(worker.utterances_a_second for worker in self.workers if worker.alive)
        left = self.utterances - self.finished_utterances
        return left / speed if left and speed else None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        workers = [{**asdict(worker), "alive": worker.alive} for worker in self.workers]
        return {**vars(self), "workers": workers, "seconds_left": self.seconds_left}


def status_of(ledger: Ledger) -> OutputStatus:
    """Look at an output, while others may be at work on it.

    Raises:
        OutputError: its plan cannot be read.
    """
    finished, sizes = ledger.finished(), ledger.shard_sizes()
    silent = silent_seconds(ledger.folder, time.time())
    workers = [
        _worker(said, silent[runner])
        for runner in sorted(silent)
        if (said := read_runner(ledger.folder, runner)) is not None
    ]
    return OutputStatus(
        output=ledger.folder.display,
        model=str(ledger.plan.options.get("model")),
        utterances=ledger.plan.utterances,
        finished_utterances=sum(sizes[shard] for shard in finished),
        shards=ledger.plan.shards,
        finished_shards=len(finished),
        complete=len(finished) == ledger.plan.shards and ledger.folder.exists(SUCCESS),
        workers=workers,
    )


def _worker(said: Mapping[str, Any], silent: float) -> Worker:
    """Whatever a file in `_runners/` says, which anyone may have written."""

    def number(name: str) -> float:
        value = said.get(name)
        return float(value) if isinstance(value, int | float) and abs(value) <= LARGEST else 0.0

    return Worker(
        host=str(said.get("host", "?")),
        pid=int(number("pid")),
        started=str(said.get("started", "?")),
        silent_seconds=round(silent, 1),
        ended=has_ended(said),
        utterances=int(number("utterances")),
        seconds=number("seconds"),
        errors=int(number("errors")),
        running_seconds=number("running_seconds"),
    )
