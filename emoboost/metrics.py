"""The field's two accuracies and what belongs to them, over utterances."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    return float(np.trace(counts) / counts.sum())


def unweighted_accuracy(counts: np.ndarray) -> float:
    """UA: mean recall of the classes that occur (scikit-learn's `balanced_accuracy_score`), in [0, 1]."""
    support = counts.sum(axis=1)
    present = support > 0
    return float((np.diag(counts)[present] / support[present]).mean())


def recalls(counts: np.ndarray) -> np.ndarray:
    """Recall of each class (scikit-learn's `recall_score(average=None)`): (classes,) float64, NaN where none occurs."""
    support = counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(support > 0, np.diag(counts) / support, np.nan)


def macro_f1(counts: np.ndarray) -> float:
    """Mean F1 of the classes that occur in truth or prediction (scikit-learn's `f1_score(average="macro")`)."""
    both = counts.sum(axis=1) + counts.sum(axis=0)
    present = both > 0
    return float((2 * np.diag(counts)[present] / both[present]).mean())


def speaker_intervals(
    truth: np.ndarray,
    predicted: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    *,
    draws: int = 2_000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Bootstrap 95 % intervals of WA and UA that resample speakers, whose utterances stand or fall together.

    Args:
        truth: (n,) class numbers.
        predicted: (n,) class numbers.
        speakers: (n,) who speaks.
        classes: how many classes there are.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        `wa` and `ua`, each with its 2.5th and 97.5th percentile, in [0, 1].
    """
    drawn = _drawn_counts(_by_speaker(truth, predicted, speakers, classes), draws, seed)
    figures = {"wa": [weighted_accuracy(c) for c in drawn], "ua": [unweighted_accuracy(c) for c in drawn]}
    return {name: _percentiles(values) for name, values in figures.items()}


def paired_difference(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    *,
    draws: int = 2_000,
    seed: int = 0,
) -> tuple[float, tuple[float, float]]:
    """UA of `second` minus UA of `first` on the same utterances, with a paired bootstrap over speakers.

    Returns:
        The difference, and its 2.5th and 97.5th percentile: one that excludes zero is a difference beyond chance.
    """
    tables = [_by_speaker(truth, predicted, speakers, classes) for predicted in (first, second)]
    before, after = (_drawn_counts(table, draws, seed) for table in tables)
    differences = [unweighted_accuracy(b) - unweighted_accuracy(a) for a, b in zip(before, after, strict=True)]
    whole = [unweighted_accuracy(table.sum(axis=0)) for table in tables]
    return whole[1] - whole[0], _percentiles(differences)


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
    """(bins,) utterances."""

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017), in [0, 1]."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.count).sum() / self.count.sum())


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> Reliability:
    """Bin utterances by their confidence, in bins of equal width.

    Args:
        probabilities: (n, classes).
        truth: (n,) class numbers.
        bins: over [0, 1].
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.bincount(number, confidence, bins) / count, np.bincount(number, right, bins) / count, count
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
    names, number = np.unique(np.array(speakers), return_inverse=True)
    return np.stack([confusion(truth[number == n], predicted[number == n], classes) for n in range(len(names))])


def _drawn_counts(by_speaker: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws, classes, classes): confusion of as many speakers as there are, drawn with replacement."""
    speakers = len(by_speaker)
    chosen = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=draws)
    return np.tensordot(chosen, by_speaker, axes=1)


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
