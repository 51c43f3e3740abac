"""The field's two accuracies and what belongs to them, over utterances."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts, true class by row and predicted class by column: (classes, classes) int64.

    Args:
        truth: (n,) class numbers.
        predicted: (n,) class numbers.
        classes: how many classes there are.
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
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
        predicted: (n,) or (seeds, n) class numbers.
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
    probabilities: np.ndarray, truth: np.ndarray, bins: int = 10, weight: np.ndarray | None = None
) -> Reliability:
    """Bin utterances by their confidence, in bins of equal width.

    Args:
        probabilities: (n, classes).
        truth: (n,) class numbers.
        bins: over [0, 1].
        weight: (n,) how many utterances each stands for; None is one.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(number, weight, bins)
    each = 1 if weight is None else weight
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.bincount(number, confidence * each, bins) / count, np.bincount(number, right * each, bins) / count, count
        )


def risk_coverage(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error rate among the most confident labels, for every share of them that is kept.

    Returns:
        Coverage (n,) from 1/n to 1, and risk (n,): the share of wrong labels among those kept.
    """
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = probabilities.argmax(axis=1)[order] != truth[order]
    kept = np.arange(1, len(order) + 1)
    return kept / len(order), np.cumsum(wrong) / kept


def _by_speaker(truth: np.ndarray, predicted: np.ndarray, speakers: Sequence[str], classes: int) -> np.ndarray:
    """(speakers, seeds, classes, classes): the confusion of each speaker and seed."""
    names, number = np.unique(np.array(speakers), return_inverse=True)
    runs = np.atleast_2d(predicted)
    counts = np.zeros((len(names), len(runs), classes, classes), np.int64)
    for run, labels in enumerate(runs):
        np.add.at(counts[:, run], (number, truth, labels), 1)
    return counts


def _drawn_counts(by_speaker: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, seeds, classes, classes): confusion of as many speakers as there are, drawn with replacement."""
    speakers = len(by_speaker)
    chosen = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=draws)
    return np.tensordot(chosen, by_speaker, axes=1)


def _interval(values: np.ndarray, speakers: int) -> tuple[float, float] | None:
    if speakers < 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
