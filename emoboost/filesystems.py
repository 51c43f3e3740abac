"""The fsspec file system of a URL that may be read."""

from typing import TYPE_CHECKING

from emoboost.access import Access
from emoboost.http_guard import guarded_client
from emoboost.places import WEB, allowed_url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def filesystem_for(location: str, access: Access) -> "tuple[AbstractFileSystem, str]":
    """The file system that a URL lies on, and its path in the file system's own terms.

    Unlike `fsspec.core.url_to_fs` this follows no chain (`zip://…::http://…`): `::` is part of a name.

    Args:
        location: a URL of any scheme but file://.
        access: which schemes, which addresses, and the options of the store.

    Raises:
        NotAllowedError: the scheme is not allowed.
        Exception: whatever the store says; `source.audio_errors` gives it a type.
    """
    import fsspec

    scheme, url = allowed_url(location, access)
    options = {**fsspec.get_filesystem_class(scheme)._get_kwargs_from_urls(url), **access.storage_options}
    if scheme in WEB and not access.http_anywhere:
        options["get_client"] = guarded_client
    return fsspec.filesystem(scheme, **options), str(fsspec.core.strip_protocol(url))
