"""What every kind of manifest is to the rest of the package: rows with positions, and a hash."""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Self, cast

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.errors import ManifestError, StorageStop, UsageError
from emoboost.manifest.problems import Problem
from emoboost.patient_store import PatientStore
from emoboost.places import is_url, without_query
from emoboost.remote import RangeFile
from emoboost.storage_errors import Trouble, reason_of, trouble_of
from emoboost.user_path import user_path

BATCH_ROWS = 4_096
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a manifest, as they are."""

    table: pa.Table
    positions: np.ndarray
    """(n,) int64: where each row of the table begins; see `Source.unit`."""
    problems: tuple[Problem, ...] = ()
    """Rows of this stretch that are missing from the table, because they could not be read."""


@dataclass(frozen=True)
class Source:
    """A manifest that can be read from its beginning any number of times."""

    name: str
    """As the user wrote it."""
    base: str
    """Absolute folder or URL that relative uris start from."""
    unit: str
    """What positions count, from 1: `line` or `row`."""
    schema: pa.Schema
    """Its columns; only text when `is_text`."""
    is_text: bool
    """Whether the types of carried columns are to be found from their values."""
    read: Callable[[int | None], Iterator[Rows]]
    """The first so many rows, or all."""
    digest: Callable[[], str]
    """SHA-256 of its bytes, or of the sorted listing, in hex; reads all of it."""
    empty: str
    """What is wrong when there is no row."""


@dataclass(frozen=True)
class Place:
    """Where a manifest lies, local or in any store that fsspec knows."""

    given: str
    """As the user wrote it."""
    store: PatientStore
    path: str
    """In the file system's own terms; absolute when local."""
    kind: str | None
    """`file`, `directory`, `other` (a pipe or device), or None when there is nothing."""
    access: Access
    """How its store is reached."""

    @classmethod
    def at(cls, given: str, access: Access) -> Self:
        """Look there.

        Raises:
            ManifestError: the place cannot be reached, or its name is no text that a plan could hold.
        """
        store, path = resolve_place(given, access)
        if not is_utf8(path):
            raise ManifestError(f"{os.fsencode(path)!r}: is not UTF-8; rename the folder or the file")
        try:
            kind = str(store.info(path)["type"])
        except Exception as error:
            # fsspec calls a refusal of an HTTP server a missing file.
            if trouble_of(error) is not Trouble.MISSING:
                raise _unreadable(given, error) from error
            kind = None
        return cls(given, store, path, kind, access)

    @property
    def parent(self) -> str:
        """The absolute folder or URL that holds it."""
        if not is_url(self.given):
            return str(Path(self.path).parent)
        return without_query(self.given).rsplit("/", 1)[0]

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes, seekable.

        Raises:
            ManifestError: opening or reading fails, also later inside the `with` block.
        """
        with self.explained(), self._opened() as file:
            yield file

    @contextlib.contextmanager
    def open_text(self) -> Iterator[IO[str]]:
        """Its text as UTF-8 without the byte order mark; bytes that are not UTF-8 become lone surrogates.

        Raises:
            ManifestError: opening or reading fails, also later inside the `with` block.
        """
        kind: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
        with self.explained(), io.TextIOWrapper(self._opened(), **kind) as file:
            yield file

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a failing disk or store into an error for people."""
        try:
            yield
        except (OSError, StorageStop) as error:
            raise _unreadable(self.given, error) from error

    def digest(self) -> str:
        """SHA-256 of its bytes, in hex."""
        digest = hashlib.sha256()
        with self.open() as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _opened(self) -> BinaryIO:
        if not is_url(self.given):
            return cast(BinaryIO, self.store.filesystem.open(self.path, "rb"))
        file = RangeFile(self.store, self.path)
        return io.BufferedReader(file, buffer_size=CHUNK_BYTES)


def resolve_place(given: str, access: Access) -> tuple[PatientStore, str]:
    """File system and path of a local path or URL; it need not exist.

    Raises:
        ManifestError: no such kind of store, or its package is not installed.
    """
    try:
        if is_url(given):
            return PatientStore.at(given, access.of_named)
        path = str(user_path(given).absolute())
        store, _ = PatientStore.at(f"file://{path}", access.of_named)
        return store, path
    except UsageError as error:
        raise ManifestError(str(error)) from error
    except ImportError as error:
        raise ManifestError(
            f"{given}: {error}; for s3:// run: pip install 'emoboost-batch[s3]', for others the package it names"
        ) from error
    except Exception as error:
        raise _unreadable(given, error) from error


def is_utf8(text: str) -> bool:
    """Whether text has no lone surrogate, which stands for a byte that is not UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _unreadable(given: str, error: Exception) -> ManifestError:
    if isinstance(error, StorageStop):
        return ManifestError(f"{given}: cannot be read ({error.reason}); {error.fix}")
    if isinstance(error, OSError) and error.strerror:
        return ManifestError(f"{given}: cannot be read ({error.strerror})")
    return ManifestError(f"{given}: cannot be read ({reason_of(error)})")
