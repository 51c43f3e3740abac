"""Figures of rows that count differently against scikit-learn with sample_weight, plain loops and repeated rows."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from emoboost.metrics import (
    confusion,
    lowest_confidence,
    macro_f1,
    precisions,
    recalls,
    reliability,
    risk_coverage,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_bootstrap,
)

CLASSES = 4
Rows = list[tuple[int, int, float]]
rows = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1), st.floats(0.01, 100)), min_size=1, max_size=60
)


def arrays(drawn: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth, predicted, weights = zip(*drawn, strict=True)
    return np.array(truth), np.array(predicted), np.array(weights)


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, truth and whole weights of 200 rows; some confidences occur several times."""
    random = np.random.default_rng(0)
    confidence = np.round(random.uniform(0.3, 1.0, 200), 2)
    predicted = random.integers(0, CLASSES, 200)
    probabilities = np.repeat(((1 - confidence) / (CLASSES - 1))[:, None], CLASSES, axis=1)
    probabilities[np.arange(200), predicted] = confidence
    truth = np.where(random.random(200) < confidence, predicted, random.integers(0, CLASSES, 200))
    return probabilities, truth, random.integers(1, 6, 200)


Judged = tuple[np.ndarray, np.ndarray, np.ndarray]


@given(rows)
def test_equal_scikit_learns(drawn: Rows) -> None:
    truth, predicted, weights = arrays(drawn)
    counts = confusion(truth, predicted, CLASSES, weights)
    expected = confusion_matrix(truth, predicted, labels=range(CLASSES), sample_weight=weights)
    np.testing.assert_allclose(counts, expected)
    assert weighted_accuracy(counts) == pytest.approx(accuracy_score(truth, predicted, sample_weight=weights))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that never occur
        ua = balanced_accuracy_score(truth, predicted, sample_weight=weights)
        f1 = f1_score(truth, predicted, average="macro", sample_weight=weights)
    assert unweighted_accuracy(counts) == pytest.approx(ua)
    assert macro_f1(counts) == pytest.approx(f1)
    for found, score, axis in ((recalls(counts), recall_score, 1), (precisions(counts), precision_score, 0)):
        present = np.flatnonzero(counts.sum(axis=axis))
        expected = score(truth, predicted, labels=present, average=None, sample_weight=weights)
        np.testing.assert_allclose(found[present], expected)
        assert np.isnan(np.delete(found, present)).all()


@given(rows, st.floats(0.01, 100))
def test_equal_weights_are_none(drawn: Rows, weight: float) -> None:
    truth, predicted, _ = arrays(drawn)
    weights = np.full(len(truth), weight)
    with_them, without = confusion(truth, predicted, CLASSES, weights), confusion(truth, predicted, CLASSES)
    np.testing.assert_allclose(with_them, weight * without)
    assert weighted_accuracy(with_them) == pytest.approx(weighted_accuracy(without))
    assert unweighted_accuracy(with_them) == pytest.approx(unweighted_accuracy(without))
    assert macro_f1(with_them) == pytest.approx(macro_f1(without))
    names = [str(row) for row in range(len(truth))]
    one, other = (
        weighted_bootstrap(truth, predicted, each, names, CLASSES, draws=20) for each in (weights, np.ones(len(truth)))
    )
    for first, second in ((one.wa, other.wa), (one.ua, other.ua), (one.macro_f1, other.macro_f1)):
        assert first.value == pytest.approx(second.value)
        assert first.interval == (second.interval and pytest.approx(second.interval))


def test_a_weight_is_a_repetition(judged: Judged) -> None:
    probabilities, truth, weights = judged
    again = np.repeat(np.arange(len(truth)), weights)
    weighted = reliability(probabilities, truth, weights=weights.astype(float))
    repeated = reliability(probabilities[again], truth[again])
    for found, expected in zip(vars(weighted).values(), vars(repeated).values(), strict=True):
        np.testing.assert_allclose(found, expected)
    assert weighted.error == pytest.approx(repeated.error)
    coverage, risk = risk_coverage(probabilities, truth, weights)
    all_coverage, all_risk = risk_coverage(probabilities[again], truth[again])
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    last = np.cumsum(weights[order]) - 1
    np.testing.assert_allclose(coverage, all_coverage[last])
    np.testing.assert_allclose(risk, all_risk[last])
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == truth
    for wanted in (0.5, 0.7, 0.9, 0.95):
        found = lowest_confidence(confidence, right, weights, wanted)
        assert found == lowest_confidence(confidence[again], right[again], np.ones(len(again)), wanted)


class TestBootstrap:
    def test_equals_drawing_one_by_one(self, judged: Judged) -> None:
        """The same draws, each scored by scikit-learn with a row's weight times how often its unit was drawn."""
        probabilities, truth, weights = judged
        predicted = probabilities.argmax(axis=1)
        speakers = [f"s{row % 13}" for row in range(len(truth))]
        found = weighted_bootstrap(truth, predicted, weights, speakers, CLASSES, draws=200, seed=4)
        names = sorted(set(speakers))
        chosen = np.random.default_rng(4).multinomial(13, np.full(13, 1 / 13), size=200)
        number = [names.index(speaker) for speaker in speakers]
        drawn = [weights * times[number] for times in chosen]
        kept = [(truth[each > 0], predicted[each > 0], each[each > 0]) for each in drawn]
        wa = [accuracy_score(one, two, sample_weight=each) for one, two, each in kept]
        recall = [recall_score(t, p, labels=[2], average=None, sample_weight=each)[0] for t, p, each in kept]
        assert found.wa.value == pytest.approx(accuracy_score(truth, predicted, sample_weight=weights))
        assert found.wa.interval == pytest.approx(tuple(np.percentile(wa, [2.5, 97.5])))
        assert found.recall[2].interval == pytest.approx(tuple(np.percentile(recall, [2.5, 97.5])))

    def test_many_units_in_pieces(self, judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
        probabilities, truth, weights = judged
        names = [str(row) for row in range(len(truth))]
        arguments = (truth, probabilities.argmax(axis=1), weights, names, CLASSES)
        at_once = weighted_bootstrap(*arguments, draws=50)
        monkeypatch.setattr("emoboost.metrics.MOST_CHOSEN", 3 * len(truth))
        in_pieces = weighted_bootstrap(*arguments, draws=50)
        assert in_pieces.wa.interval == pytest.approx(at_once.wa.interval)

    def test_a_class_that_nobody_names(self) -> None:
        truth, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
        found = weighted_bootstrap(truth, predicted, np.ones(3), ["a", "b", "c"], 3)
        assert np.isnan(found.recall[2].value)
        assert found.recall[2].interval is found.precision[2].interval is None
        assert found.recall[0].interval is not None

    def test_one_unit_has_no_interval(self) -> None:
        found = weighted_bootstrap(np.array([0, 1]), np.array([0, 0]), np.ones(2), ["a", "a"], 2)
        assert (found.wa.value, found.wa.interval, found.recall[0].interval) == (0.5, None, None)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.3, 0.5, 0.7]) | st.floats(0, 1), st.booleans(), st.integers(1, 9)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([0.0, 0.5, 0.75, 0.9, 0.95, 1.0]),
)
def test_lowest_confidence(drawn: list[tuple[float, bool, int]], wanted: float) -> None:
    """Against trying every confidence."""
    confidence, right, weights = (np.array(column) for column in zip(*drawn, strict=True))
    good = [
        threshold
        for threshold in confidence.tolist()
        if np.average(right[confidence >= threshold], weights=weights[confidence >= threshold]) >= wanted - 1e-12
    ]
    assert lowest_confidence(confidence, right, weights, wanted) == min(good, default=None)
