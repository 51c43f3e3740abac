"""The files below a folder in the order of their paths, one directory in memory at a time."""

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from emoboost.patient_store import PatientStore

ANY_DEPTH = "**"


def walk(
    store: PatientStore, root: str, pattern: Sequence[str] = (ANY_DEPTH,), *, suffixes: Sequence[str] = ()
) -> Iterator[str]:
    """Paths of files relative to `root`, sorted as plain text.

    Hidden files and folders (a leading dot, such as macOS's `._take1.wav`) are left out. Links are followed; a folder
    that contains itself is entered once.

    Args:
        store: any file system; a local one is read without a stat per file.
        root: folder to start from, in the file system's own terms.
        pattern: one shell pattern per level below `root`; `**` is any number of levels.
        suffixes: lower-case endings to keep; all when empty.

    Raises:
        OSError: a folder cannot be listed.
        StorageStop: see `PatientStore`.
    """

    def descend(parents: tuple[str, ...], entered: frozenset[object]) -> Iterator[str]:
        folder = "/".join([root.rstrip("/"), *parents]) or "/"
        identity = _identity(store, folder)
        if identity in entered:
            return
        for name, is_folder in _entries(store, folder):
            path = (*parents, name)
            if is_folder:
                if _matches(path, pattern, partly=True):
                    yield from descend(path, entered | {identity})
            elif _matches(path, pattern) and (not suffixes or name.lower().endswith(tuple(suffixes))):
                yield "/".join(path)

    return descend((), frozenset())


def _entries(store: PatientStore, folder: str) -> list[tuple[str, bool]]:
    """Names in a folder and whether each is a folder, in the order of the paths below it."""
    if store.is_local:
        with os.scandir(folder) as found:
            entries = [(entry.name, entry.is_dir()) for entry in found]
    else:
        entries = [
            (str(entry["name"]).rstrip("/").rsplit("/", 1)[-1], entry["type"] == "directory")
            for entry in store.ls(folder)
            if str(entry["name"]).strip("/") != folder.strip("/")
        ]
    # A folder sorts by its name and the slash that follows it in every path below it: "a.wav" < "a/b.wav" < "a0.wav".
    shown = (entry for entry in entries if not entry[0].startswith("."))
    return sorted(shown, key=lambda entry: entry[0] + "/" * entry[1])


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
    if not path:
        return bool(pattern) if partly else all(part == ANY_DEPTH for part in pattern)
    if not pattern:
        return False
    if pattern[0] == ANY_DEPTH:
        return _matches(path, pattern[1:], partly=partly) or _matches(path[1:], pattern, partly=partly)
    return fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:], partly=partly)
