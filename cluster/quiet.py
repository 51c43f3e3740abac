"""Keeps Ray's own messages out of the user's terminal, and in the run's log."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from emoboost.temporary import open_log


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send everything but the program's own output to `log` while the context lasts.

    Ray's native code writes to file descriptor 2, its Python code prints `(raylet)` lines to standard output and uses
    loggers. The program keeps writing to `sys.stdout` and `sys.stderr` as before.
    """
    with open_log(log) as file:
        own_error = os.dup(2)
        own_stdout, own_stderr = sys.stdout, sys.stderr
        sys.stderr = os.fdopen(own_error, "w", buffering=1, encoding=own_stderr.encoding, errors="replace")
        sys.stdout = _WithoutRaylet(own_stdout, file)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own_error, 2)
            sys.stderr.close()
            sys.stdout, sys.stderr = own_stdout, own_stderr


def quiet_loggers() -> None:
    """Send the records of Ray's loggers to file descriptor 2; called once Ray has set them up for itself."""
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", buffering=1))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


class _WithoutRaylet(io.TextIOBase):
    """Standard output whose `(raylet)` lines go to the log, with the line ends that `print` writes by themselves."""

    def __init__(self, stdout: TextIO, log: io.RawIOBase) -> None:
        self.stdout = stdout
        self.log = log
        self.within = False

    def write(self, text: str) -> int:
        if self.within or "(raylet" in text:
            self.within = not text.endswith("\n")
            self.log.write(text.encode(errors="replace"))
            return len(text)
        return self.stdout.write(text)

    def flush(self) -> None:
        self.stdout.flush()

    def isatty(self) -> bool:
        return self.stdout.isatty()

    def fileno(self) -> int:
        return self.stdout.fileno()
