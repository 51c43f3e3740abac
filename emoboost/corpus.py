"""A labelled manifest, read whole: what training and evaluation need."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from emoboost.errors import ManifestError
from emoboost.plan import make_plan, read_shard, utterances_of
from emoboost.utterance import Utterance
from emoboost.vocabulary import canonical


@dataclass(frozen=True)
class Corpus:
    """Utterances with their emotion and their speaker, in the manifest's order."""

    manifest: str
    manifest_hash: str
    base: str
    """Folder or URL that relative uris start from."""
    utterances: Sequence[Utterance]
    labels: Sequence[str]
    """In the canonical vocabulary."""
    speakers: Sequence[str]
    sessions: Sequence[str]
    """Empty text where a row has none, as the next two."""
    texts: Sequence[str]
    splits: Sequence[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label that occurs, sorted."""
        return tuple(sorted(set(self.labels)))

    def class_numbers(self, classes: Sequence[str]) -> np.ndarray:
        """(utterances,) int64: each label's position in `classes`."""
        return np.array([classes.index(label) for label in self.labels], np.int64)


def read_corpus(manifest: str) -> Corpus:
    """Read a manifest that has the columns `label` and `speaker`.

    Raises:
        ManifestError: the manifest cannot be used, a column is missing, a row has no label or speaker, or there are
            fewer than two classes or speakers.
    """
    with tempfile.TemporaryDirectory(prefix="emoboost-corpus-") as folder:
        plan = make_plan(
            manifest,
            Path(folder),
            {},
            default_channel=None,
            limit=None,
            reserved=lambda name: False,
            probe=None,
        )
        shards = [read_shard(plan, lambda name: (Path(folder) / name).open("rb"), i) for i in range(plan.shards)]
    table = pa.concat_tables(shards)
    labels = [canonical(text) for text in _column(table, "label", manifest)]
    speakers = _column(table, "speaker", manifest)
    for what, values in (("label", labels), ("speaker", speakers)):
        if len(set(values)) < 2:
            raise ManifestError(f"{manifest}: only one {what} ({values[0]!r}); training needs at least two")
    return Corpus(
        manifest,
        plan.manifest_hash,
        plan.base,
        utterances_of(table),
        labels,
        speakers,
        *(_cells(table, name) for name in ("session", "text", "split")),
    )


def _column(table: pa.Table, name: str, manifest: str) -> list[str]:
    if name not in table.column_names:
        raise ManifestError(
            f"{manifest}: no column {name!r}; found {', '.join(table.column_names[7:]) or 'none'} beside the "
            "recognised ones; training needs label and speaker"
        )
    values = _cells(table, name)
    if empty := [row for row, value in enumerate(values, 1) if not value]:
        raise ManifestError(f"{manifest}: row {empty[0]} has no {name} ({len(empty)} in all); fill or remove them")
    return values


def _cells(table: pa.Table, name: str) -> list[str]:
    if name not in table.column_names:
        return [""] * len(table)
    return ["" if value is None else str(value).strip() for value in table[name].to_pylist()]
