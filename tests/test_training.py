"""Training is a pure function of what it may see; nothing of a tested speaker gets in."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brute
from scipy.special import log_softmax, softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_class_weight
from tiny_model import tiny_config

from emoboost.config import ModelConfig
from emoboost.discriminant import fit_discriminant
from emoboost.folds import PROTOCOLS, Rows
from emoboost.frozen import FrozenFeatures
from emoboost.recipe import Recipe
from emoboost.training import EpochReport, Learner, Trained, class_weights, segment_outputs, train_head
from emoboost.trials import Experiment, Trial, TrialResult, fit_temperature, list_trials, pool, run_trial
from emoboost.variants import VARIANTS

CONFIG = tiny_config()
ALONE = VARIANTS["encoder"].change(CONFIG)
QUICK = Recipe(epochs=2, batch_size=8, classifier_lr=0.02)
UTTERANCES, COPIES = 12, 2
SPEAKERS = ["a", "b", "c"] * 4
SEGMENTS = np.repeat(np.arange(UTTERANCES), [1, 2] * 6)
"""Utterance of each segment of one copy."""


def random_features(seed: int = 0) -> FrozenFeatures:
    """12 utterances of 1 or 2 segments in a clean and a second copy; speech of 1 to 150 frames."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [int((n == SEGMENTS).sum()) for n in range(UTTERANCES)]
    utterance = np.repeat(np.arange(UTTERANCES), np.multiply(sizes, COPIES))
    copy = np.concatenate([np.repeat(np.arange(COPIES), size) for size in sizes])
    count = len(utterance)
    shift = torch.from_numpy(utterance % 4)[:, None, None] * 0.1
    return FrozenFeatures(
        (torch.randn(count, 150, 64, generator=generator) + shift).half(),
        torch.randint(1, 151, (count,), generator=generator),
        torch.randn(count, 300, 40, generator=generator).half(),
        torch.randn(count, 36, 256, generator=generator).half(),
        utterance,
        copy,
    )


def rows_of(features: FrozenFeatures, rows: np.ndarray, copy: np.ndarray) -> FrozenFeatures:
    """These rows, each with another number of its copy."""
    index = torch.from_numpy(rows)
    assert features.mfcc is not None
    assert features.image is not None
    tensors = (features.frames[index], features.valid_frames[index], features.mfcc[index], features.image[index])
    return FrozenFeatures(*tensors, features.utterance[rows], copy)


@pytest.fixture(scope="module")
def features() -> FrozenFeatures:
    return random_features()


def labels_of(features: FrozenFeatures) -> np.ndarray:
    return features.utterance % 4


def changed(features: FrozenFeatures, rows: np.ndarray) -> FrozenFeatures:
    """The same, but for all that these rows hold."""
    other = random_features(99)

    def mixed(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
        copied = ours.clone()
        copied[torch.from_numpy(rows)] = theirs[torch.from_numpy(rows)] * 3
        return copied

    assert features.mfcc is not None
    assert features.image is not None
    assert other.mfcc is not None
    assert other.image is not None
    return dataclasses.replace(
        features,
        frames=mixed(features.frames, other.frames),
        mfcc=mixed(features.mfcc, other.mfcc),
        image=mixed(features.image, other.image),
    )


def trained(
    features: FrozenFeatures,
    rows: np.ndarray | None = None,
    config: ModelConfig = CONFIG,
    recipe: Recipe = QUICK,
    seed: int = 0,
    report: Callable[[EpochReport], None] | None = None,
) -> dict[str, torch.Tensor]:
    rows = np.arange(len(features.utterance)) if rows is None else rows
    return train_head(features, labels_of(features), rows, config, recipe, seed, report).head.state_dict()


def logits_from(learner: Learner, features: FrozenFeatures, rows: np.ndarray) -> np.ndarray:
    return segment_outputs(learner, features, rows).logits.numpy()


def same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


class TestTrainHead:
    @pytest.mark.parametrize("config", [CONFIG, ALONE])
    def test_a_recipe_with_shrinkage_replaces_the_classifier_alone(
        self, features: FrozenFeatures, config: ModelConfig
    ) -> None:
        rows = np.flatnonzero(features.utterance % 3 != 1)
        before = trained(features, rows, config)
        after = trained(features, rows, config, dataclasses.replace(QUICK, shrinkage=0.4))
        assert same_bits(*({n: t for n, t in each.items() if "classify" not in n} for each in (before, after)))
        learner = train_head(features, labels_of(features), rows, config, QUICK, 0).learner
        vectors = segment_outputs(learner, features, rows).vector.numpy()
        reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.4, priors=[0.25] * 4)
        reference.fit(vectors.astype(np.float64), labels_of(features)[rows])
        found = vectors @ after["classify.weight"].numpy().T + after["classify.bias"].numpy()
        expected = reference.decision_function(vectors)
        np.testing.assert_allclose(
            found - found[:, :1], expected - expected[:, :1], rtol=1e-3, atol=1e-3 * np.abs(expected).max()
        )

    def test_with_a_shrinkage_each_speaker_of_a_class_counts_alike(self, features: FrozenFeatures) -> None:
        count = len(features.utterance)
        rows = np.sort(np.random.default_rng(0).permutation(count)[: 2 * count // 3])
        speakers = [SPEAKERS[utterance] for utterance in features.utterance]
        recipe = dataclasses.replace(QUICK, shrinkage=0.4)
        learner = train_head(features, labels_of(features), rows, ALONE, recipe, 0, speakers=speakers).learner
        vectors = segment_outputs(learner, features, rows).vector.numpy()
        of_rows = [speakers[row] for row in rows]
        weights, biases = fit_discriminant(vectors, labels_of(features)[rows], 4, 0.4, of_rows)
        np.testing.assert_allclose(learner.head.classify.weight.detach().numpy(), weights, rtol=1e-4, atol=1e-5)
        assert not np.allclose(fit_discriminant(vectors, labels_of(features)[rows], 4, 0.4)[1], biases)

    def test_same_seed_same_bits(self, features: FrozenFeatures) -> None:
        first = trained(features)
        torch.manual_seed(1234)  # what ran before does not matter
        assert same_bits(first, trained(features))

    def test_another_seed_another_head(self, features: FrozenFeatures) -> None:
        first, second = trained(features, seed=0), trained(features, seed=1)
        assert not torch.equal(first["classify.weight"], second["classify.weight"])
        assert not torch.equal(first["enhance.weight"], second["enhance.weight"])

    def test_sees_its_rows_only(self, features: FrozenFeatures) -> None:
        rows = np.flatnonzero(features.utterance % 3 != 0)
        rest = np.setdiff1d(np.arange(len(features.utterance)), rows)
        assert same_bits(trained(features, rows), trained(changed(features, rest), rows))
        assert not same_bits(trained(features, rows), trained(changed(features, rows[:1]), rows))

    @settings(max_examples=8, deadline=None)
    @given(st.sets(st.integers(0, UTTERANCES - 1), min_size=2, max_size=UTTERANCES - 1))
    def test_nothing_of_other_utterances_gets_in(self, seen: set[int]) -> None:
        """Whatever is left out: its frames, MFCCs, images and labels change no bit of the head."""
        features = random_features()
        rows = np.flatnonzero(np.isin(features.utterance, list(seen)))
        rest = np.setdiff1d(np.arange(len(features.utterance)), rows)
        recipe = dataclasses.replace(QUICK, class_weights=True)
        labels = labels_of(features)
        other_labels = np.where(np.isin(np.arange(len(labels)), rest), (labels + 1) % 4, labels)
        ours = train_head(features, labels, rows, CONFIG, recipe, 0)
        theirs = train_head(changed(features, rest), other_labels, rows, CONFIG, recipe, 0)
        assert ours.weights_hash == theirs.weights_hash

    def test_statistics_are_of_the_training_rows(self, features: FrozenFeatures) -> None:
        rows = np.flatnonzero(features.utterance % 3 != 0)
        found = trained(features, rows)
        frames = features.frames.float().numpy()
        pooled = np.stack([frames[row, : int(features.valid_frames[row])].mean(axis=0) for row in rows])
        np.testing.assert_allclose(found["standardise.mean"], pooled.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found["standardise.std"], pooled.std(axis=0, ddof=1), atol=1e-5)
        assert features.image is not None
        positions = features.image.double().numpy()[rows].reshape(-1, 256)
        np.testing.assert_allclose(found["spectrogram.standardise.mean"], positions.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found["spectrogram.standardise.std"], positions.std(axis=0, ddof=1), atol=1e-5)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_features_that_are_no_numbers(self, features: FrozenFeatures, value: float) -> None:
        frames = features.frames.clone()
        frames[5, 0, 0] = value
        broken = dataclasses.replace(features, frames=frames, valid_frames=features.valid_frames.clamp(min=1))
        with pytest.raises(FloatingPointError, match=r"the loss is not a number in epoch 1; lower the learning rates"):
            trained(broken)

    def test_starts_from_no_opinion(self, features: FrozenFeatures) -> None:
        """One batch before any step: every class is as likely as another, and nothing is penalised."""
        reports: list[EpochReport] = []
        recipe = dataclasses.replace(QUICK, epochs=1, batch_size=1_000)
        trained(features, config=ALONE, recipe=recipe, report=reports.append)
        assert [report.epoch for report in reports] == [1]
        assert reports[0].loss == pytest.approx(math.log(4), abs=1e-6)

    def test_learns_and_reports_every_epoch(self, features: FrozenFeatures) -> None:
        reports: list[EpochReport] = []
        recipe = dataclasses.replace(QUICK, epochs=8, classifier_l2=0.0, weight_penalty=0.0)
        rows = np.arange(len(features.utterance))
        learner = train_head(features, labels_of(features), rows, CONFIG, recipe, 0, reports.append).learner
        assert [report.epoch for report in reports] == list(range(1, 9))
        assert reports[-1].loss < reports[0].loss / 2
        predicted = logits_from(learner, features, rows).argmax(axis=1)
        assert (predicted == labels_of(features)).mean() > 0.9

    def test_a_step_of_the_classifier(self, features: FrozenFeatures) -> None:
        """The encoder alone, one batch, one step, against AdamW written out: all weights move by the rate."""
        recipe = dataclasses.replace(QUICK, epochs=1, batch_size=1_000, weight_decay=0.0, gradient_clip=1e9)
        found = trained(features, config=ALONE, recipe=recipe)
        vectors = np.stack(
            [
                frames[: int(valid)].mean(axis=0)
                for frames, valid in zip(features.frames.double().numpy(), features.valid_frames, strict=True)
            ]
        )
        vectors = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0, ddof=1)
        residual = 0.25 - np.eye(4)[labels_of(features)]
        gradient = residual.T @ vectors / len(vectors)
        step = -recipe.classifier_lr * gradient / (np.abs(gradient) + 1e-8)
        np.testing.assert_allclose(found["classify.weight"].numpy(), step, rtol=1e-3, atol=1e-6)

    def test_guidance_that_is_always_skipped_is_not_trained(self, features: FrozenFeatures) -> None:
        still = dataclasses.replace(QUICK, guidance_skip=1.0, weight_penalty=0.0, weight_decay=0.0)
        moved = dataclasses.replace(still, guidance_skip=0.5)
        untrained = dataclasses.replace(still, guidance_lr=0.0)
        start = trained(features, recipe=untrained)
        assert torch.equal(trained(features, recipe=still)["enhance.weight"], start["enhance.weight"])
        assert not torch.equal(trained(features, recipe=moved)["enhance.weight"], start["enhance.weight"])

    def test_the_penalty_keeps_the_weights_at_mean_pooling(self, features: FrozenFeatures) -> None:
        def departure(penalty: float) -> float:
            recipe = dataclasses.replace(
                QUICK, epochs=4, guidance_lr=3e-3, weight_penalty=penalty, guidance_skip=0.0, classifier_l2=0.0
            )
            rows = np.arange(len(features.utterance))
            head = train_head(features, labels_of(features), rows, CONFIG, recipe, 0).head
            with torch.inference_mode():
                batch = features.batch(rows)
                weights = head(*batch).weights * batch[1][:, None]
            return float((weights[weights > 0] - 1).square().mean())

        assert departure(100.0) < departure(0.0) / 2

    def test_logits_do_not_depend_on_the_batch(self, features: FrozenFeatures) -> None:
        rows = np.arange(len(features.utterance))
        learner = train_head(features, labels_of(features), rows, CONFIG, QUICK, 0).learner
        assert not learner.training
        together = logits_from(learner, features, rows)
        apart = np.concatenate([logits_from(learner, features, rows[i : i + 1]) for i in rows])
        np.testing.assert_allclose(together, apart, rtol=0, atol=1e-5)


class TestInterrupted:
    """A training that is cut off after any epoch and started anew ends with the same bits."""

    RECIPES = (
        dataclasses.replace(QUICK, epochs=3),
        dataclasses.replace(QUICK, epochs=4, patience=1, cosine=False, class_weights=True, label_smoothing=0.1),
    )

    def train(self, features: FrozenFeatures, recipe: Recipe, state: Path | None, stop: int | None = None) -> Trained:
        def report(done: EpochReport) -> None:
            if done.epoch == stop:
                raise KeyboardInterrupt

        rows, validation = np.flatnonzero(features.utterance % 3 != 0), np.flatnonzero(features.utterance % 3 == 0)
        return train_head(
            features, labels_of(features), rows, CONFIG, recipe, 0, report, validation=validation, state=state
        )

    @pytest.mark.parametrize("recipe", RECIPES)
    @pytest.mark.parametrize("epoch", [1, 2])
    def test_after_an_epoch(self, features: FrozenFeatures, tmp_path: Path, recipe: Recipe, epoch: int) -> None:
        whole = self.train(features, recipe, None)
        state = tmp_path / "state"
        if len(whole.history) > epoch:
            with pytest.raises(KeyboardInterrupt):
                self.train(features, recipe, state, stop=epoch)
            torch.manual_seed(99)
        resumed = self.train(features, recipe, state)
        assert same_bits(resumed.head.state_dict(), whole.head.state_dict())
        assert resumed.history == whole.history

    def test_a_finished_training_is_not_repeated(self, features: FrozenFeatures, tmp_path: Path) -> None:
        whole = self.train(features, self.RECIPES[0], tmp_path / "state")
        again = self.train(features, self.RECIPES[0], tmp_path / "state", stop=1)
        assert same_bits(again.head.state_dict(), whole.head.state_dict())


class TestEarlyStopping:
    RECIPE = dataclasses.replace(QUICK, epochs=30, patience=2, classifier_lr=0.05)

    def test_keeps_the_best_epoch(self, features: FrozenFeatures) -> None:
        rows, validation = np.flatnonzero(features.utterance % 3 != 0), np.flatnonzero(features.utterance % 3 == 0)
        done = train_head(features, labels_of(features), rows, CONFIG, self.RECIPE, 0, validation=validation)
        scores = [report.validation_ua for report in done.history]
        best = int(np.argmax(scores))
        assert len(scores) == min(30, best + 3)
        probabilities = softmax(logits_from(done.learner, features, validation), axis=1)
        utterances = sorted(set(features.utterance[validation]))
        predicted = [probabilities[features.utterance[validation] == u].mean(axis=0).argmax() for u in utterances]
        assert scores[best] == pytest.approx(balanced_accuracy_score(np.array(utterances) % 4, predicted))

    def test_validation_rows_do_nothing_without_patience(self, features: FrozenFeatures) -> None:
        rows = np.arange(len(features.utterance))
        args = (features, labels_of(features), rows, CONFIG, QUICK, 0)
        with_rows, without = train_head(*args, validation=rows[:5]), train_head(*args)
        assert same_bits(with_rows.head.state_dict(), without.head.state_dict())
        assert with_rows.history == without.history

    def test_class_weights_are_scikit_learns(self) -> None:
        labels = np.array([0, 0, 0, 2, 2, 3])
        expected = compute_class_weight("balanced", classes=np.array([0, 2, 3]), y=labels)
        np.testing.assert_allclose(class_weights(labels, 4).numpy()[[0, 2, 3]], expected, rtol=1e-6)
        assert class_weights(labels, 4)[1] == 0


def experiment_of(
    features: FrozenFeatures, labels: Sequence[int] | None = None, protocol: str = "loso", recipe: Recipe = QUICK
) -> Experiment:
    truth = np.arange(UTTERANCES) % 4 if labels is None else np.array(labels)
    unique = [str(number) for number in range(UTTERANCES)]
    rows = Rows([str(n) for n in truth], SPEAKERS, unique, unique, unique, unique, unique)
    folds = PROTOCOLS[protocol].folds(rows)
    return Experiment(features, truth, folds, {"both": CONFIG, "alone": ALONE}, recipe)


def logits_of(experiment: Experiment, seed: int = 0) -> np.ndarray:
    results = [run_trial(experiment, Trial("both", seed, fold)) for fold in range(len(experiment.folds))]
    return pool(results).logits


class TestTrials:
    def test_who_speaks_in_each_row_reaches_the_closed_form(self, features: FrozenFeatures) -> None:
        plain = experiment_of(features, recipe=dataclasses.replace(QUICK, shrinkage=0.4))
        assert plain.speaking == []
        known = dataclasses.replace(plain, speakers=SPEAKERS)
        assert known.speaking == [SPEAKERS[utterance] for utterance in features.utterance]
        rows = np.flatnonzero(np.isin(features.utterance, known.folds[0].train))
        labels = known.truth[features.utterance]
        expected = train_head(features, labels, rows, ALONE, known.recipe, 0, speakers=known.speaking)
        assert run_trial(known, Trial("alone", 0, 0)).weights_hash == expected.weights_hash

    def test_never_trains_on_the_tested_speaker(self, features: FrozenFeatures) -> None:
        """Other labels and other second copies of speaker a change every head but the one that is tested on a."""
        expected = logits_of(experiment_of(features))
        is_a = np.array([SPEAKERS[number] == "a" for number in SEGMENTS])
        turned = [(n + 1) % 4 if speaker == "a" else n % 4 for n, speaker in enumerate(SPEAKERS)]
        second_copies_of_a = np.flatnonzero((features.copy == 1) & (features.utterance % 3 == 0))
        for other in (
            logits_of(experiment_of(features, turned)),
            logits_of(experiment_of(changed(features, second_copies_of_a))),
        ):
            np.testing.assert_array_equal(other[is_a], expected[is_a])
            assert (other[~is_a] != expected[~is_a]).any(axis=1).all()

    def test_the_strict_protocol_never_chooses_an_epoch_on_the_test_fold(self, features: FrozenFeatures) -> None:
        patient = dataclasses.replace(QUICK, epochs=6, patience=1)
        strict, leaky = (experiment_of(features, protocol=name, recipe=patient) for name in ("loso", "paper"))
        assert all(len(run_trial(strict, Trial("both", 0, fold)).history) == 6 for fold in range(3))
        assert all(fold.validation.tolist() == fold.test.tolist() for fold in leaky.folds)
        assert run_trial(leaky, Trial("both", 0, 0)).history[0].validation_ua is not None

    def test_tests_the_clean_copy(self, features: FrozenFeatures) -> None:
        experiment = experiment_of(features)
        run = pool([run_trial(experiment, Trial("both", 0, fold)) for fold in range(3)])
        np.testing.assert_array_equal(run.utterance, SEGMENTS)
        assert run.logits.shape == (len(SEGMENTS), 4)
        np.testing.assert_array_equal([SPEAKERS[number] for number in SEGMENTS], np.array(list("abc"))[run.fold])

    def test_each_fold_is_a_head_of_its_own(self, features: FrozenFeatures) -> None:
        rows = np.flatnonzero(features.utterance % 3 != 1)
        trained_alone = train_head(features, labels_of(features), rows, CONFIG, QUICK, 3)
        tested = np.flatnonzero((features.utterance % 3 == 1) & (features.copy == 0))
        found = run_trial(experiment_of(features), Trial("both", 3, 1))
        np.testing.assert_array_equal(found.logits, logits_from(trained_alone.learner, features, tested))
        assert found.weights_hash == trained_alone.weights_hash
        np.testing.assert_array_equal(found.utterance, features.utterance[tested])

    def test_tries_the_tested_utterances_under_conditions(self, features: FrozenFeatures, tmp_path: Path) -> None:
        """Here two that change nothing."""
        clean = np.flatnonzero(features.copy == 0)
        tried = rows_of(features, np.tile(clean, 2), np.repeat([0, 1], len(clean)))
        result = run_trial(dataclasses.replace(experiment_of(features), changed=tried), Trial("both", 3, 1))
        assert result.changed is not None
        for condition in (0, 1):
            rows = result.changed.condition == condition
            np.testing.assert_array_equal(result.changed.utterance[rows], result.utterance)
            np.testing.assert_allclose(result.changed.logits[rows], result.logits, rtol=1e-5, atol=1e-6)
        assert set(result.changed.utterance) == set(result.utterance), "of test speakers alone"
        assert result.weights_hash == run_trial(experiment_of(features), Trial("both", 3, 1)).weights_hash
        result.save(tmp_path / "r.npz")
        stored = TrialResult.load(tmp_path / "r.npz").changed
        assert stored is not None
        for name, values in vars(result.changed).items():
            np.testing.assert_array_equal(getattr(stored, name), values)
        whole = dataclasses.replace(experiment_of(features), changed=tried, inner=[experiment_of(features).folds] * 3)
        assert run_trial(whole, Trial("both", 3, 1, 0)).changed is None, "an inner fold fits the temperature alone"

    def test_a_result_survives_its_file(self, features: FrozenFeatures, tmp_path: Path) -> None:
        patient = dataclasses.replace(QUICK, patience=1)
        result = run_trial(experiment_of(features, protocol="paper", recipe=patient), Trial("alone", 0, 0))
        result.save(tmp_path / "r.npz")
        stored = TrialResult.load(tmp_path / "r.npz")
        assert stored.history == result.history
        np.testing.assert_array_equal(stored.logits, result.logits)
        np.testing.assert_array_equal(stored.utterance, result.utterance)
        np.testing.assert_array_equal(stored.vectors, result.vectors)
        np.testing.assert_array_equal(stored.frame_weights, result.frame_weights)
        assert stored.weights_hash == result.weights_hash
        assert [file.name for file in tmp_path.iterdir()] == ["r.npz"]

    def test_every_trial_has_a_name_of_its_own(self, features: FrozenFeatures) -> None:
        del features
        trials = list(list_trials(["both", "alone"], [0, 1], 3, [2, 2, 1], ["both"]))
        names = [trial.name for trial in trials]
        assert len(set(names)) == len(names) == 2 * 2 * 3 + 2 * 5
        assert all(trial.variant == "both" for trial in trials if trial.inner is not None)

    def test_an_utterance_tested_twice_is_refused(self, features: FrozenFeatures) -> None:
        result = run_trial(experiment_of(features), Trial("alone", 0, 0))
        with pytest.raises(ValueError, match="utterance 0 is tested by folds 0 and 1"):
            pool([result, result])

    def test_probabilities_are_means_of_segments(self, features: FrozenFeatures) -> None:
        experiment = experiment_of(features)
        run = pool([run_trial(experiment, Trial("both", 0, fold)) for fold in range(3)])
        tested, found = run.probabilities(temperature=2.0)
        np.testing.assert_array_equal(tested, np.arange(UTTERANCES))
        expected = [softmax(run.logits[run.utterance == n] / 2, axis=1).mean(axis=0) for n in range(UTTERANCES)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


class TestTemperature:
    @pytest.mark.parametrize("scale", [0.3, 1.0, 5.0, 200.0])
    def test_equals_brute_force(self, scale: float) -> None:
        random = np.random.default_rng(0)
        truth = random.integers(0, 4, 300)
        logits = scale * (random.normal(size=(300, 4)) + 1.5 * np.eye(4)[truth])

        def loss(temperature: np.ndarray) -> float:
            return float(-log_softmax(logits / temperature, axis=1)[np.arange(300), truth].mean())

        expected = brute(loss, [slice(0.05, 4 * max(scale, 5), 0.01 * max(scale / 5, 1))])
        assert fit_temperature(logits, truth) == pytest.approx(float(expected[0]), rel=1e-3)

    def test_scales_with_the_logits(self) -> None:
        random = np.random.default_rng(1)
        truth = random.integers(0, 3, 200)
        logits = random.normal(size=(200, 3)) + np.eye(3)[truth]
        assert fit_temperature(4 * logits, truth) == pytest.approx(4 * fit_temperature(logits, truth), rel=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestOnGpu:
    STILL = dataclasses.replace(
        CONFIG,
        mfcc_branch=dataclasses.replace(CONFIG.mfcc_branch, lstm_dropout=0.0),
        enhancement=dataclasses.replace(CONFIG.enhancement, guidance_dropout=0.0),
    )

    def test_without_chance_it_is_the_cpus_head(self, features: FrozenFeatures) -> None:
        rows = np.arange(len(features.utterance))
        recipe = dataclasses.replace(QUICK, mixed_precision=False, guidance_skip=0.0)
        arguments = (features, labels_of(features), rows, self.STILL, recipe, 0)
        here, there = train_head(*arguments), train_head(*arguments, device="cuda")
        np.testing.assert_allclose(
            logits_from(there.learner, features, rows), logits_from(here.learner, features, rows), atol=1e-2
        )

    def test_learns_in_mixed_precision(self, features: FrozenFeatures) -> None:
        rows = np.arange(len(features.utterance))
        recipe = dataclasses.replace(QUICK, epochs=8, classifier_l2=0.0, weight_penalty=0.0)
        done = train_head(features, labels_of(features), rows, CONFIG, recipe, 0, device="cuda")
        assert done.history[-1].loss < done.history[0].loss / 2
        assert (logits_from(done.learner, features, rows).argmax(axis=1) == labels_of(features)).mean() > 0.9
