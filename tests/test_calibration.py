"""Temperature and bias: applied in one way everywhere, and fitted as an independent optimiser fits them."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from labelled_speech import drawn_labels, logits_of
from scipy.optimize import minimize
from sklearn.metrics import balanced_accuracy_score, log_loss
from tiny_model import save_tiny_model

from emoboost.calibration import probabilities, tensor_probabilities
from emoboost.calibration_fit import (
    FOLDS,
    Calibration,
    Heard,
    cross_validated,
    figures_of,
    fit,
    folds_of,
)
from emoboost.checkpoint import ModelFolder
from emoboost.predict import EmotionModel, preparation_for
from emoboost.trials import Pooled
from emoboost.utterance import Utterance

BIAS = (0.5, -1.0, 0.25, 0.0)


def plainly(logits: np.ndarray, temperature: float, bias: tuple[float, ...]) -> list[list[float]]:
    """Softmax, one number at a time."""
    rows = []
    for row in logits.tolist():
        powers = [np.exp(each / temperature + add) for each, add in zip(row, bias, strict=True)]
        rows.append([power / sum(powers) for power in powers])
    return rows


def labelled(n: int, seed: int, temperature: float = 2.0, bias: tuple[float, ...] = BIAS) -> Heard:
    """Utterances of 1 to 3 segments whose labels come from a world with this temperature and bias."""
    rng = np.random.default_rng(seed)
    segments = rng.integers(1, 4, n)
    logits = rng.normal(0, 3, (segments.sum(), 4))
    shares = np.array(plainly(logits, temperature, bias))
    first = np.cumsum(segments) - segments
    means = [shares[start : start + count].mean(axis=0) for start, count in zip(first, segments, strict=True)]
    truth = np.array([rng.choice(4, p=mean / mean.sum()) for mean in means])
    return Heard(logits, segments, truth, rng.uniform(0.5, 2, n), [str(row) for row in range(n)])


def loss_of(heard: Heard, point: np.ndarray, spread: float = 1.0) -> float:
    """What the fit minimises, from its description and without its code."""
    shares, first, total = plainly(heard.logits, float(np.exp(point[0])), tuple(point[1:])), 0, 0.0
    weights = heard.weight / np.mean(heard.weight)
    for count, truth, weight in zip(heard.segments, heard.truth, weights, strict=True):
        total -= weight * np.log(sum(row[truth] for row in shares[first : first + count]) / count)
        first += count
    return float(total + sum(each**2 for each in point[1:] / spread) / 2)


class TestProbabilities:
    def test_equals_a_plain_loop(self) -> None:
        logits = np.random.default_rng(0).normal(0, 3, (20, 4))
        np.testing.assert_allclose(probabilities(logits, 0.7, BIAS), plainly(logits, 0.7, BIAS), atol=1e-12)
        np.testing.assert_allclose(probabilities(logits), plainly(logits, 1.0, (0,) * 4), atol=1e-12)
        each = np.linspace(0.5, 3, 20)[:, None]
        rows = [plainly(logits[row : row + 1], each[row, 0], BIAS)[0] for row in range(20)]
        np.testing.assert_allclose(probabilities(logits, each, BIAS), rows, atol=1e-12)

    def test_of_tensors(self) -> None:
        logits = np.random.default_rng(1).normal(0, 3, (20, 4)).astype(np.float32)
        found = tensor_probabilities(torch.from_numpy(logits), 0.7, BIAS)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), plainly(logits, 0.7, BIAS), atol=1e-6)

    def test_without_a_bias_every_bit_is_as_before_there_was_one(self) -> None:
        logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(2))
        assert torch.equal(tensor_probabilities(logits, 0.69, ()), (logits / 0.69).softmax(1))

    def test_of_pooled_trials(self) -> None:
        logits, utterance = np.random.default_rng(3).normal(0, 3, (5, 4)), np.array([0, 0, 3, 3, 3])
        _, found = Pooled(logits, utterance, np.zeros(5, np.int64)).probabilities(0.7, BIAS)
        rows = np.array(plainly(logits, 0.7, BIAS))
        np.testing.assert_allclose(found, [rows[:2].mean(axis=0), rows[2:].mean(axis=0)], atol=1e-12)


class TestModel:
    def test_a_bias_is_applied_to_every_segment(self, tiny_model: ModelFolder, clips: list[Path]) -> None:
        config = dataclasses.replace(tiny_model.config, temperature=1.7, bias=BIAS)
        model = EmotionModel(ModelFolder(tiny_model.path, config))
        prepared = preparation_for(config)([Utterance(str(clip), str(clip)) for clip in clips])
        logits = model.segment_logits(prepared.inputs, prepared.valid)
        expected = np.array(plainly(logits, 1.7, BIAS))
        np.testing.assert_allclose(model.segment_probabilities(prepared.inputs, prepared.valid), expected, atol=1e-6)
        counts = [outcome.n_segments for outcome in prepared.outcomes]
        assert max(counts) > 1
        for clip, count, end in zip(clips, counts, np.cumsum(counts), strict=True):
            mean = expected[end - count : end].mean(axis=0)
            prediction = model.predict(clip)
            np.testing.assert_allclose(list(prediction.probabilities.values()), mean, atol=1e-5)
            assert prediction.label == config.classes[mean.argmax()]

    def test_a_bias_changes_labels(self, tiny_model: ModelFolder, clips: list[Path]) -> None:
        before = EmotionModel(tiny_model)
        biased = dataclasses.replace(tiny_model.config, bias=(0.0, 0.0, 50.0, 0.0))
        after = EmotionModel(ModelFolder(tiny_model.path, biased))
        assert len({before.predict(clip).label for clip in clips}) > 1
        assert {after.predict(clip).label for clip in clips} == {"neutral"}

    def test_the_bundled_models_labels_are_the_same_bits(self, bundled: EmotionModel, clips: list[Path]) -> None:
        prepared = preparation_for(bundled.config)([Utterance(str(clip), str(clip)) for clip in clips[:4]])
        found = bundled.segment_probabilities(prepared.inputs, prepared.valid)
        logits = torch.from_numpy(bundled.segment_logits(prepared.inputs, prepared.valid))
        assert np.array_equal(found, (logits / bundled.config.temperature).softmax(1).numpy())


class TestFit:
    @pytest.mark.parametrize(("seed", "spread"), [(0, 1.0), (1, 1.0), (2, 0.3), (3, 5.0)])
    def test_equals_another_optimiser_on_a_plain_loss(self, seed: int, spread: float) -> None:
        heard = labelled(120, seed)
        best = minimize(lambda point: loss_of(heard, point, spread), np.full(5, 0.1), method="BFGS", tol=1e-6)
        found = fit(heard, spread)
        np.testing.assert_allclose([np.log(found.temperature), *found.bias], best.x, atol=2e-3)
        assert loss_of(heard, np.array([np.log(found.temperature), *found.bias]), spread) <= best.fun + 1e-6

    def test_on_what_a_network_says_of_speech(self, tiny_model: ModelFolder) -> None:
        logits, segments = logits_of(tiny_model.path)
        truth = np.array([tiny_model.config.classes.index(label) for label in drawn_labels(tiny_model)])
        heard = Heard(logits, segments, truth, np.ones(len(truth)), [str(row) for row in range(len(truth))])
        best = minimize(lambda point: loss_of(heard, point), np.zeros(5), method="BFGS", tol=1e-6)
        found = fit(heard)
        assert loss_of(heard, np.array([np.log(found.temperature), *found.bias])) <= best.fun + 1e-6

    def test_finds_the_world_that_the_labels_come_from(self) -> None:
        found = fit(labelled(8_000, 4, temperature=2.5))
        assert found.temperature == pytest.approx(2.5, rel=0.1)
        np.testing.assert_allclose(np.array(found.bias), np.array(BIAS) - np.mean(BIAS), atol=0.1)

    def test_is_the_same_each_time_and_in_every_order(self) -> None:
        heard = labelled(150, 5)
        assert fit(heard) == fit(heard)
        order = np.random.default_rng(0).permutation(150)
        pieces = np.split(heard.logits, heard.first[1:])
        shuffled = Heard(
            np.concatenate([pieces[row] for row in order]),
            heard.segments[order],
            heard.truth[order],
            heard.weight[order],
            [heard.group[row] for row in order],
        )
        np.testing.assert_allclose(fit(shuffled).bias, fit(heard).bias, atol=1e-4)

    def test_a_constant_added_to_a_segment_changes_nothing(self) -> None:
        heard = labelled(150, 6)
        moved = dataclasses.replace(heard, logits=heard.logits + np.linspace(-50, 50, len(heard.logits))[:, None])
        np.testing.assert_allclose(fit(moved).bias, fit(heard).bias, atol=1e-4)
        assert sum(fit(heard).bias) == pytest.approx(0, abs=1e-6)

    def test_only_the_ratios_of_weights_count(self) -> None:
        heard = labelled(150, 7)
        found = fit(dataclasses.replace(heard, weight=heard.weight * 8))
        np.testing.assert_allclose([found.temperature, *found.bias], [fit(heard).temperature, *fit(heard).bias])

    def test_a_weight_of_2_is_the_row_twice(self) -> None:
        heard = dataclasses.replace(labelled(150, 8), weight=np.where(np.arange(150) < 40, 2.0, 1.0))
        twice = heard.rows(np.arange(150) < 40)
        doubled = Heard(
            np.concatenate([heard.logits, twice.logits]),
            np.concatenate([heard.segments, twice.segments]),
            np.concatenate([heard.truth, twice.truth]),
            np.ones(190),
            [*heard.group, *twice.group],
        )
        np.testing.assert_allclose(fit(heard, 1e4).bias, np.array(fit(doubled, 1e4).bias), atol=1e-3)

    def test_a_class_that_no_label_names_keeps_a_probability(self) -> None:
        heard = labelled(200, 9)
        heard = heard.rows(heard.truth != 3)
        found = fit(heard)
        assert found.bias[3] == min(found.bias)
        assert found.bias[3] > -5
        assert 0.0005 < heard.probabilities(found)[:, 3].mean() < 0.1

    def test_labels_that_the_numbers_do_not_know_make_them_their_shares(self) -> None:
        heard = labelled(4_000, 10)
        truth = np.random.default_rng(1).choice(4, 4_000, p=[0.4, 0.3, 0.2, 0.1])
        found = dataclasses.replace(heard, truth=truth, weight=np.ones(4_000))
        shares = found.probabilities(fit(found))
        np.testing.assert_allclose(shares.mean(axis=0), [0.4, 0.3, 0.2, 0.1], atol=0.03)
        assert shares.std(axis=0).max() < 0.1


class TestCrossValidation:
    def test_each_utterance_is_measured_by_a_fit_without_its_group(self) -> None:
        heard = dataclasses.replace(labelled(160, 11), group=[f"s{row % 7}" for row in range(160)])
        before = Calibration(1.3, ())
        checked = cross_validated(heard, before)
        fold = folds_of(heard.group, heard.truth)
        after = np.zeros((160, 4))
        for row in range(160):
            others = np.array([fold[other] != fold[row] for other in range(160)])
            after[row] = heard.rows(np.arange(160) == row).probabilities(fit(heard.rows(others)))[0]
        assert checked.folds == FOLDS
        assert checked.fitted == fit(heard)
        assert checked.after.nll == pytest.approx(figures_of(after, heard.truth, heard.weight).nll, abs=1e-9)
        assert checked.before == figures_of(heard.probabilities(before), heard.truth, heard.weight)

    def test_a_calibration_that_is_needed_is_better(self) -> None:
        assert cross_validated(labelled(200, 12, temperature=3.0), Calibration(1.0, ())).is_better

    def test_one_that_has_nothing_to_find_is_not(self) -> None:
        """The model is calibrated already: what is fitted is noise, which shows only where it was not fitted."""
        checked = [
            cross_validated(labelled(100, seed, 1.0, (0.0,) * 4), Calibration(1.0, ())) for seed in range(20, 30)
        ]
        assert sum(not each.is_better for each in checked) >= 6


class TestFigures:
    def test_equal_scikit_learns(self) -> None:
        heard = labelled(300, 13)
        shares = heard.probabilities(Calibration(1.2, BIAS))
        found = figures_of(shares, heard.truth, heard.weight)
        assert found.nll == pytest.approx(
            log_loss(heard.truth, shares, sample_weight=heard.weight, labels=[0, 1, 2, 3])
        )
        assert found.ua == pytest.approx(
            balanced_accuracy_score(heard.truth, shares.argmax(axis=1), sample_weight=heard.weight)
        )

    def test_calibration_error_equals_a_plain_loop(self) -> None:
        heard = labelled(300, 14)
        shares = heard.probabilities(Calibration(1.2, BIAS))
        gaps = 0.0
        for low in range(10):
            rows = [row for row, share in enumerate(shares) if low <= share.max() * 10 < low + 1]
            confidence = sum(heard.weight[row] * shares[row].max() for row in rows)
            right = sum(heard.weight[row] for row in rows if shares[row].argmax() == heard.truth[row])
            gaps += abs(confidence - right)
        assert figures_of(shares, heard.truth, heard.weight).ece == pytest.approx(gaps / heard.weight.sum())

    def test_a_class_that_does_not_occur_has_no_recall(self) -> None:
        shares = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
        assert figures_of(shares, np.array([0, 1]), np.ones(2)).ua == 0.5

    def test_an_impossible_truth_costs_a_number(self) -> None:
        assert 600 < figures_of(np.array([[1.0, 0.0]]), np.array([1]), np.ones(1)).nll < 700


class TestFolds:
    @given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=2, max_size=80))
    def test_no_group_is_on_both_sides(self, rows: list[tuple[int, int]]) -> None:
        group, truth = [str(name) for name, _ in rows], np.array([label for _, label in rows])
        fold = folds_of(group, truth)
        assert set(fold.tolist()) == set(range(min(FOLDS, len(set(group)))))
        assert len({(name, number) for name, number in zip(group, fold.tolist(), strict=True)}) == len(set(group))

    @given(st.lists(st.integers(0, 3), min_size=5, max_size=100))
    def test_single_utterances_are_dealt_out_class_by_class(self, labels: list[int]) -> None:
        fold = folds_of([str(row) for row in range(len(labels))], np.array(labels))
        sizes = Counter(fold.tolist())
        assert max(sizes.values()) - min(sizes.values()) <= 1
        for label in set(labels):
            counts = [sum(np.array(labels)[fold == number] == label) for number in range(FOLDS)]
            assert max(counts) - min(counts) <= 1

    def test_large_groups_lie_apart(self) -> None:
        fold = folds_of(["a"] * 50 + ["b"] * 50 + ["c"] * 10 + ["d"] * 10, np.zeros(120, np.int64), most=2)
        assert Counter(fold.tolist()) == {0: 60, 1: 60}


def test_the_fit_does_not_change_what_it_is_given(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model")
    logits, segments = logits_of(folder.path)
    heard = Heard(logits, segments, np.arange(len(segments)) % 4, np.ones(len(segments)), list(map(str, segments)))
    copies = logits.copy(), segments.copy()
    cross_validated(heard, Calibration(1.0, ()))
    assert np.array_equal(copies[0], logits)
    assert np.array_equal(copies[1], segments)
