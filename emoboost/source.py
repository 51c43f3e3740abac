"""The bytes of a recording, on a local disk or in a store, opened with limited trust."""

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from emoboost.access import Access
from emoboost.errors import FIXES, AudioError, AudioErrorType, StorageStop
from emoboost.http_guard import refusal_in
from emoboost.places import NotAllowedError, is_web, local_path, real_path, refuse_outside
from emoboost.remote import RangeFile, open_remote
from emoboost.storage_errors import Trouble, reason_of, trouble_of

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class Source:
    """A seekable file whose first error is kept.

    libsndfile calls `read`, `seek` and `tell` from C for files of a store. An exception cannot cross it: the
    decoder would see an early end of the file and report a cut recording. So the exception waits in `error`
    for whoever asked the decoder.
    """

    def __init__(self, file: BinaryIO, *, is_local: bool) -> None:
        self._file = file
        self.error: Exception | None = None
        try:
            self.size = file.seek(0, io.SEEK_END)
            """Bytes."""
            self.version: str = getattr(file, "version", f"size={self.size}")
            """Another one when the content is another: a store's etag, else the size."""
            file.seek(0)
        except BaseException:
            file.close()
            raise
        self.decoder_input: int | Source = file.fileno() if is_local else self
        """What the decoder reads from: the descriptor of a local file, which is faster, or this object."""

    def read(self, count: int) -> bytes:
        """At most `count` bytes from here; none when that fails."""
        try:
            return self._file.read(count)
        except Exception as error:
            self.error = self.error or error
            return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte; a place before the first, which a damaged header can ask for, is nowhere to go."""
        if whence == io.SEEK_SET and offset < 0:
            return self.tell()
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            self.error = self.error or error
            return self._file.tell()

    def tell(self) -> int:
        """The byte that the next read starts with."""
        return self._file.tell()

    def read_at(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from byte `offset` on."""
        self.seek(offset)
        return self.read(count)

    def expect(self, count: int, step: int) -> None:
        """Say that `count` bytes will be read from here on, and how many of them may be asked for at once."""
        if isinstance(self._file, RangeFile):
            self._file.expect(count, step)

    def close(self) -> None:
        """Give the file back; its content was only read, so what goes wrong here changes nothing."""
        with contextlib.suppress(Exception):
            self._file.close()


def open_source(location: str, access: Access) -> Source:
    """Open a local path or any fsspec URL for reading.

    Only regular files are opened: a folder, pipe or device is refused at once, without waiting for a writer.

    Raises:
        AudioError: `unreadable`, this is something else than a file; `too_large`, it has more bytes than allowed.
        NotAllowedError: a place that `access` does not allow.
        Exception: whatever the operating system or the store says; `audio_errors` gives it a type.
    """
    path = local_path(location)
    if path is None:
        source = Source(open_remote(location, access), is_local=False)
    else:
        source = Source(_open_local(location, path, access.root), is_local=True)
    if source.size > access.max_bytes:
        source.close()
        found = f"has {source.size:,} bytes, the limit is {access.max_bytes:,} (--max-bytes)"
        raise audio_error(AudioErrorType.TOO_LARGE, location, found)
    return source


def _open_local(location: str, path: str, root: str | None) -> BinaryIO:
    # Before it is opened, so that nobody learns what there is elsewhere, and after, when it cannot be exchanged.
    refuse_outside(path, root)
    # Non-blocking, because the plain open of a pipe waits for a writer. It means nothing for a regular file.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if root is not None:
            refuse_outside(real_path(descriptor, path), root)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
            raise audio_error(AudioErrorType.UNREADABLE, location, f"is {kind}, not a file; name the recording itself")
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def audio_error(error_type: AudioErrorType, location: str, found: str) -> AudioError:
    """An error whose message says where and what was found; what to do is in `errors.FIXES`."""
    return AudioError(error_type, f"{location}: {found}")


@contextlib.contextmanager
def audio_errors(location: str) -> Iterator[None]:
    """Turn every exception of the operating system, a store or a decoder into an `AudioError`.

    Not `MemoryError`: it speaks of the machine, and another attempt may succeed. Not `StorageStop`: it speaks of every
    recording in that store; but a web server speaks for its own alone.
    """
    try:
        yield
    except (AudioError, MemoryError):
        raise
    except StorageStop as error:
        if not is_web(location):
            raise
        raise audio_error(AudioErrorType.UNREADABLE, location, f"cannot be read ({error.reason})") from error
    except Exception as error:
        error_type, found = _explain(error)
        raise audio_error(error_type, location, found) from error


def _explain(error: Exception) -> tuple[AudioErrorType, str]:
    if isinstance(error, NotAllowedError):
        return AudioErrorType.NOT_ALLOWED, f"{error}; {FIXES[AudioErrorType.NOT_ALLOWED]}"
    if refusal := refusal_in(error):
        return AudioErrorType.NOT_ALLOWED, f"{refusal}; recordings are not fetched from there"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return AudioErrorType.NOT_FOUND, "there is no such file; its name is longer than a file's can be"
    trouble = trouble_of(error)
    if trouble is Trouble.MISSING:
        return AudioErrorType.NOT_FOUND, "there is no such file"
    if trouble is Trouble.DENIED:
        return AudioErrorType.PERMISSION, f"may not be read by this user ({reason_of(error)})"
    return AudioErrorType.UNREADABLE, f"cannot be read ({reason_of(error)})"
