"""Local files that are there and whole, or are as they were, whatever is killed when, the machine's power included."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

ATTEMPTS = 10
"""How often a temporary file may be swept away by someone who takes its writer for dead, before that is an error."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file into a folder that is there in one step, whether or not the file was there.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    _replace(file, content, file.with_name(f".{file.name}.{os.getpid()}.partial"))


def replace_whole(file: Path, content: bytes, temporary: Path) -> None:
    """Write a file in one step, whether or not it was there.

    Args:
        file: its folder is made when missing.
        content: all of it.
        temporary: a name on the same file system that nobody else uses.

    Raises:
        OSError: it cannot be written; the temporary file is gone.
    """
    _make(file.parent, temporary.parent)
    _replace(file, content, temporary)


def publish_whole(file: Path, content: bytes, temporary: Path) -> bool:
    """Write a file in one step, unless it is there; of many writers one wins.

    Args:
        file: its folder is made when missing.
        content: all of it.
        temporary: a name on the same file system that nobody else uses.

    Returns:
        True when this call made the file, False when it was there.

    Raises:
        OSError: it cannot be written; the temporary file is gone.
    """
    if file.exists():
        return False
    _make(file.parent, temporary.parent)
    for attempt in range(ATTEMPTS):
        with _flushed(content, temporary):
            try:
                _link(temporary, file)
            except FileExistsError:
                return False
            except FileNotFoundError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                break
    sync_folder(file.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a new name survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(file: Path, content: bytes, temporary: Path) -> None:
    for attempt in range(ATTEMPTS):
        with _flushed(content, temporary):
            try:
                temporary.replace(file)
            except FileNotFoundError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                break
    sync_folder(file.parent)


@contextlib.contextmanager
def _flushed(content: bytes, temporary: Path) -> Iterator[None]:
    """The content on the disk under a temporary name, for as long as the context lasts."""
    try:
        with temporary.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        yield
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, file: Path) -> None:
    try:
        os.link(temporary, file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # No hard links here (exFAT, some FUSE and SMB mounts): the later of two equal writers wins.
        temporary.replace(file)


def _make(*folders: Path) -> None:
    """Make folders and those above them, each flushed into the one that holds it."""
    for folder in folders:
        if not folder.is_dir():
            _make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
