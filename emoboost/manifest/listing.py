"""Folders and globs: the audio files themselves are the manifest."""

import glob
import hashlib
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from emoboost.errors import ManifestError
from emoboost.manifest.problems import Problem
from emoboost.manifest.source import BATCH_ROWS, Place, Rows, Source, is_utf8, resolve_place
from emoboost.manifest.walk import may_be_entered, walk
from emoboost.places import is_url
from emoboost.redaction import holds_secret

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".bwf", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".sph", ".nist", ".voc"),
)
"""Endings of what libsndfile can decode."""

SCHEMA = pa.schema([("path", pa.string())])


def folder_source(place: Place) -> Source:
    """Every audio file below a folder; uris are relative to it.

    Raises:
        ManifestError: its URL holds a password or signature, or it lies outside of `--root`.
    """
    within = _confined(place, place.path)

    def uris() -> Iterator[str]:
        return walk(place.store, place.path, suffixes=AUDIO_SUFFIXES, within=within)

    base = place.given.rstrip("/") if is_url(place.given) else place.path
    empty = f"no audio file in it or below; looked for {' '.join(AUDIO_SUFFIXES)}"
    return _listing(place, base, uris, empty)


def glob_source(place: Place) -> Source:
    """Every file that matches a pattern, `**` being any number of folders; uris begin as the pattern does.

    Raises:
        ManifestError: the folder before the first wildcard does not exist or lies outside of `--root`, or the URL holds
            a password or signature.
    """
    given = place.given if is_url(place.given) else os.path.expanduser(place.given)  # noqa: PTH111 - keeps `./`
    parts = given.split("/")
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    fixed, pattern = parts[:first], [part for part in parts[first:] if part not in ("", ".")]
    store, root = resolve_place("/".join([*fixed, ""]) or ".", place.access)
    within = _confined(place, root)
    with place.explained():
        if not store.isdir(root):
            raise ManifestError(f"{place.given}: no such folder: {root}")

    def uris() -> Iterator[str]:
        return ("/".join([*fixed, path]) for path in walk(store, root, pattern, within=within))

    base = "/".join(fixed) if is_url(given) else str(Path.cwd())
    return _listing(place, base, uris, "no file matches; put the pattern in quotes and check the folder's name")


def _confined(place: Place, folder: str) -> str | None:
    """The folder of this machine that files must lie in, None for anywhere; a listing that begins elsewhere is refused.

    Links of a folder may lead anywhere, and the names of what lies there would come into the output.
    """
    within = place.access.root if place.store.is_local else None
    if not may_be_entered(folder, within):
        raise ManifestError(f"{place.given}: lies outside of --root {within}; give a folder in it, or another --root")
    return within


def _listing(place: Place, base: str, uris: Callable[[], Iterator[str]], empty: str) -> Source:
    if holds_secret(place.given):
        raise ManifestError(
            f"{place.given}: the names of recordings begin as it does, so it may hold no password, token or signature; "
            "give the URL alone, and the credentials in the environment"
        )

    def read(limit: int | None) -> Iterator[Rows]:
        with place.explained():
            found, begun = islice(uris(), limit), 0
            while batch := list(islice(found, BATCH_ROWS)):
                yield _rows(batch, begun + 1)
                begun += len(batch)

    def digest() -> str:
        listing = hashlib.sha256()
        with place.explained():
            for uri in uris():
                listing.update(os.fsencode(uri) + b"\0")
        return listing.hexdigest()

    return Source(place.given, base, "file", SCHEMA, False, read, digest, empty)


def _rows(uris: list[str], first: int) -> Rows:
    positions = np.arange(first, first + len(uris))
    try:
        return Rows(pa.table([pa.array(uris, pa.string())], schema=SCHEMA), positions)
    except UnicodeEncodeError:
        named = [is_utf8(uri) for uri in uris]
        problems = [
            Problem(int(position), "is not UTF-8; rename the file", "path", os.fsencode(uri))
            for uri, position, is_named in zip(uris, positions, named, strict=True)
            if not is_named
        ]
        readable = [uri for uri, is_named in zip(uris, named, strict=True) if is_named]
        return Rows(pa.table([pa.array(readable, pa.string())], schema=SCHEMA), positions[named], tuple(problems))
