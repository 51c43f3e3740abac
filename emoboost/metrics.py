"""The field's two accuracies and what belongs to them, over utterances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ROUNDING = 1e-12
"""Of sums of weights, relative."""
MOST_CHOSEN = 10**7
"""Numbers of a bootstrap that are held at a time, 80 MB."""


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Counts, true class by row and predicted class by column: (classes, classes) int64, float64 with weights.

    Args:
        truth: (n,) class numbers.
        predicted: (n,) class numbers.
        classes: how many classes there are.
        weights: (n,) what each utterance counts; None is 1.
    """
    counts = np.zeros((classes, classes), np.int64 if weights is None else np.float64)
    np.add.at(counts, (truth, predicted), 1 if weights is None else weights)
    return counts


def weighted_accuracy(counts: np.ndarray) -> float:
    """WA: correct of all (scikit-learn's `accuracy_score`), in [0, 1]."""
    return float(_weighted_accuracies(counts))


def unweighted_accuracy(counts: np.ndarray) -> float:
    """UA: mean recall of the classes that occur (scikit-learn's `balanced_accuracy_score`), in [0, 1]."""
    return float(_unweighted_accuracies(counts))


def recalls(counts: np.ndarray) -> np.ndarray:
    """Recall of each class (scikit-learn's `recall_score(average=None)`): (..., classes), NaN where none occurs.

    Args:
        counts: (..., classes, classes), any number of confusion matrices.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1))


def precisions(counts: np.ndarray) -> np.ndarray:
    """Precision of each class (scikit-learn's `precision_score(average=None)`), NaN where it was never predicted.

    Args:
        counts: (..., classes, classes), any number of confusion matrices.
    """
    return recalls(np.swapaxes(counts, -1, -2))


def macro_f1(counts: np.ndarray) -> float:
    """Mean F1 of the classes that occur in truth or prediction (scikit-learn's `f1_score(average="macro")`)."""
    return float(_macro_f1s(counts))


def _weighted_accuracies(counts: np.ndarray) -> np.ndarray:
    """(..., classes, classes) -> (...)."""
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1)))


def _unweighted_accuracies(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.nanmean(recalls(counts), axis=-1))


def _macro_f1s(counts: np.ndarray) -> np.ndarray:
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nanmean(2 * np.diagonal(counts, axis1=-2, axis2=-1) / both, axis=-1))


_FIGURES = {"wa": _weighted_accuracies, "ua": _unweighted_accuracies, "macro_f1": _macro_f1s}


class Estimate(NamedTuple):
    """A figure, and how far it could be off with other speakers."""

    value: float
    interval: tuple[float, float] | None
    """2.5th and 97.5th percentile of the bootstrap; None with fewer than two speakers."""


class ClassEstimates(NamedTuple):
    """Figures over all classes, and of each class; a figure that does not exist is NaN and has no interval."""

    wa: Estimate
    ua: Estimate
    macro_f1: Estimate
    recall: tuple[Estimate, ...]
    precision: tuple[Estimate, ...]


def speaker_bootstrap(
    truth: np.ndarray,
    predicted: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    *,
    draws: int = 2_000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Pooled WA, UA and macro-F1, mean over seeds, with 95 % intervals that resample speakers.

    Whole speakers are drawn, because their utterances stand or fall together; one draw serves all seeds.

    Args:
        truth: (n,) class numbers.
        predicted: (n,) or (seeds, n) class numbers; -1 where a run did not test an utterance.
        speakers: (n,) who speaks.
        classes: how many classes there are.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        `wa`, `ua` and `macro_f1`, in [0, 1].
    """
    tables = _by_speaker(truth, predicted, speakers, classes)
    drawn = _drawn_counts(tables, draws, seed)
    return {
        name: Estimate(float(figure(tables.sum(axis=0)).mean()), _interval(figure(drawn).mean(axis=-1), len(tables)))
        for name, figure in _FIGURES.items()
    }


def weighted_bootstrap(
    truth: np.ndarray,
    predicted: np.ndarray,
    weights: np.ndarray,
    units: Sequence[str],
    classes: int,
    *,
    draws: int = 2_000,
    seed: int = 0,
) -> ClassEstimates:
    """Figures of utterances that count differently, with 95 % intervals that resample units.

    Args:
        truth: (n,) class numbers.
        predicted: (n,) class numbers.
        weights: (n,) what each utterance counts, above 0.
        units: (n,) what is drawn as one: speakers, or a name of its own for each utterance.
        classes: how many classes there are.
        draws: bootstrap samples.
        seed: of the draws.
    """
    tables = _by_speaker(truth, predicted, units, classes, weights)
    drawn = _drawn_counts(tables, draws, seed)[:, 0]
    total = tables.sum(axis=0)[0]

    def over_all(figure: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        return Estimate(float(figure(total)), _interval(figure(drawn), len(tables)))

    def of_each(figure: Callable[[np.ndarray], np.ndarray]) -> tuple[Estimate, ...]:
        values, found = figure(total), figure(drawn)
        return tuple(
            Estimate(float(value), None if np.isnan(value) else _interval(column[~np.isnan(column)], len(tables)))
            for value, column in zip(values, found.T, strict=True)
        )

    return ClassEstimates(
        over_all(_weighted_accuracies),
        over_all(_unweighted_accuracies),
        over_all(_macro_f1s),
        of_each(recalls),
        of_each(precisions),
    )


def paired_bootstrap(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    *,
    draws: int = 2_000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Figures of `second` minus those of `first` on the same utterances and the same draws of speakers.

    Args:
        truth: (n,) class numbers.
        first: (n,) or (seeds, n) class numbers.
        second: likewise.
        speakers: (n,) who speaks.
        classes: how many classes there are.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        `wa`, `ua` and `macro_f1`: differences of the means over seeds. An interval that excludes zero is a difference
        beyond the chance of who was recorded.
    """
    before, after = (_by_speaker(truth, predicted, speakers, classes) for predicted in (first, second))
    drawn_before, drawn_after = (_drawn_counts(tables, draws, seed) for tables in (before, after))
    return {
        name: Estimate(
            float(figure(after.sum(axis=0)).mean() - figure(before.sum(axis=0)).mean()),
            _interval(figure(drawn_after).mean(axis=-1) - figure(drawn_before).mean(axis=-1), len(before)),
        )
        for name, figure in _FIGURES.items()
    }


def mcnemar(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Exact McNemar test: the probability of so uneven a split of the utterances that only one of two gets right."""
    from scipy.stats import binomtest

    right = first == truth, second == truth
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


@dataclass(frozen=True)
class Reliability:
    """How often labels of a confidence are right."""

    confidence: np.ndarray
    """(bins,) mean confidence of each bin, NaN where it is empty."""
    accuracy: np.ndarray
    """(bins,) share of right labels, NaN where it is empty."""
    count: np.ndarray
    """(bins,) utterances, or the sum of their weights."""

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017), in [0, 1]."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.count).sum() / self.count.sum())


def reliability(
    probabilities: np.ndarray, truth: np.ndarray, bins: int = 10, weights: np.ndarray | None = None
) -> Reliability:
    """Bin utterances by their confidence, in bins of equal width.

    Args:
        probabilities: (n, classes).
        truth: (n,) class numbers.
        bins: over [0, 1].
        weights: (n,) what each utterance counts; None is 1.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(number, weights, bins)
    each = 1 if weights is None else weights
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.bincount(number, confidence * each, bins) / count, np.bincount(number, right * each, bins) / count, count
        )


def risk_coverage(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Error rate among the most confident labels, for every share of them that is kept.

    Args:
        probabilities: (n, classes).
        truth: (n,) class numbers.
        weights: (n,) what each utterance counts; None is 1.

    Returns:
        Coverage (n,) up to 1, and risk (n,): the share of wrong labels among those kept.
    """
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = probabilities.argmax(axis=1)[order] != truth[order]
    each = np.ones(len(order)) if weights is None else weights[order]
    kept = np.cumsum(each)
    return kept / kept[-1], np.cumsum(wrong * each) / kept


def lowest_confidence(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray, wanted: float) -> float | None:
    """The smallest confidence from which on, it included, at least a wanted share of the labels is right.

    Args:
        confidence: (n,) of each label.
        right: (n,) whether it is.
        weights: (n,) what each utterance counts, above 0.
        wanted: share in [0, 1].

    Returns:
        One of the confidences; None when there is none.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, kept = confidence[order], np.cumsum(weights[order])
    # Labels of one confidence are kept together or not at all: only the last of them is a place to stop.
    is_last = np.append(sorted_confidence[1:] != sorted_confidence[:-1], True)
    good = is_last & (np.cumsum((weights * right)[order]) >= wanted * kept * (1 - ROUNDING))
    return float(sorted_confidence[np.flatnonzero(good)[-1]]) if good.any() else None


def _by_speaker(
    truth: np.ndarray,
    predicted: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """(speakers, seeds, classes, classes): the confusion of each speaker and seed."""
    names, number = np.unique(np.array(speakers), return_inverse=True)
    runs = np.atleast_2d(predicted)
    kind = np.int64 if weights is None else np.float64
    counts = np.zeros((len(names), len(runs), classes, classes), kind)
    for run, labels in enumerate(runs):
        there = labels >= 0
        np.add.at(
            counts[:, run], (number[there], truth[there], labels[there]), 1 if weights is None else weights[there]
        )
    return counts


def _drawn_counts(by_speaker: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, seeds, classes, classes): confusion of as many speakers as there are, drawn with replacement."""
    speakers, random = len(by_speaker), np.random.default_rng(seed)
    at_a_time = max(1, MOST_CHOSEN // speakers)
    drawn = []
    for first in range(0, draws, at_a_time):
        size = min(at_a_time, draws - first)
        chosen = random.multinomial(speakers, np.full(speakers, 1 / speakers), size=size)
        drawn.append(np.tensordot(chosen, by_speaker, axes=1))
    return np.concatenate(drawn)


def _interval(values: np.ndarray, speakers: int) -> tuple[float, float] | None:
    if speakers < 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
