"""Recordings and tables in a store or behind a URL, read by ranges.

A request takes about as long as a MiB, so a small object is read at once, and whoever knows how much of a large one
will be read says so.
"""

import io
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast

from emoboost.access import Access
from emoboost.patient_store import PatientStore
from emoboost.places import is_web

SMALL = 1 << 20
"""Bytes; an object of no more is read with one request."""
BLOCK = 1 << 13
"""Bytes; the least that is asked for, and what libFLAC reads at each place where it looks for a span's beginning."""
LARGEST = 8 << 20
"""Bytes; the most that is asked for at once."""
AHEAD, AHEAD_OF_EXPECTED = 5, 20
"""Of what was read in sequence, one part in so many is asked for beside it; less where the reader said how much."""
KEPT = 16 << 20
"""Bytes that are remembered, beside the object's beginning."""
WEB_SECONDS = 15.0
"""How long a web server is asked again at most: each is one of many, and a dead one must not hold the others up."""


class Block(NamedTuple):
    """Bytes that were fetched."""

    start: int
    content: bytes

    @property
    def end(self) -> int:
        """The byte after the last."""
        return self.start + len(self.content)


class RangeFile(io.RawIOBase):
    """An object in a store as a seekable file; every request is patient.

    All of it is from one version of the object where the store can say so (S3: a request names the etag, and a changed
    object is an error). Elsewhere an object that is overwritten while it is read can give a mixture.
    """

    def __init__(self, store: PatientStore, path: str) -> None:
        super().__init__()
        self._store, self._path = store, path
        # Without its cache, because this is one: each read is one request for exactly these bytes.
        self._object = store.ask(path, lambda: store.filesystem.open(path, "rb", cache_type="none"))
        details = self._details()
        if details["type"] == "directory":
            raise IsADirectoryError(f"{path} is a folder")
        if details.get("size") is None:
            raise io.UnsupportedOperation("the server does not say how long it is")
        self.size = int(details["size"])
        """Bytes."""
        etag = details.get("ETag") or details.get("etag")
        self.version = f"etag={str(etag).strip(chr(34))}" if etag else f"size={self.size}"
        """See `source.Source.version`."""
        self._position = 0
        self._expected = (0, 0)
        self._step = 0
        self._run = 0
        self._blocks: list[Block] = []

    def expect(self, count: int, step: int) -> None:
        """Say what will be read.

        Args:
            count: so many bytes from here on, in sequence.
            step: how many of them may be asked for at once.
        """
        self._expected = (self._position, self._position + count)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes, fewer only at the object's end.

        Raises:
            StorageStop: see `PatientStore`.
            OSError: as there.
        """
        left = self.size - self._position
        wanted = max(0, left if size is None or size < 0 else min(size, left))
        pieces = []
        while wanted:
            block = self._remembered() or self._fetch(wanted)
            offset = self._position - block.start
            piece = block.content[offset : offset + wanted]
            pieces.append(piece)
            self._position += len(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any, /) -> int:
        """As `read`, into memory that is there."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; costs nothing."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """The byte that the next read starts with."""
        return self._position

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def _details(self) -> dict[str, Any]:
        """As `PatientStore.info`, from the request that opened the object where that is enough."""
        known = getattr(self._object, "details", None)
        return known if known and "ETag" in known else self._store.info(self._path)

    def _remembered(self) -> Block | None:
        return next((block for block in self._blocks if block.start <= self._position < block.end), None)

    def _fetch(self, wanted: int) -> Block:
        start = self._position
        if not (self._blocks and self._blocks[-1].end == start):
            self._run = 0
        end = min(self.size, start + self._length(wanted), *self._starts_after(start))
        block = Block(start, self._store.ask(self._path, lambda: self._request(start, end)))
        self._run += len(block.content)
        self._blocks.append(block)
        while sum(len(each.content) for each in self._blocks[1:]) > KEPT:
            del self._blocks[1]
        return block

    def _starts_after(self, position: int) -> list[int]:
        return [block.start for block in self._blocks if block.start > position]

    def _length(self, wanted: int) -> int:
        """How much to ask for, from here."""
        if self.size <= SMALL:
            return self.size
        first, last = self._expected
        if first <= self._position < last:
            return min(max(wanted, min(max(self._step, 2 * BLOCK), last - self._position)), LARGEST)
        ahead = AHEAD_OF_EXPECTED if 0 < last <= self._position else AHEAD
        return min(max(wanted, BLOCK, self._run // ahead), LARGEST)

    def _request(self, start: int, end: int) -> bytes:
        self._object.seek(start)
        content = bytes(self._object.read(end - start))
        if len(content) != end - start:
            raise ConnectionError(f"{len(content)} of {end - start} bytes came")
        return content


def open_remote(location: str, access: Access) -> BinaryIO:
    """Open a URL of any scheme but file:// for reading.

    Raises:
        NotAllowedError: its scheme is not allowed.
        Exception: whatever the store says; `source.audio_errors` gives it a type.
    """
    if is_web(location):
        access = replace(access, retry_seconds=min(access.retry_seconds, WEB_SECONDS))
    return cast(BinaryIO, RangeFile(*PatientStore.at(location, access)))
