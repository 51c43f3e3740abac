"""A folder on a local disk or in an object store, with the two verbs that publish a file.

`publish` never overwrites: the first writer wins. `replace` swaps atomically. On a local disk both write a temporary
file beside the target's folder (`_tmp/`), flush it to the disk and link or rename it; in an object store both are one
PUT, conditional for `publish`. A reader sees a whole file or none. A store that fails in passing is asked again.
"""

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self, cast

from emoboost.access import Access
from emoboost.atomic import publish_whole, replace_whole
from emoboost.errors import OutputError, StorageStop
from emoboost.patience import RETRY_SECONDS, OutOfPatienceError
from emoboost.patient_store import PatientStore
from emoboost.places import is_url
from emoboost.redaction import holds_secret
from emoboost.remote import RangeFile
from emoboost.storage_errors import reason_of, stop
from emoboost.user_path import user_path

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

TEMPORARY = "_tmp"


@dataclass(frozen=True)
class Folder:
    """A place for files, addressed by a local path or a URL; cheap to pickle, nothing is opened before it is used.

    In a store every verb raises `StorageStop` when the store cannot be used: wrong credentials, no such bucket, no
    right to do this, or a failure that outlasts `retry_seconds`.

    >>> Folder.at("results").display
    'results'
    """

    url: str
    """Absolute local path, or URL with scheme."""
    display: str
    """As the user wrote it."""
    options: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)
    """What fsspec makes the file system of a store with; may hold secrets."""
    retry_seconds: float = RETRY_SECONDS
    """How long a store that fails in passing is asked again."""
    owner: str = ""
    """Who writes: the beginning of the names of temporary files, by which others know whose they are."""

    @classmethod
    def at(
        cls,
        location: str | Path,
        options: Mapping[str, object] | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> Self:
        """The folder at a path or URL; it need not exist.

        Args:
            location: the path or URL.
            options: of the store's file system, as `store_options.options_for` takes them.
            retry_seconds: how long a store that fails in passing is asked again.

        Raises:
            UsageError: there can be no such path.
            OutputError: the URL holds a password or signature, which everything that names the folder would show; or
                it names no kind of store that can be used here.
        """
        text = str(location).removeprefix("file://")
        if holds_secret(text):
            raise OutputError(
                f"{text}: an output's URL may hold no password, token or signature, because logs and files name it; "
                "give the URL alone, and the credentials in the environment"
            )
        if is_url(text):
            folder = cls(text.rstrip("/"), text.rstrip("/"), options or {}, retry_seconds)
            folder._refuse_unknown()
            return folder
        return cls(str(user_path(text).absolute()), text)

    @property
    def is_local(self) -> bool:
        """Whether this is a folder of the local file system (or a mount of it)."""
        return not is_url(self.url)

    @property
    def filesystem(self) -> "AbstractFileSystem":
        """The fsspec file system this folder lives on."""
        return cast("AbstractFileSystem", self._resolved()[0].filesystem)

    def path(self, name: str = "") -> str:
        """Where `name` lies, in the file system's own terms."""
        root = self._resolved()[1]
        return f"{root}/{name}" if name else root

    def above(self) -> Iterator[Self]:
        """The folders that this one lies in, nearest first; of a store down to its bucket."""
        if self.is_local:
            places = [str(parent) for parent in Path(self.url).resolve().parents]
        else:
            scheme, mark, rest = self.url.rpartition("://")
            pieces = rest.split("/")
            places = [f"{scheme}{mark}{'/'.join(pieces[:count])}" for count in range(len(pieces) - 1, 0, -1)]
        yield from (replace(self, url=place, display=place) for place in places)

    def create(self) -> None:
        """Make sure that files can be written here.

        Raises:
            OutputError: the place cannot be written; the message names it and the reason.
        """
        probe = f"{TEMPORARY}/.writable-{uuid.uuid4().hex}"
        try:
            self._write(probe, b"")
            self.remove(probe)
        except StorageStop as refused:
            raise OutputError(f"{self.display}: cannot be written ({refused.reason}); {refused.fix}") from refused
        except Exception as error:
            raise OutputError(f"{self.display}: cannot be written ({error}); choose another folder") from error

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
            raise OutputError(f"{self.display}: cannot be written ({place} is {reason}); choose another folder")

    def remove(self, name: str) -> None:
        """Delete a file if it is there."""
        with self._usable() as store:
            store.remove(self.path(name))

    def exists(self, name: str = "") -> bool:
        """Whether this file, or the folder itself, is there."""
        self._refuse_irregular(name)
        with self._usable() as store, self._understood():
            try:
                store.info(self.path(name))
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def names(self, folder: str) -> list[str]:
        """The files directly in a subfolder, sorted; none when it does not exist."""
        with self._usable() as store, self._understood():
            try:
                found = store.ls(self.path(folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # Consoles of object stores mark a folder by an empty object of its name and a slash.
        return sorted(name for path in found if (name := str(path).rsplit("/", 1)[-1]))

    def read(self, name: str) -> bytes:
        """The content of one file."""
        self._refuse_irregular(name)
        with self._usable() as store:
            return store.read(self.path(name))

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A readable, seekable file."""
        self._refuse_irregular(name)
        with self._usable() as store, self._opened(store, self.path(name)) as file:
            yield file

    def publish(self, name: str, content: bytes) -> bool:
        """Write a file that is never overwritten. True when this call made it, False when it was there already."""
        if self.is_local:
            return publish_whole(Path(self.path(name)), content, self._temporary(name))
        with self._usable() as store:
            return store.create(self.path(name), content)

    def replace(self, name: str, content: bytes) -> None:
        """Write a file in one atomic step, whether or not it was there."""
        if self.is_local:
            replace_whole(Path(self.path(name)), content, self._temporary(name))
            return
        with self._usable() as store:
            store.write(self.path(name), content)

    def modified(self, name: str) -> float | None:
        """When a file was last written, in seconds of its store's clock; None when it is gone."""
        with self._usable() as store:
            path = self.path(name)
            try:
                found: float = store.ask(path, lambda: store.filesystem.modified(path)).timestamp()
            except FileNotFoundError:
                return None
            return found

    def _refuse_irregular(self, name: str) -> None:
        """Stop at what is there and is no file: a pipe would be waited for for ever.

        Raises:
            OutputError: it names the place.
        """
        if not self.is_local:
            return
        path = Path(self.path(name))
        try:
            mode = path.stat().st_mode
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutputError(f"{path}: is a link that leads to itself; remove it") from error
            return
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OutputError(f"{path}: is a pipe, socket or device; remove it")

    def _refuse_unknown(self) -> None:
        try:
            self._resolved()
        except ImportError as error:
            raise OutputError(
                f"{self.display}: {error}; for s3:// run: pip install 'emoboost-batch[s3]', for others the package it "
                "names"
            ) from error
        except Exception as error:
            raise OutputError(
                f"{self.display}: there is no such store ({reason_of(error)}); give a path, or a URL such as s3://…"
            ) from error

    def _temporary(self, name: str) -> Path:
        owner = f"{self.owner}." if self.owner else ""
        return Path(self.path(f"{TEMPORARY}/{owner}{name.rsplit('/', 1)[-1]}.{uuid.uuid4().hex}"))

    def _write(self, name: str, content: bytes) -> None:
        if self.is_local:
            Path(self.path(name)).parent.mkdir(parents=True, exist_ok=True)
        with self._usable() as store:
            store.write(self.path(name), content)

    @contextlib.contextmanager
    def _usable(self) -> Iterator[PatientStore]:
        """The file system; what a store refuses ends the job, because it is refused for every shard."""
        store, _ = self._resolved()
        try:
            yield store
        except (PermissionError, OutOfPatienceError) as error:
            if self.is_local:
                raise
            raise stop(self.display, error) from error

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn what a store says of a URL that cannot be one of its own into an error for people."""
        try:
            yield
        except ValueError as error:
            raise OutputError(f"{self.display}: is no place in its store ({reason_of(error)})") from error

    def _opened(self, store: PatientStore, path: str) -> IO[bytes]:
        return cast(IO[bytes], store.filesystem.open(path, "rb") if self.is_local else RangeFile(store, path))

    def _resolved(self) -> tuple[PatientStore, str]:
        access = Access(storage_options=self.options, retry_seconds=self.retry_seconds).of_named
        store, root = PatientStore.at(self.url, access)
        return replace(store, place=self.display), root
