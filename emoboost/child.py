"""A process of one's own for work that may end it: a crash, a call that never returns, memory without end."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any, ParamSpec, Self, TypeVar

from emoboost.errors import AudioErrorType

STARTS_WITHIN = 120.0
"""Seconds until a child has started, on a busy machine."""
MEMORY_BYTES = 6 * 1024**3
"""Address space of a child. An utterance of an hour takes 2 GiB."""
_PR_SET_PDEATHSIG = 1
_PROGRAM = "from emoboost.child import main; main()"

P = ParamSpec("P")
T = TypeVar("T")


class ChildEndedError(Exception):
    """A child ended, or had to be ended, over what it was asked."""

    def __init__(self, error_type: AudioErrorType, found: str) -> None:
        super().__init__(error_type, found)
        self.type = error_type
        self.found = found
        """What happened, as the end of a sentence that begins with the recording."""


class Child:
    """Calls functions in a process that ends with its parent; starts it when it is needed. A context manager."""

    def __init__(self, seconds: float, memory: int = MEMORY_BYTES) -> None:
        """`seconds` is the time that one call may take, `memory` the address space of the process in bytes."""
        self._seconds = seconds
        self._memory = memory
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function there; it, its arguments and what it gives are pickled.

        Raises:
            ChildEndedError: there is no answer; the next call has a new process.
            ChildProcessError: no process could be started.
            Exception: what the function raised.
        """
        process, pipe = self._started()
        try:
            pipe.send((function, args, kwargs))
            if not pipe.poll(self._seconds):
                raise ChildEndedError(AudioErrorType.TIMEOUT, f"reading it took longer than {self._seconds:g} s")
            failure, answer = pipe.recv()
        except (EOFError, ConnectionError):
            raise _how_it_ended(process.wait()) from None
        except ChildEndedError:
            self.end()
            raise
        finally:
            if process.poll() is not None:
                self.end()
        if failure is not None:
            raise failure
        found: T = answer
        return found

    def end(self) -> None:
        """End the process."""
        if self._running is not None:
            process, pipe = self._running
            process.kill()
            process.wait()
            pipe.close()
            self._running = None

    def _started(self) -> tuple["subprocess.Popen[bytes]", Connection]:
        if self._running is None:
            ours, theirs = Pipe()
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(self._memory), str(os.getpid())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # What this process can import, the child can.
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            self._running = process, ours
            try:
                if not ours.poll(STARTS_WITHIN):
                    raise EOFError
                ours.recv()
            except (EOFError, OSError) as error:
                self.end()
                raise ChildProcessError("a process to read recordings in could not be started") from error
        return self._running


def _how_it_ended(code: int) -> ChildEndedError:
    if code == -signal.SIGKILL:
        found = "reading it was ended by the system, as it is when memory runs out"
        return ChildEndedError(AudioErrorType.OUT_OF_MEMORY, found)
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return ChildEndedError(AudioErrorType.DECODER_CRASH, f"reading it ended the decoder's process ({how})")


def main() -> None:
    """The program of a child: its end of the pipe, its address space and its parent are its arguments."""
    descriptor, memory, parent = map(int, sys.argv[1:])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    pipe = Connection(descriptor)
    pipe.send("ready")
    while True:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(function, args, kwargs))


def _answer(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Exception | None, Any]:
    try:
        return None, function(*args, **kwargs)
    except Exception as error:
        return error, None
