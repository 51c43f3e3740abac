"""Where recordings may lie: which schemes, and which folder of this machine."""

import os
import re
from pathlib import Path

from emoboost.access import Access

STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory")
"""Schemes that are always allowed. `memory` is fsspec's store in this process, which only this process fills."""
WEB = ("http", "https")
"""Schemes that are allowed where `Access.http` says so."""

_SCHEME = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.:_-]*)://")


class NotAllowedError(Exception):
    """A place that may not be read; the message says why and which option changes it."""


def is_url(text: str) -> bool:
    """Whether this names a place by scheme (`s3://…`) rather than by path; `file://` counts as a URL.

    So does a chain of schemes (`zip://a.wav::s3://…`), which fsspec would follow.

    >>> [is_url(text) for text in ("s3://b/7.wav", "simplecache::http://h/7.wav", "calls/7.wav", "a/b://7.wav")]
    [True, True, False, False]
    """
    return _SCHEME.match(text) is not None


def is_web(location: str) -> bool:
    """Whether this is read from a web server, of which every recording may have another.

    >>> is_web("HTTPS://host/7.wav"), is_web("s3://bucket/7.wav")
    (True, False)
    """
    scheme = _SCHEME.match(location)
    return scheme is not None and scheme[1].lower() in WEB


def local_path(location: str) -> str | None:
    """The path of a recording on this machine, also when it is written as `file://`; None is a URL of something else.

    >>> local_path("FILE:///data/7.wav"), local_path("data/7.wav"), local_path("s3://bucket/7.wav")
    ('/data/7.wav', 'data/7.wav', None)
    """
    scheme = _SCHEME.match(location)
    if scheme is None:
        return location
    return location[scheme.end() :] if scheme[1].lower() == "file" else None


def allowed_url(location: str, access: Access) -> tuple[str, str]:
    """The scheme of a URL in lower case, and the URL with it.

    Only the first scheme is looked at, so whoever opens the URL must not follow others in it.

    Raises:
        NotAllowedError: it is none of those that `access` allows.
    """
    scheme = _SCHEME.match(location)
    name = "" if scheme is None else scheme[1].lower()
    if scheme is None or name not in (*STORES, *WEB):
        raise NotAllowedError(f"the scheme {name or 'of it'!r} is not one of those that are read")
    if name in WEB and not access.http:
        raise NotAllowedError(f"{name}:// is not read without --allow-http")
    return name, name + location[scheme.end(1) :]


def without_query(location: str) -> str:
    """A URL by HTTP without what a signature adds to it; elsewhere `?` is a letter of a name, or a wildcard.

    >>> without_query("https://host/m.csv?X-Amz-Credential=a/b"), without_query("s3://bucket/a?.wav")
    ('https://host/m.csv', 's3://bucket/a?.wav')
    """
    scheme = _SCHEME.match(location)
    return location.partition("?")[0] if scheme and scheme[1].lower() in WEB else location


def lies_in(path: str, folder: str) -> bool:
    """Whether a path leads, links resolved, to a folder or what is below it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def refuse_outside(path: str, root: str | None) -> None:
    """Refuse a path that leads, links resolved, to a place outside of a folder.

    Raises:
        NotAllowedError: it does.
    """
    if root is not None and not lies_in(path, root):
        raise NotAllowedError(f"it lies outside of --root {root}")


def real_path(descriptor: int, path: str) -> str:
    """Where an open file really lies, which nobody can exchange any more; by its path where the system cannot tell.

    Args:
        descriptor: of the open file.
        path: under which it was opened.
    """
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return os.path.realpath(path)
