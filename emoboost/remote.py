"""Recordings in a store or behind a URL."""

from typing import BinaryIO, cast

from emoboost.access import Access


def open_remote(location: str, access: Access) -> BinaryIO:
    """Open a URL of any scheme but file:// for reading.

    Raises:
        Exception: whatever the store says; `source.audio_errors` gives it a type.
    """
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(location, **access.storage_options)
    return cast(BinaryIO, filesystem.open(path, "rb"))
