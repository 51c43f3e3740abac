"""A linear classifier in closed form: linear discriminant analysis with a shrunk covariance.

With few speakers and many channels it generalises to new voices better than the same linear layer trained by gradient
descent (docs/experiments.md): directions in which one class scatters, be it over speakers or over changed copies of one
recording, count less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

UNSEEN = -1e4
"""Logit of a class that no training row has."""


def fit_discriminant(
    vectors: np.ndarray, labels: np.ndarray, classes: int, shrinkage: float, speakers: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases of the discriminant functions, every class as likely as any other.

    The covariance is the mean of the classes' own, shrunk toward a multiple of the identity that has the same trace
    (Ledoit and Wolf 2004). scikit-learn's `LinearDiscriminantAnalysis(solver="lsqr", shrinkage=..., priors=uniform)`
    gives the same functions up to the logarithm of the prior, when every speaker has as many rows of a class as any
    other.

    Args:
        vectors: (n, D) float.
        labels: (n,) class numbers.
        classes: how many there are.
        shrinkage: in (0, 1]; 1 takes the channels as independent and equally strong.
        speakers: (n,) who speaks. A class then stands where its speakers do on average, each counted alike however much
            he says of it; empty counts the rows alike.

    Returns:
        (classes, D) and (classes,) float32: a row's logits are `vectors @ weights.T + biases`.

    Raises:
        ValueError: the vectors do not scatter at all.
    """
    return discriminant_of(scatter_of(vectors, labels, classes, speakers), shrinkage)


@dataclass(frozen=True)
class Scatter:
    """All that the discriminant functions need to know of the vectors, whatever the shrinkage."""

    seen: np.ndarray
    """Classes that have rows."""
    means: np.ndarray
    """(classes, D): where each stands; 0 for one without rows."""
    covariance: np.ndarray
    """(D, D): mean of the classes' own."""


def scatter_of(vectors: np.ndarray, labels: np.ndarray, classes: int, speakers: Sequence[str] = ()) -> Scatter:
    """Means and covariance of the classes; arguments as in `fit_discriminant`."""
    seen, speaker = np.unique(labels), np.array(speakers or [""] * len(labels))
    means = np.zeros((classes, vectors.shape[1]))
    covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
    for label in seen:
        of_class = labels == label
        rows = vectors[of_class].astype(np.float64)
        present, number = np.unique(speaker[of_class], return_inverse=True)
        means[label] = np.mean([rows[number == who].mean(axis=0) for who in range(len(present))], axis=0)
        rows -= rows.mean(axis=0)
        covariance += rows.T @ rows / (len(rows) * len(seen))
    return Scatter(seen, means, covariance)


def discriminant_of(scatter: Scatter, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and biases as `fit_discriminant` gives them.

    Raises:
        ValueError: the vectors do not scatter at all.
    """
    seen, means = scatter.seen, scatter.means
    scale = np.trace(scatter.covariance) / len(scatter.covariance)
    if not scale > 0:
        raise ValueError("the vectors of each class are all the same")
    covariance = (1 - shrinkage) * scatter.covariance
    covariance[np.diag_indices_from(covariance)] += shrinkage * scale
    weights = cho_solve(cho_factor(covariance, lower=True, overwrite_a=True), means.T).T
    biases = np.full(len(means), UNSEEN)
    biases[seen] = -0.5 * np.einsum("kd,kd->k", weights[seen], means[seen])
    return weights.astype(np.float32), biases.astype(np.float32)
