"""What the file system of a store is made with: what the user gave, and limits that let no connection hang."""

import json
from collections.abc import Mapping
from typing import Any

from emoboost.errors import UsageError
from emoboost.user_path import user_path

CONNECT_SECONDS, READ_SECONDS = 10, 30
"""How long a connection may take to be made, and to send its next bytes."""

_WEB = ("http", "https")
_S3: Mapping[str, Any] = {
    # `patience` asks again. With the library's own retries each attempt would be several.
    "connect_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}


def parse_storage_options(text: str | None) -> dict[str, object]:
    """The value of `--storage-options`: a JSON object, or `@FILE` with one. None is no options.

    >>> parse_storage_options('{"anon": true}')
    {'anon': True}

    Raises:
        UsageError: neither; the message does not repeat what was given, because it may hold secrets.
    """
    if text is None:
        return {}
    name = f"--storage-options @{text[1:]}" if text.startswith("@") else "--storage-options"
    try:
        given = json.loads(user_path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UsageError(
            f'{name}: is not JSON ({error.msg}, {where}); give an object such as {{"anon": true}}, or @FILE with one'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None
    except RecursionError:
        raise UsageError(f'{name}: is JSON without end; give an object such as {{"anon": true}}') from None
    if not isinstance(given, dict):
        raise UsageError(f'{name}: must be a JSON object such as {{"anon": true}}')
    return given


def options_for(location: str, options: Mapping[str, object]) -> dict[str, Any]:
    """What fsspec makes the file system of one location with.

    Options may be sorted by scheme, `{"s3": {...}, "gs": {...}}`. Those that are not go to every store, but never to a
    web server, to which a manifest could send the user's secrets.

    >>> options_for("gs://bucket/a.wav", {"s3": {"key": "k"}, "gs": {"token": "anon"}})
    {'token': 'anon'}

    Args:
        location: a URL.
        options: what the user gave.
    """
    scheme = location.partition("://")[0]
    if scheme in _WEB:
        return {**_web_limits(), **_of_scheme(options, scheme)}
    given = _of_scheme(options, scheme) if _is_sorted(options) else dict(options)
    if scheme not in ("s3", "s3a"):
        return given
    limits = {**_S3, **_mapping(given.get("config_kwargs"))}
    # A listing that s3fs remembers hides what another machine has published since.
    return {"use_listings_cache": False, **given, "config_kwargs": limits}


def _is_sorted(options: Mapping[str, object]) -> bool:
    from fsspec.registry import known_implementations

    return bool(options) and all(
        name in known_implementations and isinstance(value, Mapping) for name, value in options.items()
    )


def _of_scheme(options: Mapping[str, object], scheme: str) -> dict[str, Any]:
    return _mapping(options.get(scheme)) if _is_sorted(options) else {}


def _web_limits() -> dict[str, Any]:
    try:
        from aiohttp import ClientTimeout
    except ImportError:  # fsspec says which package is missing
        return {}
    limits = ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    return {"client_kwargs": {"timeout": limits}}


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
