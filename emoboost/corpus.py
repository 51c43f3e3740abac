"""A labelled manifest, read whole: what training and evaluation need."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
import pyarrow as pa

from emoboost.carried import rows_at, texts_of
from emoboost.errors import ManifestError
from emoboost.plan import read_whole, utterances_of
from emoboost.utterance import Utterance
from emoboost.vocabulary import ALIASES, EMOTIONS, canonical


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
    places: Sequence[str]
    """Manifest and row of each, counted from 1, for messages."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Label -> utterances that the label map leaves out."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label that occurs, sorted."""
        return tuple(sorted(set(self.labels)))

    @property
    def class_shares(self) -> dict[str, float]:
        """Share of the utterances that each label has, sorted by label; they sum to 1."""
        counts = Counter(self.labels)
        return {name: counts[name] / len(self.labels) for name in self.classes}

    def class_numbers(self, classes: Sequence[str]) -> np.ndarray:
        """(utterances,) int64: each label's position in `classes`."""
        return np.array([classes.index(label) for label in self.labels], np.int64)


def read_corpus(manifest: str, label_map: Mapping[str, str] | None = None, *, to_train: bool = True) -> Corpus:
    """Read a manifest that has the columns `label` and `speaker`.

    Args:
        manifest: path or URL.
        label_map: canonical label -> label to use; rows with another label are left out. None takes every label as it
            is, as long as it is the name of an emotion.
        to_train: refuse what nothing can be trained on: labels that are no emotion's name, fewer than two classes or
            speakers. False is for looking at a corpus.

    Raises:
        ManifestError: the manifest cannot be used, a column is missing, a row has no label or speaker, the label map
            leaves nothing, or what `to_train` refuses.
    """
    plan, table = read_whole(manifest)
    names = [canonical(text) for text in _column(table, "label", manifest)]
    _column(table, "speaker", manifest)
    left_out: Counter[str] = Counter()
    places = [f"{plan.manifest}: row {row}" for row in range(1, len(table) + 1)]
    if label_map is None:
        if to_train:
            _refuse_unknown(names, manifest)
        labels = names
    else:
        left_out.update(name for name in names if name not in label_map)
        table = rows_at(table, [row for row, name in enumerate(names) if name in label_map])
        labels = [label_map[name] for name in names if name in label_map]
        places = [place for place, name in zip(places, names, strict=True) if name in label_map]
        if not labels:
            raise ManifestError(f"{manifest}: the label map leaves nothing; it has {', '.join(sorted(set(names)))}")
    speakers = texts_of(table, "speaker")
    if to_train:
        _refuse_single("label", labels, manifest)
        _refuse_single("speaker", speakers, manifest)
    return Corpus(
        plan.manifest,
        plan.manifest_hash,
        plan.base,
        utterances_of(table),
        labels,
        speakers,
        texts_of(table, "session"),
        texts_of(table, "text"),
        texts_of(table, "split"),
        places,
        left_out,
    )


def _refuse_unknown(labels: Sequence[str], manifest: str) -> None:
    for row, label in enumerate(labels, 1):
        if label not in EMOTIONS:
            near = get_close_matches(label, [*EMOTIONS, *ALIASES], n=1)
            meant = f", perhaps {canonical(near[0])!r}" if near else ""
            raise ManifestError(
                f"{manifest}: row {row}: label {label!r} is not the name of an emotion{meant}; correct it, or say with "
                "--label-map what it stands for"
            )


def _refuse_single(what: str, values: Sequence[str], manifest: str) -> None:
    if len(set(values)) < 2:
        raise ManifestError(f"{manifest}: only one {what} ({values[0]!r}); training needs at least two")


def _column(table: pa.Table, name: str, manifest: str) -> list[str]:
    if name not in table.column_names:
        raise ManifestError(
            f"{manifest}: no column {name!r}; found {', '.join(table.column_names[7:]) or 'none'} beside the "
            "recognised ones; training needs label and speaker"
        )
    values = texts_of(table, name)
    if empty := [row for row, value in enumerate(values, 1) if not value]:
        raise ManifestError(f"{manifest}: row {empty[0]} has no {name} ({len(empty)} in all); fill or remove them")
    return values
