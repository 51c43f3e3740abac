"""A manifest whose utterances people have labelled: what a finished model is calibrated on."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.carried import rows_at, texts_of
from emoboost.corpus import Corpus
from emoboost.errors import ManifestError
from emoboost.plan import Plan, read_whole, utterances_of
from emoboost.printable import shown
from emoboost.schema import PROBABILITY_PREFIX
from emoboost.vocabulary import canonical

LABEL_COLUMNS = ("human_label", "label")
"""Where labels are looked for, in this order."""
THE_MODELS_OWN = (
    "this is an output of annotate, and its label is the model's own; put what people heard into a column "
    f"{LABEL_COLUMNS[0]}"
)
WEIGHT, SPEAKER = "weight", "speaker"
FEWEST = 100
"""Labelled utterances; from fewer a bias for each class cannot be told from chance."""


@dataclass(frozen=True)
class Truth:
    """The labelled rows of a manifest."""

    corpus: Corpus
    """Its labels are names of the model's classes; its speakers are empty where the manifest has none."""
    weight: np.ndarray
    """(utterances,) positive: how many utterances each stands for; 1 where the manifest has no such column."""
    is_weighted: bool
    """Whether the manifest has one."""
    column: str
    """That holds the labels."""
    without_label: int
    """Rows that are left out."""

    @property
    def has_speakers(self) -> bool:
        """Whether there are at least two, to be kept apart."""
        return len(set(self.corpus.speakers)) > 1

    @property
    def counts(self) -> dict[str, int]:
        """Utterances of each label that occurs, sorted by name."""
        return dict(sorted(Counter(self.corpus.labels).items()))


def read_truth(
    manifest: str,
    classes: Sequence[str],
    *,
    column: str | None = None,
    default_channel: int | None = None,
    access: Access | None = None,
) -> Truth:
    """Read a manifest with labels that people gave.

    Args:
        manifest: path or URL, as `annotate` reads it.
        classes: of the model.
        column: with the labels; None is the first of `LABEL_COLUMNS` that there is. Rows without one are left out.
        default_channel: of rows that name none; None is the mean of all channels.
        access: how a store with the manifest is reached; None is `Access()`.

    Raises:
        ManifestError: the manifest cannot be used, has no such column, a label that is none of the model's classes, a
            weight that is no positive number, a row without a speaker beside others with one, fewer than `FEWEST`
            labels, or only one class.
    """
    plan, table = read_whole(manifest, default_channel=default_channel, access=access)
    label = _label_column(list(plan.carried.names), column, manifest)
    given = texts_of(table, label)
    labelled = [row for row, text in enumerate(given) if text]
    places = [f"{plan.manifest}: row {row + 1}" for row in labelled]
    labels = _labels([given[row] for row in labelled], classes, label, places)
    table = rows_at(table, labelled)
    corpus = _corpus(plan, table, labels, places)
    if len(labels) < FEWEST:
        raise ManifestError(
            f"{manifest}: {len(labels)} rows have a {label}, at least {FEWEST} are needed; label more of your speech"
        )
    if len(set(labels)) < 2:
        raise ManifestError(f"{manifest}: every {label} is {shown(labels[0])}; at least two classes are needed")
    weights = _weights(table, places)
    return Truth(
        corpus,
        np.ones(len(labels)) if weights is None else weights,
        weights is not None,
        label,
        len(given) - len(labelled),
    )


def _label_column(carried: Sequence[str], asked: str | None, manifest: str) -> str:
    wanted = LABEL_COLUMNS if asked is None else (asked,)
    found = [name for name in wanted if name in carried]
    if not found:
        names = ", ".join(map(shown, carried)) or "none"
        raise ManifestError(
            f"{manifest}: no column {' or '.join(wanted)}; found {names} beside the recognised ones; name the one with "
            "the labels with --label"
        )
    if asked is None and labels_are_the_models(found[0], carried):
        raise ManifestError(f"{manifest}: {THE_MODELS_OWN}, or name their column with --label")
    return found[0]


def labels_are_the_models(column: str, columns: Sequence[str]) -> bool:
    """Whether this is the column `label` of an output of annotate."""
    return column.strip().lower() == LABEL_COLUMNS[1] and any(name.startswith(PROBABILITY_PREFIX) for name in columns)


def _labels(given: Sequence[str], classes: Sequence[str], column: str, places: Sequence[str]) -> list[str]:
    """The model's name of each label."""
    known = {canonical(name): name for name in classes}
    found = [text if text in classes else known.get(canonical(text)) for text in given]
    if unknown := [row for row, name in enumerate(found) if name is None]:
        text = given[unknown[0]]
        near = get_close_matches(canonical(text), list(classes), n=1)
        raise ManifestError(
            f"{places[unknown[0]]}: {column} {shown(text)} is none of the model's classes ({', '.join(classes)})"
            f"{f', perhaps {near[0]!r}' if near else ''}; correct it, or leave it empty ({len(unknown)} such rows)"
        )
    return [name for name in found if name is not None]


def _corpus(plan: Plan, table: pa.Table, labels: Sequence[str], places: Sequence[str]) -> Corpus:
    speakers = texts_of(table, SPEAKER)
    if any(speakers) and not all(speakers):
        raise ManifestError(
            f"{places[speakers.index('')]}: has no speaker, and other rows have one; fill it, or remove the column"
        )
    nothing = [""] * len(labels)
    return Corpus(
        plan.manifest,
        plan.manifest_hash,
        plan.base,
        utterances_of(table),
        labels,
        speakers,
        nothing,
        nothing,
        nothing,
        places,
    )


def _weights(table: pa.Table, places: Sequence[str]) -> np.ndarray | None:
    """(rows,) float64, or None without such a column."""
    if WEIGHT not in table.column_names:
        return None
    return np.array([_weight(text, place) for text, place in zip(texts_of(table, WEIGHT), places, strict=True)])


def weight_of(text: str) -> float | None:
    """A weight as it is written; None for what is no positive number.

    >>> weight_of("2.5"), weight_of("-1"), weight_of("inf"), weight_of("many")
    (2.5, None, None, None)
    """
    try:
        weight = float(text)
    except ValueError:
        return None
    return weight if 0 < weight < math.inf else None


def _weight(text: str, place: str) -> float:
    if (weight := weight_of(text)) is None:
        raise ManifestError(
            f"{place}: weight {shown(text)} must be a positive number: how many utterances the row stands for"
        )
    return weight
