"""The folder that a private Ray keeps its files in, and what became of those of commands that were killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX, LOCK = "emoboost-", "in-use"
OF_RAY = "r"
"""Ray opens the folder that it is given to everybody (0777), so it gets one in ours, which nobody else can enter."""
LONGEST_PARENT = 23
"""Characters of the temporary folder's path: with our folder, Ray's, its session and its sockets it gets 84 longer, and
the system allows 107."""
REMOVING_SECONDS = 10.0


@contextlib.contextmanager
def session_folder() -> Iterator[Path]:
    """A folder for Ray to make, with a short path in a new folder of this user's own, for as long as the context lasts.

    Folders of commands that were killed are removed, too: their owners no longer hold the lock in them.
    """
    usual = tempfile.gettempdir()
    parent = Path(usual if len(usual) <= LONGEST_PARENT else "/tmp")
    remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_WRONLY, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder / OF_RAY
    finally:
        _remove(folder)
        os.close(lock)


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
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)
