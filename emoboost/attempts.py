"""Marks on a machine's own disk of what its workers have begun, which outlive a worker that dies.

A decoder that crashes takes its process along, and whoever starts the same work again does not know why. A mark is made
before and removed after; one that is still there was left by a process that died.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Attempts:
    """The marks of one run; cheap to pickle. Every machine has its own, so each finds out for itself."""

    run: str
    """A name that no other run has: what an earlier one left says nothing about this one."""

    @contextlib.contextmanager
    def attempt(self, work: str) -> Iterator[int]:
        """Mark some work for as long as the context lasts.

        Args:
            work: its name, which is good as a file's.

        Yields:
            How many processes of this machine died over it before.
        """
        mark = Path(tempfile.gettempdir()) / f"{self._prefix}{work}"
        # One byte an attempt; appending needs no lock and no fsync, as a mark need not outlive the machine.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(mark, flags, 0o600)
        try:
            died = os.fstat(descriptor).st_size
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)
        try:
            yield died
        finally:
            mark.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove what is left of this run on this machine."""
        for mark in Path(tempfile.gettempdir()).glob(f"{self._prefix}*"):
            mark.unlink(missing_ok=True)

    @property
    def _prefix(self) -> str:
        return f"emoboost-attempt-{self.run}-"
