"""Strata of an output: its labels, and bands of confidence within each."""

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

BANDS = 4
"""Bands of confidence within each label: quarters of its rows."""


@dataclass(frozen=True)
class Stratum:
    """Rows of one label and similar confidence."""

    label: str
    band: int
    """From 1, the least confident."""
    lowest: float
    """Confidence, as the next."""
    highest: float
    rows: int
    """At least one."""


@dataclass(frozen=True)
class Strata:
    """All strata of an output, and where each row belongs."""

    edges: Mapping[str, Sequence[float]]
    """Label -> the confidence at which each band but the first begins, ascending."""
    strata: tuple[Stratum, ...]
    """By label, then by band; none is empty."""

    @classmethod
    def of(cls, confidences: Mapping[str, Sequence[float] | np.ndarray], rows: int) -> Self:
        """Cut every label's rows into bands of as many rows each, as far as equal confidences allow.

        Args:
            confidences: label -> (n,) of its rows, in any order.
            rows: that are to be drawn; there are fewer bands when there would be more strata than these.
        """
        bands = max(1, min(BANDS, rows // max(1, len(confidences))))
        edges: dict[str, list[float]] = {}
        strata: list[Stratum] = []
        for label in sorted(confidences):
            ordered = np.sort(np.asarray(confidences[label], np.float32))
            edges[label] = [float(ordered[len(ordered) * band // bands]) for band in range(1, bands)]
            first = [0, *np.searchsorted(ordered, edges[label]), len(ordered)]
            strata += [
                Stratum(label, band + 1, float(ordered[first[band]]), float(ordered[first[band + 1] - 1]), int(count))
                for band in range(bands)
                if (count := first[band + 1] - first[band])
            ]
        return cls(edges, tuple(strata))

    def numbers(self, labels: Sequence[str], confidences: Sequence[float]) -> list[int | None]:
        """Which of `strata` each row belongs to; None when it belongs to none, because a part was replaced meanwhile.

        Args:
            labels: (n,) of the rows.
            confidences: (n,) of the rows.
        """
        known = {(stratum.label, stratum.band): number for number, stratum in enumerate(self.strata)}
        return [
            known.get((label, 1 + bisect_right(self.edges.get(label, ()), confidence)))
            for label, confidence in zip(labels, confidences, strict=True)
        ]


class Confidences:
    """Collects the confidences of each label, 4 bytes a row."""

    def __init__(self) -> None:
        self.of_label: dict[str, array[float]] = {}

    def add(self, labels: Sequence[str], confidences: Sequence[float]) -> None:
        """Note these rows."""
        for label, confidence in zip(labels, confidences, strict=True):
            self.of_label.setdefault(label, array("f")).append(confidence)


def allocation(sizes: Sequence[int], rows: int) -> list[int]:
    """How many rows to draw from each stratum: as many from each; what a small one lacks is shared by the others.

    >>> allocation([2, 50, 50], 20), allocation([2, 3], 20)
    ([2, 9, 9], [2, 3])

    Args:
        sizes: rows of each.
        rows: to draw in all, at least as many as there are strata or all there are.
    """
    drawn = [0] * len(sizes)
    left = min(rows, sum(sizes))
    while left:
        unfilled = [number for number, size in enumerate(sizes) if drawn[number] < size]
        each, rest = divmod(left, len(unfilled))
        for place, number in enumerate(unfilled):
            more = min(sizes[number] - drawn[number], each or int(place < rest))
            drawn[number] += more
            left -= more
    return drawn
