"""The field's two accuracies and what belongs to them, over utterances."""

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
