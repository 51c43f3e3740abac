"""The field's figures against scikit-learn, scipy and plain loops."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from emoboost.metrics import (
    confusion,
    macro_f1,
    mcnemar,
    paired_bootstrap,
    recalls,
    reliability,
    risk_coverage,
    speaker_bootstrap,
    unweighted_accuracy,
    weighted_accuracy,
)


class TestMetrics:
    @given(
        st.integers(2, 7).flatmap(
            lambda classes: st.tuples(
                st.just(classes),
                st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=60),
            )
        )
    )
    def test_equal_scikit_learns(self, drawn: tuple[int, list[tuple[int, int]]]) -> None:
        classes, pairs = drawn
        truth, predicted = np.array(pairs).T
        counts = confusion(truth, predicted, classes)
        np.testing.assert_array_equal(counts, confusion_matrix(truth, predicted, labels=range(classes)))
        assert weighted_accuracy(counts) == pytest.approx(accuracy_score(truth, predicted))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # predicted classes that never occur
            expected = balanced_accuracy_score(truth, predicted)
        assert unweighted_accuracy(counts) == pytest.approx(expected)
        present = np.flatnonzero(counts.sum(axis=1))
        expected = recall_score(truth, predicted, labels=present, average=None)
        np.testing.assert_allclose(recalls(counts)[present], expected)
        assert np.isnan(np.delete(recalls(counts), present)).all()
        assert macro_f1(counts) == pytest.approx(f1_score(truth, predicted, average="macro"))


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Truth, two predictions of 80 % and 60 %, and speakers, of 300 utterances in 4 classes."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 300)
    good, fair = (np.where(random.random(300) < share, truth, random.integers(0, 4, 300)) for share in (0.73, 0.47))
    return truth, good, fair, [f"s{n}" for n in random.integers(0, 8, 300)]


Labelled = tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]


def plain_bootstrap(speakers: list[str], figure: Callable[[np.ndarray], float], draws: int) -> tuple[float, float]:
    """Percentiles of a figure of row numbers: speakers drawn one by one, and their rows put together."""
    random = np.random.default_rng(1)
    rows = {name: np.flatnonzero(np.array(speakers) == name) for name in sorted(set(speakers))}
    values = [figure(np.concatenate([rows[n] for n in random.choice(list(rows), len(rows))])) for _ in range(draws)]
    low, high = np.percentile(values, [2.5, 97.5])
    return low, high


class TestBootstrap:
    def test_equals_a_plain_one(self, labelled: Labelled) -> None:
        """Another program and another seed: percentiles agree within their own error."""
        truth, good, _, speakers = labelled
        found = speaker_bootstrap(truth, good, speakers, 4, draws=4_000)
        expected = plain_bootstrap(speakers, lambda rows: float((truth[rows] == good[rows]).mean()), 4_000)
        assert found["wa"].interval == pytest.approx(expected, abs=0.01)
        expected = plain_bootstrap(speakers, lambda rows: balanced_accuracy_score(truth[rows], good[rows]), 500)
        assert found["ua"].interval == pytest.approx(expected, abs=0.02)
        assert found["wa"].value == pytest.approx(accuracy_score(truth, good))
        assert found["ua"].value == pytest.approx(balanced_accuracy_score(truth, good))
        assert found["macro_f1"].value == pytest.approx(f1_score(truth, good, average="macro"))

    def test_seeds_share_the_draw(self, labelled: Labelled) -> None:
        """The interval is that of the mean over seeds: drawing anew for each seed would make it too narrow."""
        truth, good, fair, speakers = labelled

        def mean(rows: np.ndarray) -> float:
            return float(np.mean([(truth[rows] == predicted[rows]).mean() for predicted in (good, fair)]))

        found = speaker_bootstrap(truth, np.stack([good, fair]), speakers, 4, draws=4_000)["wa"]
        assert found.value == pytest.approx(mean(np.arange(300)))
        assert found.interval == pytest.approx(plain_bootstrap(speakers, mean, 4_000), abs=0.01)
        twice = speaker_bootstrap(truth, np.stack([good, good]), speakers, 4)
        assert twice == speaker_bootstrap(truth, good, speakers, 4)

    def test_speakers_stand_or_fall_together(self) -> None:
        """Two speakers, one always right and one always wrong: some draws have only one of them."""
        truth = np.array([0, 1] * 50)
        predicted = np.where(np.arange(100) < 50, truth, 1 - truth)
        speakers = ["right"] * 50 + ["wrong"] * 50
        assert speaker_bootstrap(truth, predicted, speakers, 2)["wa"] == (0.5, (0.0, 1.0))

    def test_one_speaker_has_no_interval(self, labelled: Labelled) -> None:
        truth, good, fair, _ = labelled
        assert {e.interval for e in speaker_bootstrap(truth, good, ["s"] * 300, 4).values()} == {None}
        assert {e.interval for e in paired_bootstrap(truth, fair, good, ["s"] * 300, 4).values()} == {None}

    def test_the_same_seed_the_same_interval(self, labelled: Labelled) -> None:
        truth, good, _, speakers = labelled
        first, second, other = (speaker_bootstrap(truth, good, speakers, 4, draws=200, seed=s) for s in (5, 5, 6))
        assert first == second
        assert first != other

    def test_paired(self, labelled: Labelled) -> None:
        truth, good, fair, speakers = labelled
        found = paired_bootstrap(truth, fair, good, speakers, 4, draws=4_000)

        def difference(rows: np.ndarray) -> float:
            return float((truth[rows] == good[rows]).mean() - (truth[rows] == fair[rows]).mean())

        assert found["wa"].value == pytest.approx(difference(np.arange(300)))
        assert found["wa"].interval == pytest.approx(plain_bootstrap(speakers, difference, 4_000), abs=0.01)
        expected = balanced_accuracy_score(truth, good) - balanced_accuracy_score(truth, fair)
        assert found["ua"].value == pytest.approx(expected)
        assert {*paired_bootstrap(truth, good, good, speakers, 4).values()} == {(0.0, (0.0, 0.0))}


class TestMcnemar:
    @pytest.mark.parametrize(("first", "second"), [(3, 12), (12, 3), (0, 5), (7, 7)])
    def test_equals_the_binomial_tail(self, first: int, second: int) -> None:
        truth = np.zeros(first + second + 20, np.int64)
        one, two = truth.copy(), truth.copy()
        two[:first] = 1
        one[first : first + second] = 1
        expected = min(1.0, 2 * binom.cdf(min(first, second), first + second, 0.5))
        assert mcnemar(truth, one, two) == pytest.approx(expected)

    def test_equal_answers(self) -> None:
        assert mcnemar(np.array([0, 1]), np.array([0, 0]), np.array([0, 0])) == 1.0


class TestCalibration:
    def test_reliability_equals_scikit_learns(self) -> None:
        random = np.random.default_rng(3)
        first = random.random(500)
        probabilities = np.stack([first, 1 - first], axis=1)
        truth = (random.random(500) > first).astype(np.int64)
        found = reliability(probabilities, truth, bins=20)
        right = (probabilities.argmax(axis=1) == truth).astype(int)
        accuracy, confidence = calibration_curve(right, probabilities.max(axis=1), n_bins=20)
        filled = found.count > 0
        np.testing.assert_allclose(found.accuracy[filled], accuracy)
        np.testing.assert_allclose(found.confidence[filled], confidence)
        assert found.count.sum() == 500
        gap = sum(abs(a - c) * n for a, c, n in zip(accuracy, confidence, found.count[filled], strict=True)) / 500
        assert found.error == pytest.approx(gap)

    def test_full_confidence_is_in_the_last_bin(self) -> None:
        assert reliability(np.array([[1.0, 0.0]]), np.array([0])).count[-1] == 1

    def test_risk_coverage(self) -> None:
        probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
        coverage, risk = risk_coverage(probabilities, np.array([0, 1, 1, 0]))
        np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
        np.testing.assert_allclose(risk, [0, 0, 1 / 3, 2 / 4])
