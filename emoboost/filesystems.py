"""The fsspec file system of a URL that may be read."""

from typing import TYPE_CHECKING

from emoboost.access import Access
from emoboost.http_guard import guarded_client
from emoboost.places import WEB, allowed_url
from emoboost.store_options import options_for

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def filesystem_for(location: str, access: Access) -> "tuple[AbstractFileSystem, str]":
    """The file system that a URL lies on, and its path in the file system's own terms.

    Where a manifest named it, no chain (`zip://…::http://…`) is followed, as fsspec does: `::` is part of a name. What
    a person named may be whatever fsspec knows.

    Args:
        location: a URL of any scheme but file://.
        access: which schemes, which addresses, and the options of the store.

    Raises:
        NotAllowedError: the scheme is not allowed.
        Exception: whatever the store says; `source.audio_errors` gives it a type.
    """
    import fsspec

    given = options_for(location, access.storage_options)
    if access.any_scheme:
        filesystem, path = fsspec.core.url_to_fs(location, **given)
        return filesystem, str(path)
    scheme, url = allowed_url(location, access)
    options = {**fsspec.get_filesystem_class(scheme)._get_kwargs_from_urls(url), **given}
    if scheme in WEB and not access.http_anywhere:
        options["get_client"] = guarded_client
    return fsspec.filesystem(scheme, **options), str(fsspec.core.strip_protocol(url))
