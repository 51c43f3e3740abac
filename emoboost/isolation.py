"""Reading utterances in a process of their own, so that whatever one of them does becomes its row.

A crash of the decoder, a decoder that never returns, memory without end and an exception that nobody foresaw end a
child process. Its parent sees how, tries once more, and gives the utterance an error; all others are read as ever.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import Self

from emoboost.errors import AudioErrorType, StorageStop
from emoboost.prepare import Preparation, Prepared
from emoboost.schema import Outcome
from emoboost.utterance import Utterance

STARTS_WITHIN = 120.0
"""Seconds until a child has imported what it needs, on a busy machine."""
MEMORY_BYTES = 6 * 1024**3
"""Address space of a child. An utterance of an hour takes 2 GiB."""
_PR_SET_PDEATHSIG = 1
_PROGRAM = "from emoboost.isolation import main; main()"


class EndedError(Exception):
    """A child ended, or had to be ended, over an utterance."""

    def __init__(self, error_type: AudioErrorType, found: str, certain: bool = False) -> None:
        super().__init__(error_type, found, certain)
        self.type = error_type
        self.found = found
        self.certain = certain
        """Another attempt would end in the same way."""


class Isolated:
    """Prepares utterances one at a time in a child; a context manager, which ends the child."""

    def __init__(self, preparation: Preparation, memory: int = MEMORY_BYTES) -> None:
        """`memory` is the child's address space in bytes."""
        self._preparation = preparation
        self._memory = memory
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, utterance: Utterance) -> Prepared:
        """The utterance's segments; or none and the reason why not, when two children ended over it.

        Raises:
            StorageStop: the store says that the set-up is wrong.
        """
        try:
            return self._attempt(utterance)
        except EndedError as first:
            if first.certain:
                return self._failed(utterance, first)
        try:
            return self._attempt(utterance)
        except EndedError as second:
            return self._failed(utterance, second)

    def _attempt(self, utterance: Utterance) -> Prepared:
        if self._child is None:
            self._child = _Child(self._preparation, self._memory)
        try:
            return self._child.prepare(utterance, self._preparation.access.max_decode_seconds)
        except EndedError:
            self._end()
            raise

    def _failed(self, utterance: Utterance, ended: EndedError) -> Prepared:
        # The utterance's own uri, not its address: reading it is what ended the child.
        message = f"{utterance.uri}: {ended.found}"
        empty = self._preparation([])
        return Prepared(
            (Outcome(error_type=ended.type, error_message=message),), empty.inputs, empty.valid, empty.starts
        )

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """A process that prepares what it is sent."""

    def __init__(self, preparation: Preparation, memory: int) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), str(memory), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # The folder of the package comes first, as it does for this process.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        try:
            self._pipe.send(preparation)
            if not self._pipe.poll(STARTS_WITHIN):
                raise EOFError
            self._pipe.recv()
        except (EOFError, OSError) as error:
            self.end()
            raise ChildProcessError("a process to read utterances in could not be started") from error

    def prepare(self, utterance: Utterance, seconds: float) -> Prepared:
        """Raises `EndedError` when there is no answer."""
        try:
            self._pipe.send(utterance)
            if not self._pipe.poll(seconds):
                raise EndedError(AudioErrorType.TIMEOUT, f"reading it took longer than {seconds:g} s", True)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise self._how_it_ended() from None
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Prepared)
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _how_it_ended(self) -> EndedError:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return EndedError(
                AudioErrorType.OUT_OF_MEMORY, "reading it was ended by the system, as it is when memory runs out"
            )
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return EndedError(AudioErrorType.DECODER_CRASH, f"reading it ended the decoder's process ({how})")


def serve(pipe: Connection) -> None:
    """The child: prepare utterance after utterance until the parent is gone."""
    preparation: Preparation = pipe.recv()
    pipe.send(None)
    while True:
        try:
            utterance: Utterance = pipe.recv()
        except EOFError:
            return
        pipe.send(_prepared(preparation, utterance))


def _prepared(preparation: Preparation, utterance: Utterance) -> Prepared | Exception:
    try:
        return preparation([utterance])
    except StorageStop as error:
        return error
    except MemoryError:
        return EndedError(AudioErrorType.OUT_OF_MEMORY, "reading it takes more memory than a worker may have")
    except Exception as error:
        return EndedError(AudioErrorType.INTERNAL, f"an error of this program: {type(error).__name__}: {error}")


def main() -> None:
    """The program of a child: its end of the pipe, its address space and its parent are its arguments."""
    descriptor, memory, parent = map(int, sys.argv[1:])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    serve(Connection(descriptor))
