"""The files below a folder in the order of their paths, one directory in memory at a time."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from emoboost.patient_store import PatientStore
from emoboost.places import lies_in

ANY_DEPTH = "**"


def walk(
    store: PatientStore,
    root: str,
    pattern: Sequence[str] = (ANY_DEPTH,),
    *,
    suffixes: Sequence[str] = (),
    within: str | None = None,
) -> Iterator[str]:
    """Paths of files relative to `root`, sorted as plain text.

    Hidden files and folders (a leading dot, such as macOS's `._take1.wav`) are left out. Links are followed; a folder
    that contains itself is entered once, and links in a circle are files.

    Args:
        store: any file system; a local one is read without a stat per file.
        root: folder to start from, in the file system's own terms.
        pattern: one shell pattern per level below `root`; `**` is any number of levels.
        suffixes: lower-case endings to keep; all when empty.
        within: folder of this machine; names in folders that do not lie in it, links resolved, are never told, and
            such folders are only entered on the way to it. None is anywhere.

    Raises:
        OSError: a folder cannot be listed.
        StorageStop: see `PatientStore`.
    """

    # A stack of folders that are being read and not a recursion, which ends at a depth that file systems exceed.
    folders = [_Folder.open(store, root, (), within)]
    while folders:
        folder = folders[-1]
        name, is_folder = next(folder.entries, ("", False))
        path = (*folder.parents, name)
        if not name:
            folders.pop()
        elif not is_folder:
            if (
                folder.may_be_told
                and _matches(path, pattern)
                and (not suffixes or name.lower().endswith(tuple(suffixes)))
            ):
                yield "/".join(path)
        elif _matches(path, pattern, partly=True) and may_be_entered("/".join([root, *path]), within):
            entered = _Folder.open(store, root, path, within)
            if entered.identity not in (each.identity for each in folders):
                folders.append(entered)


def may_be_entered(folder: str, within: str | None) -> bool:
    """Whether a folder lies in another one, or on the way to it."""
    return within is None or lies_in(folder, within) or lies_in(within, folder)


@dataclass(frozen=True)
class _Folder:
    """A folder that is being read."""

    parents: tuple[str, ...]
    """The names from the root down to it."""
    identity: object
    """The same however the folder was reached."""
    entries: Iterator[tuple[str, bool]]
    """What is still to come."""
    may_be_told: bool
    """Whether the names of its files may be."""

    @classmethod
    def open(cls, store: PatientStore, root: str, parents: tuple[str, ...], within: str | None) -> Self:
        path = "/".join([root.rstrip("/"), *parents]) or "/"
        told = within is None or lies_in(path, within)
        return cls(parents, _identity(store, path), iter(_entries(store, path)), told)


def _entries(store: PatientStore, folder: str) -> list[tuple[str, bool]]:
    """Names in a folder and whether each is a folder, in the order of the paths below it."""
    if store.is_local:
        with os.scandir(folder) as found:
            entries = [(entry.name, _is_folder(entry)) for entry in found]
    else:
        entries = [
            (str(entry["name"]).rstrip("/").rsplit("/", 1)[-1], entry["type"] == "directory")
            for entry in store.ls(folder)
            if str(entry["name"]).strip("/") != folder.strip("/")
        ]
    # A folder sorts by its name and the slash that follows it in every path below it: "a.wav" < "a/b.wav" < "a0.wav".
    shown = (entry for entry in entries if not entry[0].startswith("."))
    return sorted(shown, key=lambda entry: entry[0] + "/" * entry[1])


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        # Links in a circle lead nowhere: one with the name of a recording becomes a row that says so.
        return False


def _identity(store: PatientStore, folder: str) -> object:
    if not store.is_local:
        return folder
    status = os.stat(folder)  # noqa: PTH116 - one call per folder, without building a Path
    return status.st_dev, status.st_ino


def _matches(path: Sequence[str], pattern: Sequence[str], *, partly: bool = False) -> bool:
    """Whether a path fits the pattern, or, `partly`, whether something below it could.

    >>> _matches(["2020", "may", "a.wav"], ["20*", "**", "*.wav"])
    True
    >>> _matches(["2020"], ["20*", "*.wav"]), _matches(["2020"], ["20*", "*.wav"], partly=True)
    (False, True)
    """
    # The places in the pattern that the path so far may have come to: trying one after the other takes forever where
    # a pattern has many `**`.
    places = _with_depths_skipped({0}, pattern)
    for name in path:
        after = {
            place if pattern[place] == ANY_DEPTH else place + 1
            for place in places
            if place < len(pattern) and (pattern[place] == ANY_DEPTH or fnmatchcase(name, pattern[place]))
        }
        places = _with_depths_skipped(after, pattern)
    return min(places, default=len(pattern)) < len(pattern) if partly else len(pattern) in places


def _with_depths_skipped(places: set[int], pattern: Sequence[str]) -> set[int]:
    found = set()
    for place in places:
        found.add(place)
        while place < len(pattern) and pattern[place] == ANY_DEPTH:
            place += 1  # noqa: PLW2901
            found.add(place)
    return found
