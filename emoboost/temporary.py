"""Temporary files: a folder for as long as a command lasts, what killed commands left, and a log that stays."""

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

PREFIX, LOCK = "emoboost-", "in-use"
REMOVING_SECONDS = 10.0


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder below `parent`, else where the system has its temporary files; only this user can read it.

    Folders of commands that were killed are removed, too: their owners no longer hold the lock in them.
    """
    parent = parent or Path(tempfile.gettempdir())
    remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder / f"{LOCK}.new", os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # It has its name only now, so that nobody finds it unlocked.
    (folder / f"{LOCK}.new").rename(folder / LOCK)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def temporary_log(name: str) -> Path:
    """A place for a log beside everybody's temporary files, under a name that nobody can guess; it is not made yet."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{secrets.token_hex(8)}-{name}"


def open_log(log: Path) -> FileIO:
    """Open a log for writing at its end, and make it when missing: among temporary files for its user only.

    Raises:
        OSError: it cannot be written, or is a link.
    """
    is_among_others = log.parent == Path(tempfile.gettempdir())
    log.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return FileIO(os.open(log, flags, 0o600 if is_among_others else 0o666), "a")


def remove_abandoned(parent: Path) -> None:
    """Remove the folders below `parent` whose owner has ended; a lock ends with the process that holds it."""
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(lock, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a folder into which processes that are ending may still write their last lines."""
    end = time.monotonic() + REMOVING_SECONDS
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > end:
            return
        time.sleep(0.05)
