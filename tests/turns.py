"""Commands that take turns: each waits before every access to the output until the test lets it go on, or kills it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from emoboost.storage import Folder


class KilledError(BaseException):
    """Stands for SIGKILL: nothing in the product catches it."""


class Actor:
    """A command in a thread of its own, at a gate before its next access, or ended."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.ended = False
        self.error: BaseException | None = None
        self._killed = False
        self._go, self._there = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=[run], daemon=True)

    def start(self) -> None:
        """Up to its first access."""
        self._thread.start()
        self._there.acquire()

    def step(self) -> None:
        """One access, and up to the next one or the end."""
        if not self.ended:
            self._go.release()
            self._there.acquire()

    def kill(self) -> None:
        """End it before its next access."""
        self._killed = True
        while not self.ended:
            self.step()

    def gate(self) -> None:
        """Called by the command's folder."""
        self._there.release()
        self._go.acquire()
        if self._killed:
            raise KilledError

    def _run(self, run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:
            self.error = error
        self.ended = True
        self._there.release()


@dataclass(frozen=True)
class GatedFolder(Folder):
    """A folder of one command."""

    gates: list[Callable[[], None]] = field(default_factory=list, hash=False)
    """One, once there is the command."""

    def _wait(self) -> None:
        for gate in self.gates:
            gate()

    def exists(self, name: str = "") -> bool:
        self._wait()
        return super().exists(name)

    def names(self, folder: str) -> list[str]:
        self._wait()
        return super().names(folder)

    def read(self, name: str) -> bytes:
        self._wait()
        return super().read(name)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        self._wait()
        with super().open(name) as file:
            yield file

    def publish(self, name: str, content: bytes) -> bool:
        self._wait()
        return super().publish(name, content)

    def replace(self, name: str, content: bytes) -> None:
        self._wait()
        super().replace(name, content)

    def remove(self, name: str) -> None:
        self._wait()
        super().remove(name)
