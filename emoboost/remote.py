"""Recordings in a store or behind a URL."""

from typing import BinaryIO, cast

from emoboost.access import Access
from emoboost.filesystems import filesystem_for


def open_remote(location: str, access: Access) -> BinaryIO:
    """Open a URL of any scheme but file:// for reading.

    Raises:
        NotAllowedError: its scheme is not allowed.
        Exception: whatever the store says; `source.audio_errors` gives it a type.
    """
    filesystem, path = filesystem_for(location, access)
    return cast(BinaryIO, filesystem.open(path, "rb"))
