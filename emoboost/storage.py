"""A folder on a local disk or in an object store, with the two verbs that publish a file.

`publish` never overwrites: the first writer wins. `replace` swaps atomically. On a local disk both write a temporary
file beside the target's folder (`_tmp/`), flush it to the disk and link or rename it; in an object store both are one
PUT, conditional for `publish`. A reader sees a whole file or none.
"""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, cast

from emoboost.atomic import publish_whole, replace_whole
from emoboost.errors import OutputError
from emoboost.places import is_url
from emoboost.redaction import holds_secret

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

TEMPORARY = "_tmp"


@dataclass(frozen=True)
class Folder:
    """A place for files, addressed by a local path or a URL; cheap to pickle, nothing is opened before it is used.

    >>> Folder.at("results").display
    'results'
    """

    url: str
    """Absolute local path, or URL with scheme."""
    display: str
    """As the user wrote it."""
    owner: str = ""
    """Who writes: the beginning of the names of temporary files, by which others know whose they are."""

    @classmethod
    def at(cls, location: str | Path) -> Self:
        """The folder at a path or URL; it need not exist.

        Raises:
            OutputError: the URL holds a password or signature, which everything that names the folder would show.
        """
        text = str(location).removeprefix("file://")
        if holds_secret(text):
            raise OutputError(
                f"{text}: an output's URL may hold no password, token or signature, because logs and files name it; "
                "give the URL alone, and the credentials in the environment"
            )
        if is_url(text):
            return cls(text.rstrip("/"), text.rstrip("/"))
        return cls(str(Path(text).expanduser().absolute()), text)

    @property
    def is_local(self) -> bool:
        """Whether this is a folder of the local file system (or a mount of it)."""
        return not is_url(self.url)

    @property
    def filesystem(self) -> "AbstractFileSystem":
        """The fsspec file system this folder lives on."""
        return self._resolved()[0]

    def path(self, name: str = "") -> str:
        """Where `name` lies, in the file system's own terms."""
        root = self._resolved()[1]
        return f"{root}/{name}" if name else root

    def create(self) -> None:
        """Make sure that files can be written here.

        Raises:
            OutputError: the place cannot be written; the message names it and the reason.
        """
        probe = f"{TEMPORARY}/.writable-{uuid.uuid4().hex}"
        try:
            self._write(probe, b"")
            self.filesystem.rm_file(self.path(probe))
        except Exception as error:
            raise OutputError(
                f"{self.display}: cannot be written ({error}); choose another folder with --output"
            ) from error

    def check_writable(self) -> None:
        """Look whether `create` would work, and leave nothing behind.

        Raises:
            OutputError: a local folder cannot be made or written here. A store is believed.
        """
        if not self.is_local:
            return
        place = Path(self.path())
        while not place.exists():
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            reason = "not a folder" if not place.is_dir() else "not writable"
            raise OutputError(
                f"{self.display}: cannot be written ({place} is {reason}); choose another folder with --output"
            )

    def remove(self, name: str) -> None:
        """Delete a file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(self.path(name))

    def exists(self, name: str = "") -> bool:
        """Whether this file, or the folder itself, is there."""
        return bool(self.filesystem.exists(self.path(name)))

    def names(self, folder: str) -> list[str]:
        """The files directly in a subfolder, sorted; none when it does not exist."""
        filesystem = self.filesystem
        filesystem.invalidate_cache()
        try:
            found = filesystem.ls(self.path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        # Consoles of object stores mark a folder by an empty object of its name and a slash.
        return sorted(name for path in found if (name := str(path).rsplit("/", 1)[-1]))

    def read(self, name: str) -> bytes:
        """The content of one file."""
        return cast(bytes, self.filesystem.cat_file(self.path(name)))

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A readable, seekable file."""
        with self.filesystem.open(self.path(name), "rb") as file:
            yield file

    def publish(self, name: str, content: bytes) -> bool:
        """Write a file that is never overwritten. True when this call made it, False when it was there already."""
        if self.is_local:
            return publish_whole(Path(self.path(name)), content, self._temporary(name))
        try:
            self.filesystem.pipe_file(self.path(name), content, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno == errno.EINVAL and self.exists(name):
                return False
            raise
        return True

    def replace(self, name: str, content: bytes) -> None:
        """Write a file in one atomic step, whether or not it was there."""
        if self.is_local:
            replace_whole(Path(self.path(name)), content, self._temporary(name))
        else:
            self.filesystem.pipe_file(self.path(name), content)

    def modified(self, name: str) -> float | None:
        """When a file was last written, in seconds of its store's clock; None when it is gone."""
        try:
            found: float = self.filesystem.modified(self.path(name)).timestamp()
        except FileNotFoundError:
            return None
        return found

    def _temporary(self, name: str) -> Path:
        owner = f"{self.owner}." if self.owner else ""
        return Path(self.path(f"{TEMPORARY}/{owner}{name.rsplit('/', 1)[-1]}.{uuid.uuid4().hex}"))

    def _write(self, name: str, content: bytes) -> None:
        if self.is_local:
            Path(self.path(name)).parent.mkdir(parents=True, exist_ok=True)
        self.filesystem.pipe_file(self.path(name), content)

    def _resolved(self) -> "tuple[AbstractFileSystem, str]":
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(self.url)
        return filesystem, str(root)
