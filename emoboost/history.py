"""Versions of parts, and which follows which.

OUTPUT/_history/<part>-<first 12 of its SHA-256>.parquet    a version, or a part that was found damaged
OUTPUT/_history/<part>-<first 12 of its SHA-256>.next       the SHA-256, in hex, of the version that follows it

That one version follows another is published before it is put in its place, and never again: of several retries one is
first, and the others go on from what it made. So the versions of a part stand in one line, and whoever finds an older
one in the place, left by a command that was killed or slept, knows the newest.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from emoboost.errors import OutputError
from emoboost.storage import Folder

HISTORY = "_history"
NEXT = ".next"
DIGITS = 12


@dataclass(frozen=True)
class History:
    """The folder of an output that keeps them; a part is named as `Ledger.part_name` does."""

    folder: Folder

    def names(self) -> frozenset[str]:
        """The files there: when there are more, parts were replaced or put aside."""
        return frozenset(self.folder.names(HISTORY))

    def keep(self, part: str, content: bytes) -> str:
        """Store a version; returns its SHA-256 in hex."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.folder.publish(_file(part, sha256, ".parquet"), content)
        return sha256

    def follow(self, part: str, before: str, after: str) -> bool:
        """Let one kept version follow another; False when another follows that one already."""
        self.folder.publish(_file(part, before, NEXT), after.encode())
        return self._next(part, before) == after

    def line(self, part: str, sha256: str) -> list[str]:
        """The versions that follow one, in order."""
        line: list[str] = []
        while (following := self._next(part, line[-1] if line else sha256)) is not None and following not in line:
            line.append(following)
        return line

    def version(self, part: str, sha256: str) -> bytes:
        """The content of a kept version.

        Raises:
            OutputError: it is missing or damaged.
        """
        name = _file(part, sha256, ".parquet")
        try:
            content = self.folder.read(name)
        except (FileNotFoundError, IsADirectoryError):
            content = b""
        if hashlib.sha256(content).hexdigest() != sha256:
            raise OutputError(
                f"{self.folder.display}: {name} is missing or damaged, and must follow {part}; "
                f"delete {part}, and annotate makes it again"
            )
        return content

    def has_next(self, part: str, sha256: str, names: Collection[str]) -> bool:
        """Whether a version is followed by another; `names` are those of a listing, which saves a look."""
        return _file(part, sha256, NEXT).removeprefix(f"{HISTORY}/") in names and bool(self.line(part, sha256))

    def _next(self, part: str, sha256: str) -> str | None:
        try:
            found = self.folder.read(_file(part, sha256, NEXT)).decode(errors="replace").strip()
        except (FileNotFoundError, IsADirectoryError):
            return None
        return found if re.fullmatch("[0-9a-f]{64}", found) else None


def _file(part: str, sha256: str, suffix: str) -> str:
    return f"{HISTORY}/{_stem(part)}-{sha256[:DIGITS]}{suffix}"


def _stem(part: str) -> str:
    return part.rsplit("/", 1)[-1].removesuffix(".parquet")
