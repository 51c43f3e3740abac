"""Work in a process of its own, so that a crash, a hang or a memory that runs full is seen and not suffered."""

import multiprocessing
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

MIB = 1 << 20
START_SECONDS = 60.0


class End(StrEnum):
    RETURNED = "returned"
    RAISED = "raised"
    CRASHED = "crashed"
    HUNG = "hung"


@dataclass(frozen=True)
class Ending:
    """How a piece of work ended."""

    end: End
    value: Any = None
    """What it returned."""
    detail: str = ""
    """The traceback, or the signal that ended the process."""
    seconds: float = 0.0
    peak: int = 0
    """Bytes of memory in use at most, the interpreter's own included."""

    def __str__(self) -> str:
        return (
            f"{self.end} after {self.seconds:.1f} s at {self.peak / MIB:.0f} MiB: {self.detail or self.value}".rstrip()
        )


class Isolated:
    """Does one piece of work after the other in one process; a new process after one that ended.

    A context manager. Needs a function that can be imported, and arguments that can be pickled.
    """

    def __init__(self, work: Callable[[Any], Any], *, seconds: float, memory: int) -> None:
        """Work that takes more than `seconds` is killed; memory that is asked for beyond `memory` bytes is refused."""
        self._work, self._seconds, self._memory = work, seconds, memory
        self._process: Any = None
        self._connection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, given: object) -> Ending:
        """Do it and say how it went; raises nothing that the work did."""
        if self._process is None:
            self._start()
        begin = time.monotonic()
        try:
            self._connection.send(given)
            if self._connection.poll(self._seconds):
                answered: Ending = self._connection.recv()
                return answered
        except (EOFError, OSError):
            return Ending(End.CRASHED, detail=self._end(), seconds=time.monotonic() - begin)
        self._end()
        return Ending(End.HUNG, detail=f"no answer after {self._seconds:g} s", seconds=time.monotonic() - begin)

    def _start(self) -> None:
        # Not forked: this process has threads and much memory, which would be the child's too.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._work, self._memory), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(START_SECONDS):
            raise RuntimeError(f"no process after {START_SECONDS} s")
        self._connection.recv()

    def _end(self) -> str:
        """How the process ended, in words."""
        if self._process is None:
            return ""
        self._connection.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code, self._process = self._process.exitcode, None
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _serve(connection: Connection, work: Callable[[Any], Any], memory: int) -> None:
    limit = _status("VmSize") + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Decoders write to both.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    connection.send(None)
    while True:
        try:
            given = connection.recv()
        except EOFError:
            return
        # Makes the peak start again from what is in use now.
        Path("/proc/self/clear_refs").write_text("5")
        begin = time.monotonic()
        try:
            end, value, detail = End.RETURNED, work(given), ""
        except BaseException:
            end, value, detail = End.RAISED, None, traceback.format_exc()
        connection.send(Ending(end, value, detail, time.monotonic() - begin, _status("VmHWM")))


def _status(name: str) -> int:
    """Bytes of one of the process's own sizes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
