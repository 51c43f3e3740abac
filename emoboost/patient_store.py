"""A store of any kind whose every request is patient: repeated while that may help, and final where it cannot.

The only place that asks a remote file system for anything.
"""

import contextlib
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from emoboost.access import Access
from emoboost.filesystems import filesystem_for
from emoboost.patience import RETRY_SECONDS, OutOfPatienceError, retrying
from emoboost.storage_errors import Trouble, is_silent, passes, stop, trouble_of

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PatientStore:
    """A file system and how long it is asked.

    Every verb raises `StorageStop` when nothing there can ever succeed (credentials, bucket, no connection for the
    retry time), `OutOfPatienceError` when it failed in passing for the retry time, `FileNotFoundError` when the object
    is not there, `PermissionError` when this one object is refused, and anything else as the file system does.
    """

    place: str
    """What messages call it."""
    filesystem: Any = field(repr=False)
    """fsspec's."""
    seconds: float = RETRY_SECONDS

    @classmethod
    def at(cls, location: str, access: Access) -> tuple[Self, str]:
        """The store of a URL, and the path in it, in the file system's own terms.

        Raises:
            ImportError: the store's package is not installed.
            ValueError: no such kind of store.
        """
        filesystem, path = connect(location, access)
        return cls(location, filesystem, access.retry_seconds), path

    @property
    def is_local(self) -> bool:
        """Whether this is the file system of this machine."""
        return bool(getattr(self.filesystem, "local_file", False))

    def info(self, path: str) -> dict[str, Any]:
        """What is there: `type` (`file`, `directory`), `size` in bytes, and more that is the store's own."""
        return self.ask(path, lambda: dict(self.filesystem.info(path)))

    def isdir(self, path: str) -> bool:
        """Whether there is a folder."""
        try:
            return bool(self.info(path)["type"] == "directory")
        except FileNotFoundError:
            return False

    def ls(self, path: str, detail: bool = True) -> list[Any]:
        """What lies directly in a folder, as it is now."""

        def listed() -> list[Any]:
            self.filesystem.invalidate_cache()
            return list(self.filesystem.ls(path, detail=detail))

        return self.ask(path, listed)

    def read(self, path: str) -> bytes:
        """The content of an object."""
        return self.ask(path, lambda: bytes(self.filesystem.cat_file(path)))

    def write(self, path: str, content: bytes) -> None:
        """Make an object, or put another in its place, in one atomic step."""
        self.ask(path, lambda: self.filesystem.pipe_file(path, content))

    def create(self, path: str, content: bytes) -> bool:
        """Make an object in one atomic step, unless there is one. True when this call made it."""
        attempts = 0

        def made() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                self.filesystem.pipe_file(path, content, mode="create")
            except OSError as error:
                if self._found_one(error, path):
                    return False
                raise
            return True

        # An attempt whose answer was lost may have made it: then what a later one finds there is ours.
        return self.ask(path, made) or (attempts > 1 and self.read(path) == content)

    def remove(self, path: str) -> None:
        """Delete an object if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.ask(path, lambda: self.filesystem.rm_file(path))

    def ask(self, path: str, request: Callable[[], Answer]) -> Answer:
        """What a request of any other kind about `path` gives.

        Raises:
            Exception: see the class.
        """
        try:
            return retrying(lambda: self._aloud(path, request), passes, self.seconds)
        except OutOfPatienceError as error:
            if trouble_of(error) is Trouble.UNREACHABLE:
                raise stop(self.place, error) from error
            raise
        except Exception as error:
            if trouble_of(error) is Trouble.SETUP:
                raise stop(self.place, error) from error
            raise

    def _aloud(self, path: str, request: Callable[[], Answer]) -> Answer:
        """A request, with another one behind it that makes the store say why it refused the first."""
        try:
            return request()
        except Exception as error:
            if is_silent(error):
                if "/" in path.strip("/"):
                    self.filesystem.cat_file(path, start=0, end=1)
                else:
                    self.filesystem.ls(path)
            raise

    def _found_one(self, error: OSError, path: str) -> bool:
        if isinstance(error, FileExistsError):
            return True
        return error.errno == errno.EINVAL and bool(self.filesystem.exists(path))


def connect(location: str, access: Access) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in its own terms.

    Raises:
        NotAllowedError: recordings may not be read there.
    """
    filesystem, path = filesystem_for(location, access)
    if hasattr(filesystem, "call_s3"):
        # s3fs tries everything this often, beside what botocore does.
        filesystem.retries = 1
    return filesystem, str(path)
