"""Train on one corpus, test on another."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from emoboost.audio import resolve
from emoboost.corpus import Corpus
from emoboost.errors import UsageError
from emoboost.folds import Protocol, Rows

TRAINED, TESTED = "train/", "test/"
"""Before the names of speakers."""


def join(source: Corpus, target: Corpus) -> Corpus:
    """Both corpora as one, the source first.

    Speakers keep their names under their corpus's: two corpora's speaker 1 are two people.

    Raises:
        UsageError: the target has a class that the source lacks.
    """
    if unknown := sorted(set(target.labels) - set(source.labels)):
        raise UsageError(
            f"{target.manifest}: class {unknown[0]} is not in {source.manifest} ({', '.join(source.classes)}); "
            "bring both to the same classes with --label-map"
        )
    return Corpus(
        target.manifest,
        target.manifest_hash,
        "",
        [
            dataclasses.replace(utterance, uri=resolve(utterance.uri, corpus.base))
            for corpus in (source, target)
            for utterance in corpus.utterances
        ],
        [*source.labels, *target.labels],
        [*(f"{TRAINED}{name}" for name in source.speakers), *(f"{TESTED}{name}" for name in target.speakers)],
        [*source.sessions, *target.sessions],
        [*source.texts, *target.texts],
        [*source.splits, *target.splits],
        [*source.places, *target.places],
        dict(target.left_out),
    )


def shared_names(joined: Corpus) -> list[str]:
    """Speakers of both corpora that have one name, sorted; none when the corpus is not made by `join`."""
    sides = [
        {name.removeprefix(side) for name in joined.speakers if name.startswith(side)} for side in (TRAINED, TESTED)
    ]
    return sorted(sides[0] & sides[1])


def cross_protocol(source: Corpus, target: Corpus) -> Protocol:
    """One fold: every row of the source is trained on, every row of the target is tested."""
    count = len(source.utterances)

    def divide(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        del k
        yield "target", np.arange(count), np.arange(count, len(rows.label))

    return Protocol(
        "cross-corpus",
        f"trained on {source.manifest} (SHA-256 {source.manifest_hash[:12]}), tested on {target.manifest}",
        ("speaker", "audio"),
        divide,
    )
