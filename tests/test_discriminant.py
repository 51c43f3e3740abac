"""The closed-form classifier against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emoboost.discriminant import UNSEEN, fit_discriminant


def clouds(rows: int, channels: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated vectors around a mean of each class, with every class in them."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(classes, size=rows - classes)])
    mixing = random.standard_normal((channels, channels))
    means = random.standard_normal((classes, channels)) * 3
    return (random.standard_normal((rows, channels)) @ mixing + means[labels]).astype(np.float32), labels


@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(("rows", "channels", "classes"), [(60, 5, 3), (40, 64, 4), (200, 16, 2)])
def test_equals_scikit_learn(shrinkage: float, rows: int, channels: int, classes: int) -> None:
    vectors, labels = clouds(rows, channels, classes, seed=rows)
    weights, biases = fit_discriminant(vectors, labels, classes, shrinkage)
    reference = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=shrinkage, priors=np.full(classes, 1 / classes)
    ).fit(vectors.astype(np.float64), labels)
    found = vectors @ weights.T + biases
    expected = reference.decision_function(vectors.astype(np.float64))
    if classes == 2:  # scikit-learn gives the difference
        expected = np.stack([np.zeros(rows), expected], axis=1)
    differences = found - found[:, :1]
    np.testing.assert_allclose(differences, expected - expected[:, :1], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found.argmax(axis=1), reference.predict(vectors))


def test_a_class_stands_where_its_speakers_do_on_average() -> None:
    """One speaker who says ten times as much moves it no more than the others do."""
    vectors, labels = clouds(60, 5, 3, seed=1)
    speakers = [f"s{number}" for number in np.random.default_rng(0).choice(4, 60, p=[0.7, 0.1, 0.1, 0.1])]
    means = np.zeros((3, 5))
    covariance = np.zeros((5, 5))
    for label in range(3):
        own = [row for row in range(60) if labels[row] == label]
        of_speakers = {who: [vectors[row] for row in own if speakers[row] == who] for who in set(speakers)}
        means[label] = np.mean([np.mean(rows, axis=0) for rows in of_speakers.values() if rows], axis=0)
        covariance += np.cov(vectors[own].T, bias=True) / 3
    covariance = 0.6 * covariance + 0.4 * np.trace(covariance) / 5 * np.eye(5)
    weights, biases = fit_discriminant(vectors, labels, 3, 0.4, speakers)
    np.testing.assert_allclose(weights, means @ np.linalg.inv(covariance), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(biases, -0.5 * (weights * means).sum(axis=1), rtol=1e-3)


def test_a_class_that_is_not_there_is_never_chosen() -> None:
    vectors, labels = clouds(50, 8, 3, seed=0)
    weights, biases = fit_discriminant(vectors, labels, 4, 0.5)
    assert biases[3] == UNSEEN
    assert not weights[3].any()
    assert set((vectors @ weights.T + biases).argmax(axis=1)) <= {0, 1, 2}


def test_refuses_vectors_that_do_not_scatter() -> None:
    with pytest.raises(ValueError, match="all the same"):
        fit_discriminant(np.ones((6, 3), np.float32), np.array([0, 0, 0, 1, 1, 1]), 2, 0.5)


@given(shift=st.floats(-100, 100), seed=st.integers(0, 100))
def test_does_not_depend_on_the_origin_or_the_order(shift: float, seed: int) -> None:
    vectors, labels = clouds(40, 6, 3, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    first = fit_discriminant(vectors, labels, 3, 0.3)
    second = fit_discriminant(vectors[order] + np.float32(shift), labels[order], 3, 0.3)
    logits = [
        values @ weights.T + biases for values, (weights, biases) in ((vectors, first), (vectors + shift, second))
    ]
    relative = [values - values.mean(axis=1, keepdims=True) for values in logits]
    np.testing.assert_allclose(relative[0], relative[1], rtol=2e-2, atol=2e-2 * np.abs(relative[0]).max())
