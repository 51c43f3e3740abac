"""Who works on an output: small files that say "I live", by which commands share the work and tidy up.

`_runners/<id>.json` is advice only. It spreads several runners over different shards and protects their temporary files
from being swept away; what is published never depends on it, so it may be deleted at any time.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from emoboost.storage import TEMPORARY, Folder

RUNNERS = "_runners"
BEAT_SECONDS = 10.0
DEAD_SECONDS = 60.0
"""A runner that has been silent for so long, by the clock of the output's own store, counts as dead."""


def new_id() -> str:
    """A name for a runner that nobody else has."""
    return secrets.token_hex(6)


@dataclass
class Runner:
    """One running command, as others see it."""

    id: str
    total: int = 0
    """Utterances it set out to label."""
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    running_seconds: float = 0.0
    """How long it has been at work, by its own clock."""
    utterances: int = 0
    seconds: float = 0.0
    """Of audio labelled so far."""
    errors: int = 0

    @property
    def file(self) -> str:
        """Its file in the output."""
        return f"{RUNNERS}/{self.id}.json"


@contextlib.contextmanager
def announced(folder: Folder, runner: Runner, beat: float = BEAT_SECONDS) -> Iterator[None]:
    """Say every few seconds that this runner lives, for as long as the context lasts; then take the file away.

    First what the dead have left is swept.
    """
    ended = threading.Event()

    def say_so() -> None:
        # Advice is not worth a failure: whoever cannot write it here cannot publish a part either, and hears of that.
        with contextlib.suppress(Exception):
            folder.replace(runner.file, json.dumps(vars(runner), indent=2).encode())

    def go_on() -> None:
        while not ended.wait(beat):
            runner.running_seconds += beat
            say_so()

    say_so()
    with contextlib.suppress(Exception):
        sweep(folder, runner, others_alive(folder, runner))
    thread = threading.Thread(target=go_on, name="runner's beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(Exception):
            folder.remove(runner.file)


def silent_seconds(folder: Folder, now: float) -> dict[str, float]:
    """How long each runner has said nothing.

    Args:
        folder: the output.
        now: seconds of the clock that stamps the output's files.
    """
    names = [name for name in folder.names(RUNNERS) if name.endswith(".json")]
    beats = {name.removesuffix(".json"): folder.modified(f"{RUNNERS}/{name}") for name in names}
    return {runner: now - beat for runner, beat in beats.items() if beat is not None}


def others_alive(folder: Folder, runner: Runner) -> set[str]:
    """The other runners that live; clocks of their machines do not matter, as only the store's own are compared."""
    now = folder.modified(runner.file)
    if now is None:
        return set()
    silent = silent_seconds(folder, now)
    heard_of = {other for other, seconds in silent.items() if abs(seconds) < DEAD_SECONDS and other != runner.id}
    return {other for other in heard_of if not has_ended(read_runner(folder, other))}


def read_runner(folder: Folder, runner: str) -> Mapping[str, Any] | None:
    """What a runner said last; None when it is gone, or wrote something else."""
    try:
        said = json.loads(folder.read(f"{RUNNERS}/{runner}.json"))
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def has_ended(said: Mapping[str, Any] | None) -> bool:
    """Whether a runner of this machine is known to be gone before its silence shows it."""
    if said is None or said.get("host") != socket.gethostname() or not isinstance(said.get("pid"), int):
        return False
    try:
        os.kill(said["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def sweep(folder: Folder, runner: Runner, living: set[str]) -> list[str]:
    """Remove the temporary files and the files of runners that are dead; returns their names.

    A runner that was only asleep writes its temporary file again when it misses it. Nothing is removed while this
    runner cannot say that it lives, because then it cannot tell who else does.
    """
    if folder.modified(runner.file) is None:
        return []
    mine = {*living, runner.id}
    left = [f"{TEMPORARY}/{name}" for name in folder.names(TEMPORARY) if name.split(".", 1)[0] not in mine]
    left += [f"{RUNNERS}/{name}" for name in folder.names(RUNNERS) if name.removesuffix(".json") not in mine]
    for name in left:
        folder.remove(name)
    return left


def shared(shards: np.ndarray, others: int) -> np.ndarray:
    """In which order a runner takes the shards that are missing, so that several meet late.

    The first goes forward, the second backward; the third begins in the middle, the next in the middle of what is then
    the longest stretch, and so on.

    >>> [shared(np.arange(8), others).tolist() for others in (0, 1, 2)]
    [[0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0], [4, 5, 6, 7, 0, 1, 2, 3]]

    Args:
        shards: (n,) those that are missing.
        others: runners that were there before.
    """
    if others == 0:
        return shards
    if others == 1:
        return shards[::-1]
    return np.roll(shards, -int(len(shards) * _halving(others - 1)))


def _halving(number: int) -> float:
    """1, 2, 3, ... -> 1/2, 1/4, 3/4, 1/8, ... (van der Corput's sequence)."""
    digits = f"{number:b}"[::-1]
    return sum(0.5 ** (place + 1) for place, digit in enumerate(digits) if digit == "1")
