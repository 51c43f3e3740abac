"""A whole manifest as validated utterances, streaming."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.errors import ManifestError
from emoboost.manifest.columns import LENGTH, Columns, recognise
from emoboost.manifest.identifiers import SeenIds, derived_id, suspicious
from emoboost.manifest.kinds import open_source
from emoboost.manifest.problems import SHOWN, Problem, Problems
from emoboost.manifest.rows import utterances
from emoboost.manifest.source import Source

REMEMBERED = 100_000
"""Ids kept while repeated ones are looked for a second time; a bound on memory, not on what is found to be wrong."""


@dataclass(frozen=True)
class Manifest:
    """A manifest whose columns are recognised; only its head has been read.

    >>> manifest = open_manifest("examples/manifest.csv")
    >>> next(manifest.utterances())["uri"][0].as_py()
    'audio/emodb/03a01Wa.flac'
    """

    source: Source
    columns: Columns
    default_channel: int | None = None
    limit: int | None = None

    def utterances(self) -> Iterator[pa.Table]:
        """Stretches of utterances, in the manifest's order.

        Each table has utterance_id, uri (string), channel (int32; null is the mean of all), start, end, plan_length
        (float64, seconds; null is unknown), then the carried columns in the manifest's types (text for CSV). Once a
        problem is found no more tables come, and the rest is only checked. Memory: 8 bytes an utterance.

        Raises:
            ManifestError: after the last row, with all problems; or for a manifest without rows.
        """
        problems = Problems(self.source.name, self.source.unit)
        seen = SeenIds()
        for table, _, found in self._stretches():
            problems.add(found)
            seen.add(table["utterance_id"].to_pylist())
            if not problems.count:
                yield table
        if not len(seen) and not problems.count:
            raise ManifestError(f"{self.source.name}: {self.source.empty}")
        suspects, repeats = seen.suspects()
        if repeats:
            found = list(islice(self._repeated(suspects), SHOWN))
            problems.add(found, more=max(0, repeats - SHOWN) if len(found) == SHOWN else 0)
        problems.raise_if_any()

    def _stretches(self) -> Iterator[tuple[pa.Table, np.ndarray, list[Problem]]]:
        for rows in self.source.read(self.limit):
            try:
                yield utterances(rows, self.columns, self.default_channel)
            except ManifestError as error:
                raise ManifestError(f"{self.source.name}: {error}") from error

    def _repeated(self, suspects: np.ndarray) -> Iterator[Problem]:
        """Read again and compare the ids themselves: a hash may be the same by chance."""
        first_at: dict[str, int] = {}
        for table, positions, _ in self._stretches():
            ids = table["utterance_id"].to_pylist()
            for row in map(int, suspicious(ids, suspects)):
                position = int(positions[row])
                if ids[row] in first_at:
                    yield self._repetition(table.slice(row, 1), position, first_at[ids[row]])
                elif len(first_at) < REMEMBERED:
                    first_at[ids[row]] = position

    def _repetition(self, utterance: pa.Table, position: int, first: int) -> Problem:
        (row,) = utterance.select(["utterance_id", "uri", "channel", "start", "end"]).to_pylist()
        given = row.pop("utterance_id")
        earlier = f"{self.source.unit} {first}"
        if given == derived_id(**row):
            what = f"is the same audio as {earlier}; remove one of the two, or tell them apart in a column utterance_id"
            return Problem(position, what, self.columns.uri, row["uri"])
        what = f"is also the id in {earlier}; change one of them, or leave both empty to have ids made"
        return Problem(position, what, self.columns.utterance_id, given)


def open_manifest(
    manifest: str,
    *,
    reserved: Callable[[str], bool] = lambda name: False,
    default_channel: int | None = None,
    limit: int | None = None,
    access: Access | None = None,
) -> Manifest:
    """Find out what a manifest is and what its columns mean.

    Args:
        manifest: path or URL of a CSV, TSV or Parquet file or of a folder of audio, or a glob.
        reserved: whether a column of this name must be carried as `manifest_<name>`.
        default_channel: of rows that name none; None is the mean of all channels.
        limit: read only the first so many rows.
        access: how a store is reached; None is `Access()`.

    Raises:
        ManifestError: nothing there, none of the kinds, or columns that cannot be understood.
    """
    source = open_source(manifest, access)
    columns = recognise(source.schema.names, source.name, lambda name: name == LENGTH or reserved(name))
    return Manifest(source, columns, default_channel, limit)
