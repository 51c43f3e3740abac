"""Ids of utterances: made where the manifest has none, and never the same twice."""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np


def derived_id(uri: str, channel: int | None, start: float, end: float | None) -> str:
    """The file's stem and 16 hex digits of a hash over what is heard: the same in every run, on every machine.

    >>> derived_id("calls/7.wav", None, 0.0, None)
    '7-5fda93ee380601e9'
    """
    name = uri.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    heard = f"{channel}\0{start!r}\0{end!r}\0{uri}"
    return f"{stem}-{blake2b(heard.encode(), digest_size=8).hexdigest()}"


class SeenIds:
    """Finds ids that may have come before, with 8 bytes an id: 80 MB for 10 million.

    The hashes are Python's own, which differ from run to run, so nothing that leaves this class may depend on their
    order; equal hashes must be confirmed by looking at the ids.
    """

    def __init__(self) -> None:
        self._hashes = array("q")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, ids: Iterable[str]) -> None:
        """Note these ids."""
        self._hashes.extend(map(hash, ids))

    def suspects(self) -> tuple[np.ndarray, int]:
        """Hashes that came more than once, sorted, and how many ids repeat an earlier one. Ends the collection."""
        hashes = np.frombuffer(self._hashes, np.int64)
        hashes.sort()
        repeats = hashes[1:][hashes[1:] == hashes[:-1]]
        return np.unique(repeats), len(repeats)


def suspicious(ids: Sequence[str], suspects: np.ndarray) -> np.ndarray:
    """Positions of the ids whose hash is among the suspects (sorted, at least one)."""
    hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
    nearest = np.searchsorted(suspects, hashes).clip(max=len(suspects) - 1)
    return np.flatnonzero(suspects[nearest] == hashes)
