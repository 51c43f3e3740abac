"""The kinds of manifest, in one table: a new kind is a reader and a row here."""

import glob
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from emoboost.access import Access
from emoboost.errors import ManifestError
from emoboost.manifest.delimited import delimited_source
from emoboost.manifest.listing import AUDIO_SUFFIXES, folder_source, glob_source
from emoboost.manifest.parquet import parquet_source
from emoboost.manifest.source import Place, Source


@dataclass(frozen=True)
class Kind:
    """One kind of manifest: when it applies and how it is read."""

    name: str
    applies: Callable[[Place], bool]
    open: Callable[[Place], Source]


def open_source(manifest: str, access: Access | None = None) -> Source:
    """Find out what a manifest is and read its head.

    Args:
        manifest: path or URL of a file or folder, or a glob.
        access: how a store is reached; None is `Access()`.

    Raises:
        ManifestError: nothing there, none of the kinds, or a head that cannot be read.
    """
    place = Place.at(manifest, access or Access())
    for kind in KINDS:
        if kind.applies(place):
            return kind.open(place)
    raise ManifestError(_why_none(place))


def _why_none(place: Place) -> str:
    if place.kind is None:
        return f"{place.given}: no such file: {place.path}"
    if place.kind != "file":
        return f"{place.given}: is not a regular file; write the manifest to a file first, it is read more than once"
    if _suffix(place) in AUDIO_SUFFIXES:
        return (
            f"{place.given}: is a recording, not a list of recordings; for a quick look run: emoboost-batch predict "
            f"{place.given}, to annotate many give their folder or a glob in quotes"
        )
    kinds = ", ".join(kind.name for kind in KINDS)
    return f"{place.given}: its ending {_suffix(place)!r} is none that is known; give one of: {kinds}"


def _suffix(place: Place) -> str:
    # A signed URL goes on behind the file's name.
    return PurePosixPath(place.path.split("?")[0] if "://" in place.given else place.path).suffix.lower()


def _file(*suffixes: str) -> Callable[[Place], bool]:
    return lambda place: place.kind == "file" and _suffix(place) in suffixes


KINDS = (
    Kind("CSV (.csv)", _file(".csv"), partial(delimited_source, delimiters=",;\t")),
    Kind("TSV (.tsv)", _file(".tsv"), partial(delimited_source, delimiters="\t")),
    Kind("Parquet (.parquet)", _file(".parquet"), parquet_source),
    Kind("a folder of audio", lambda place: place.kind == "directory", folder_source),
    Kind("a glob in quotes", lambda place: place.kind is None and glob.has_magic(place.given), glob_source),
)
