"""Experiments without Ray: what is checked before the work, what a worker does, what becomes of its results."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from emoboost.checkpoint import CONFIG, TRAINING_AUDIO, ModelFolder, find_model, load_frozen, load_trained, save_model
from emoboost.config import EnhancementConfig, MfccBranchConfig
from emoboost.corpus import read_corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.enrolment import DRAWS, parse_adapt
from emoboost.errors import EmoboostError, OutputError, UsageError
from emoboost.evaluation import Scores
from emoboost.feature_cache import FeatureCache
from emoboost.frozen import encode, keep_inputs
from emoboost.label_maps import load_label_map, merged_classes
from emoboost.model import EnhancementHead, MsEmoBoost
from emoboost.predict import load_model, preparation_for
from emoboost.priors import trained_on
from emoboost.recipe import Recipe
from emoboost.report.figures import labels_of
from emoboost.scoring import pooled_temperature, scores_of
from emoboost.survey import survey
from emoboost.training import EpochReport
from emoboost.trials import Trial, TrialResult, fit_temperature, run_trial
from emoboost.utterance import Utterance
from emoboost.variants import ALONE, VARIANTS
from jobs.caching import CacheWork, EncodePacks, prepare_pack
from jobs.cross_corpus import cross_protocol, join
from jobs.evaluate import evaluation_of, remarks_on
from jobs.laboratory import Laboratory, Plan, open_run, prepare, prepare_fixed
from jobs.score_model import FIXED, heard_before, warnings_of
from jobs.score_model import evaluation_of as evaluation_of_fixed
from jobs.tensorboard import write_tensorboard
from jobs.train import Origin, card_facts, provenance, published_whole, training_audio
from jobs.trial_progress import TrialProgress
from jobs.trial_workers import EVENTS, Events, TrialWork, run_one

RECIPE = Recipe(
    name="quick",
    copies=("clean", "speed 0.9"),
    epochs=2,
    batch_size=8,
    mfcc_branch=MfccBranchConfig(frame_pool=4, lstm_layers=1, lstm_hidden=4),
    enhancement=EnhancementConfig(guidance_dim=4, form="mean_start", standardise_frames=True),
)


def manifest_of(file: Path, clips: Sequence[Path], labels: Sequence[str], speakers: Sequence[str]) -> str:
    rows = [f"{clip},{label},{speaker}" for clip, label, speaker in zip(clips, labels, speakers, strict=True)]
    file.write_text("\n".join(["path,label,speaker", *rows, ""]))
    return str(file)


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> str:
    """Twelve clips of two classes and three speakers."""
    file = tmp_path_factory.mktemp("corpus") / "acted.csv"
    return manifest_of(file, clips[:12], ["anger", "sad"] * 6, [f"s{n // 2 % 3}" for n in range(12)])


def plan_for(model: ModelFolder, recipe: Recipe = RECIPE, **changes: object) -> Plan:
    source = EncoderSource(model=str(model.path))
    return dataclasses.replace(Plan(variants=("both", "encoder"), seeds=(0,), recipe=recipe, source=source), **changes)


def filled(laboratory: Laboratory) -> Laboratory:
    """Features computed in this process, without Ray."""
    config, encoders = laboratory.plan.source.load("x", laboratory.config.classes)
    preparation = preparation_for(laboratory.config, laboratory.corpus.base)
    entries = []
    for wanted in laboratory.missing_features():
        prepared = preparation([wanted.utterance], [wanted.change])
        keep = keep_inputs(prepared.inputs, prepared.valid, config)
        inputs_only = laboratory.plan.recipe.tunes
        cut = encoders.cut_to(laboratory.config)
        entries.append((wanted.name, keep if inputs_only else encode(prepared.inputs, prepared.valid, cut)))
    laboratory.cache.publish(entries)
    return laboratory


def done(laboratory: Laboratory, folder: Path) -> tuple[TrialWork, dict[Trial, TrialResult]]:
    """Every trial run in this process."""
    work = laboratory.trial_work(folder, "cpu")
    (folder / EVENTS).mkdir(parents=True)
    experiment = work.experiment()
    for trial in work.trials:
        assert run_one(work, experiment, trial, Events(folder / EVENTS / "0.jsonl"))
    return work, work.results()


@pytest.fixture(scope="module")
def laboratory(acted: str, tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    plan = plan_for(tiny_model, calibrated=("both",))
    return filled(prepare(read_corpus(acted), plan, tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def results(
    laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrialWork, dict[Trial, TrialResult]]:
    return done(laboratory, tmp_path_factory.mktemp("run") / "trials")


class TestClassifierOnly:
    """Vectors are those of the base model, in training and test; only the classifier is new."""

    def test_is_the_closed_form_of_its_vectors(self, acted: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
        source = EncoderSource(model=str(tiny_model.path), classifier_only=True)
        recipe = dataclasses.replace(RECIPE, shrinkage=0.5)
        plan = plan_for(tiny_model, recipe, source=source, variants=("both",))
        laboratory = filled(prepare(read_corpus(acted), plan, tmp_path))
        work = laboratory.trial_work(tmp_path / "trials", "cpu")
        experiment = work.experiment()
        result = run_trial(experiment, work.trials[0])
        assert result.history == ()
        head = EnhancementHead(tiny_model.config).eval()
        head.load_state_dict(load_trained(tiny_model))
        fold, features = experiment.folds[0], experiment.features
        with torch.inference_mode():
            vectors = head(*features.batch(np.arange(len(features.utterance)))).vector.numpy()
        seen = np.isin(features.utterance, fold.train)
        speakers = [experiment.speaking[row] for row in np.flatnonzero(seen)]
        truth = experiment.truth[features.utterance]
        weights, biases = fit_discriminant(vectors[seen], truth[seen], 2, 0.5, speakers)
        tested = np.isin(features.utterance, fold.test) & (features.copy == 0)
        np.testing.assert_allclose(result.logits, vectors[tested] @ weights.T + biases, rtol=1e-4, atol=1e-4)


class TestEncoderAlone:
    """Nothing is computed that no variant looks at."""

    def test_same_figures_without_the_guidances_inputs(
        self, acted: str, tiny_model: ModelFolder, tmp_path: Path, results: tuple[TrialWork, dict[Trial, TrialResult]]
    ) -> None:
        plan = plan_for(tiny_model, variants=(ALONE,))
        laboratory = filled(prepare(read_corpus(acted), plan, tmp_path / "cache"))
        assert laboratory.config.mfcc_branch is laboratory.config.spectrogram_branch is None
        features = laboratory.cache.features([[each.name for each in wanted] for wanted in laboratory.wanted])
        assert features.mfcc is features.image is None
        _, found = done(laboratory, tmp_path / "trials")
        both = results[1]
        for trial, result in found.items():
            np.testing.assert_array_equal(result.logits, both[trial].logits)

    def test_needs_no_alexnet(self, acted: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
        config = VARIANTS[ALONE].change(dataclasses.replace(tiny_model.config, name="alone"))
        saved = save_model(tmp_path / "alone", config, MsEmoBoost(config).head.state_dict(), load_frozen(tiny_model))
        corpus = read_corpus(acted)
        assert prepare(corpus, plan_for(saved, variants=(ALONE,)), tmp_path / "cache").missing_features()
        with pytest.raises(UsageError, match=r"--base-model .*alone: it has no spectrogram branch to take AlexNet"):
            prepare(corpus, plan_for(saved), tmp_path / "cache")
        with pytest.raises(UsageError, match=r"--base-model .*alone: it has no spectrogram branch to take AlexNet"):
            EncoderSource(model=str(saved.path), alexnet="any.safetensors").load("x", ("a", "b"))


class TestPrepared:
    def test_nothing_is_missing_once_it_is_there(self, laboratory: Laboratory) -> None:
        assert laboratory.missing_features() == []
        assert len(laboratory.cache.index()) == 24

    def test_the_same_audio_under_another_name_is_found(
        self, laboratory: Laboratory, clips: list[Path], tmp_path: Path, tiny_model: ModelFolder
    ) -> None:
        copies = []
        for clip in clips[:12]:
            copies.append(tmp_path / f"copy of {clip.name}")
            copies[-1].write_bytes(clip.read_bytes())
        other = manifest_of(tmp_path / "m.csv", copies, ["fear", "neutral"] * 6, ["x", "x", "y", "y", "z", "z"] * 2)
        again = prepare(read_corpus(other), plan_for(tiny_model), laboratory.cache.folder.parent)
        assert again.missing_features() == []

    def test_only_what_is_trained_on_is_copied(self, laboratory: Laboratory) -> None:
        assert [len(copies) for copies in laboratory.wanted] == [2] * 12

    def test_remarks(self, laboratory: Laboratory) -> None:
        assert remarks_on(laboratory) == []
        leaky = dataclasses.replace(laboratory.protocol, leaky=True)
        assert remarks_on(dataclasses.replace(laboratory, protocol=leaky))[0].startswith("LEAKY protocol: ")
        texts = dataclasses.replace(laboratory.corpus, texts=["t"] * 12)
        assert "share sentences" in remarks_on(dataclasses.replace(laboratory, corpus=texts))[0]

    def test_a_leaky_protocol_chooses_its_epoch(self, acted: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
        found = prepare(read_corpus(acted), plan_for(tiny_model), tmp_path, protocol="paper")
        assert found.plan.recipe.patience == RECIPE.epochs
        assert found.plan.recipe.epochs == RECIPE.epochs

    def test_splits_that_share_speakers_are_leaky(self, acted: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
        lines = Path(acted).read_text().splitlines()
        splits = ["split", *(["train"] * 8), *(["test"] * 4)]
        (tmp_path / "m.csv").write_text("\n".join(f"{line},{split}" for line, split in zip(lines, splits, strict=True)))
        found = prepare(read_corpus(str(tmp_path / "m.csv")), plan_for(tiny_model), tmp_path, protocol="fixed")
        assert found.evaluation().leaky
        assert remarks_on(found)[0] == (
            "LEAKY: 2 speakers are tested and trained on (for example s1); the figures are too good for unknown "
            "speakers"
        )
        assert found.plan.recipe.patience is None, "no epoch is chosen on the test"

    def test_a_run_is_gone_on_with_only_if_it_is_the_same(self, laboratory: Laboratory, tmp_path: Path) -> None:
        identity = laboratory.identity()
        open_run(tmp_path / "r/trials", identity, resume=False)
        open_run(tmp_path / "r/trials", identity, resume=True)
        with pytest.raises(OutputError, match="holds an evaluation already; go on with --resume"):
            open_run(tmp_path / "r/trials", identity, resume=False)
        with pytest.raises(OutputError, match="holds an evaluation with other manifest, protocol; repeat its command"):
            open_run(tmp_path / "r/trials", {**identity, "manifest": "x", "protocol": "y"}, resume=True)


class TestConditions:
    @pytest.fixture(scope="class")
    @classmethod
    def tried(cls, acted: str, tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
        conditions = ("after 0.5", "gain 6", "mulaw")
        plan = plan_for(tiny_model, dataclasses.replace(RECIPE, loudness=0.1), conditions=conditions)
        return filled(prepare(read_corpus(acted), plan, tmp_path_factory.mktemp("cache")))

    def test_are_tried_on_every_tested_utterance(self, tried: Laboratory) -> None:
        assert [[wanted.change.key for wanted in copies] for copies in tried.changed] == [
            list(tried.plan.conditions)
        ] * 12
        assert len(tried.cache.index()) == 12 * (2 + 3)
        assert tried.identity()["conditions"] == list(tried.plan.conditions)

    def test_become_scores(self, tried: Laboratory, tmp_path: Path) -> None:
        work = tried.trial_work(tmp_path, "cpu")
        experiment = work.experiment()
        found = {trial: run_trial(experiment, trial) for trial in work.trials}
        evaluation = evaluation_of(tried, found, [])
        for runs in evaluation.variants.values():
            (run,) = runs
            assert list(run.changed) == list(tried.plan.conditions)
            np.testing.assert_allclose(run.changed["gain 6"], run.probabilities, atol=1e-3)
            assert not np.allclose(run.changed["mulaw"], run.probabilities, atol=1e-4)
            assert all(np.allclose(values.sum(axis=1), 1) for values in run.changed.values())

    def test_a_fixed_model_is_tried_too(self, acted: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
        plan = plan_for(tiny_model, Recipe(copies=("clean",)), variants=(), seeds=(), conditions=("clean", "after 0.5"))
        corpus = read_corpus(acted)
        merged, merging = merged_classes(tiny_model.config.classes, None)
        laboratory = filled(prepare_fixed(corpus, plan, tmp_path, FIXED))
        evaluation = evaluation_of_fixed(tiny_model, laboratory, merging, merged, [], leaky=False)
        ((run,),) = evaluation.variants.values()
        np.testing.assert_array_equal(run.changed["clean"], run.probabilities)
        assert run.changed["after 0.5"].shape == run.probabilities.shape


class TestTrials:
    def test_become_scores(self, laboratory: Laboratory, results: tuple[TrialWork, dict[Trial, TrialResult]]) -> None:
        work, found = results
        (both,) = scores_of(found, "both", (0,), work.truth)
        (alone,) = scores_of(found, "encoder", (0,), work.truth)
        np.testing.assert_array_equal(both.tested, np.arange(12))
        np.testing.assert_array_equal([laboratory.folds[f].name for f in both.fold], laboratory.corpus.speakers)
        assert alone.calibrated is None
        assert both.calibrated is not None
        assert len(both.temperatures) == 3
        inner = [found[Trial("both", 0, 1, n)] for n in range(2)]
        logits = np.concatenate([result.logits for result in inner])
        truth = np.concatenate([work.truth[result.utterance] for result in inner])
        assert both.temperatures[1] == pytest.approx(fit_temperature(logits, truth))
        assert both.vectors is not None
        segments = found[Trial("both", 0, 0)]
        first = int(segments.utterance[0])
        mean = segments.vectors[segments.utterance == first].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(both.vectors[first], mean, rtol=1e-5)

    def test_a_fold_temperature_never_sees_its_test_speaker(self, laboratory: Laboratory) -> None:
        for fold, inner in zip(laboratory.folds, laboratory.inner, strict=True):
            for part in inner:
                assert not {*part.train.tolist(), *part.test.tolist()} & set(fold.test.tolist())

    def test_of_the_shipped_model_is_fitted_on_all_held_out_logits(
        self, results: tuple[TrialWork, dict[Trial, TrialResult]]
    ) -> None:
        work, found = results
        outer = [found[Trial("both", 0, fold)] for fold in range(3)]
        expected = fit_temperature(
            np.concatenate([r.logits for r in outer]), np.concatenate([work.truth[r.utterance] for r in outer])
        )
        assert pooled_temperature(found, "both", work.truth) == pytest.approx(expected)

    def test_become_an_evaluation(
        self, laboratory: Laboratory, results: tuple[TrialWork, dict[Trial, TrialResult]]
    ) -> None:
        evaluation = evaluation_of(laboratory, results[1], ["a remark"])
        assert list(evaluation.variants) == ["both", "encoder alone"]
        assert {example.title.split(": ")[1].split(",")[0] for example in evaluation.examples} == {"anger", "sadness"}
        for example in evaluation.examples:
            assert example.spectrogram.shape == (300, 200)
            spoken = example.weights[example.weights > 0]
            assert spoken.mean() == pytest.approx(1, abs=0.5), "relative to mean pooling"
        assert evaluation.parameters["both"] > evaluation.parameters["encoder alone"]

    def test_tell_what_happens(self, results: tuple[TrialWork, dict[Trial, TrialResult]]) -> None:
        work, _ = results
        progress = TrialProgress(work.folder / EVENTS, len(work.trials), 2, started=0)
        news = progress.look()
        assert (progress.done, progress.running, progress.failed) == (len(work.trials), {}, [])
        assert progress.look() == []
        assert progress.line() == f"{len(work.trials)} of {len(work.trials)} trainings"
        assert {"time", "process", "trial", "event", "epoch", "loss"} <= set(news[1])
        assert not list(work.folder.glob("*.state"))

    def test_a_loss_that_is_not_a_number_ends_them(self, laboratory: Laboratory, tmp_path: Path) -> None:
        recipe = dataclasses.replace(RECIPE, classifier_lr=1e30)
        wild = dataclasses.replace(laboratory, plan=dataclasses.replace(laboratory.plan, recipe=recipe))
        work = wild.trial_work(tmp_path, "cpu")
        events = Events(tmp_path / "0.jsonl")
        assert not run_one(work, work.experiment(), work.trials[0], events)
        progress = TrialProgress(tmp_path, 1, 2, started=0)
        progress.look()
        ((trial, reason),) = progress.failed
        assert trial == "both-seed0-fold000"
        assert "the loss is not a number in epoch 1" in reason
        assert [path.name for path in tmp_path.iterdir()] == ["0.jsonl"]

    def test_an_error_that_no_repetition_mends_ends_them(self, laboratory: Laboratory, tmp_path: Path) -> None:
        recipe = dataclasses.replace(RECIPE, classifier_lr=1e38)
        wild = dataclasses.replace(laboratory, plan=dataclasses.replace(laboratory.plan, recipe=recipe))
        work = wild.trial_work(tmp_path, "cpu")
        assert not run_one(work, work.experiment(), work.trials[0], Events(tmp_path / "0.jsonl"))
        assert json.loads((tmp_path / "0.jsonl").read_text().splitlines()[-1])["event"] == "failed"

    def test_may_keep_their_last_and_best_weights(self, laboratory: Laboratory, tmp_path: Path) -> None:
        recipe = dataclasses.replace(RECIPE, patience=1)
        plan = dataclasses.replace(laboratory.plan, recipe=recipe, keep_checkpoints=True)
        folds = [dataclasses.replace(fold, validation=fold.test, free_validation=True) for fold in laboratory.folds]
        work = dataclasses.replace(laboratory, plan=plan, folds=folds).trial_work(tmp_path, "cpu")
        assert run_one(work, work.experiment(), work.trials[0], Events(tmp_path / "0.jsonl"))
        state = torch.load(tmp_path / f"{work.trials[0].name}.state", weights_only=True)
        assert state["learner"].keys() == state["best"].keys()
        assert len(state["history"]) == 2

    def test_half_a_line_waits_for_its_end(self, tmp_path: Path) -> None:
        line = json.dumps({"time": 1, "trial": "t", "event": "epoch", "epoch": 1, "loss": 0.5})
        file = tmp_path / "0.jsonl"
        progress = TrialProgress(tmp_path, 1, 3, started=0)
        file.write_text(line[:20])
        assert progress.look() == []
        file.write_text(line + "\n")
        assert len(progress.look()) == 1
        assert progress.line() == "0 of 1 trainings · t epoch 1 of 3, loss 0.500"

    def test_a_torn_line_is_passed_over(self, tmp_path: Path) -> None:
        """A process that was killed while it wrote leaves half a line, and the next one writes on behind it."""
        line = json.dumps({"time": 1, "trial": "t", "event": "done"})
        (tmp_path / "0.jsonl").write_bytes(f"{line}\n{line[:20]}{line}\n{line}\n".encode() + b"\x00\xff\n")
        progress = TrialProgress(tmp_path, 3, 3, started=0)
        assert len(progress.look()) == 2
        assert progress.done == 2


def test_tensorboard_shows_trials_that_were_added(tmp_path: Path) -> None:
    nothing = np.zeros((0, 2))
    first, second = (
        TrialResult(nothing, nothing, nothing, nothing, (EpochReport(1, loss, 0.75),), "") for loss in (0.5, 0.25)
    )
    write_tensorboard(tmp_path / "tensorboard", {Trial("both", 0, 0): first})
    write_tensorboard(tmp_path / "tensorboard", {Trial("both", 0, 0): first, Trial("both", 1, 0): second})
    found = {}
    for run in (tmp_path / "tensorboard").iterdir():
        events = EventAccumulator(str(run))
        events.Reload()
        for tag in events.Tags()["scalars"]:
            found[run.name, tag] = [(event.step, event.value) for event in events.Scalars(tag)]
    runs = {"both-seed0-fold000": 0.5, "both-seed1-fold000": 0.25}
    expected = {(run, "loss"): [(1, loss)] for run, loss in runs.items()}
    assert found == expected | {(run, "validation_ua"): [(1, 0.75)] for run in runs}


def test_tuning_changes_the_encoder_and_only_its_last_layers(
    acted: str, tiny_model: ModelFolder, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(RECIPE, copies=("clean",), tune_encoder_layers=1, tune_alexnet=True, encoder_lr=1e-3)
    plan = plan_for(tiny_model, recipe, variants=("both",))
    laboratory = filled(prepare(read_corpus(acted), plan, tmp_path / "cache"))
    experiment = laboratory.trial_work(tmp_path, "cpu").experiment()
    assert experiment.encoders is not None
    before = {name: tensor.clone() for name, tensor in experiment.encoders.state_dict().items()}
    from emoboost.training import train_head

    features = experiment.features
    arguments = (features, experiment.truth[features.utterance], np.arange(8), laboratory.config, recipe, 0)
    state = tmp_path / "state"
    trained = train_head(*arguments, encoders=experiment.encoders, state=state)
    assert trained.learner.encoders is not None
    after = trained.learner.encoders.state_dict()
    changed = {name for name in before if not (before[name] == after[name]).all()}
    assert all("layers.1." in name or name.startswith("alexnet.") for name in changed)
    assert any("layers.1." in name for name in changed)
    assert any(name.startswith("alexnet.") for name in changed)
    assert all((before[name] == tensor).all() for name, tensor in experiment.encoders.state_dict().items())
    assert train_head(*arguments, encoders=experiment.encoders).weights_hash == trained.weights_hash


class TestCrossCorpus:
    def test_trains_on_one_and_tests_on_the_other(
        self, acted: str, clips: list[Path], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        other = manifest_of(tmp_path / "read.csv", clips[12:], ["anger", "sadness"] * 2, ["s0", "s0", "s1", "s1"])
        source, target = read_corpus(acted), read_corpus(other)
        joined = join(source, target)
        plan = plan_for(tiny_model, variants=("encoder",))
        laboratory = filled(prepare(joined, plan, tmp_path / "cache", protocol=cross_protocol(source, target)))
        assert [len(copies) for copies in laboratory.wanted] == [2] * 12 + [1] * 4
        work, results = done(laboratory, tmp_path / "trials")
        (scores,) = scores_of(results, "encoder", (0,), work.truth)
        np.testing.assert_array_equal(scores.tested, np.arange(12, 16))
        evaluation = laboratory.evaluation()
        assert evaluation.manifest_hash == target.manifest_hash
        assert evaluation.seconds == pytest.approx(laboratory.found.seconds[12:].sum())
        assert not evaluation.leaky
        assert any(
            line.startswith("2 speakers have the same name in both corpora (for example s0)")
            for line in remarks_on(laboratory)
        )

    def test_the_same_recording_on_both_sides_is_refused(
        self, acted: str, clips: list[Path], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        other = manifest_of(tmp_path / "m.csv", clips[:4], ["anger", "sadness"] * 2, ["a", "a", "b", "b"])
        source, target = read_corpus(acted), read_corpus(other)
        with pytest.raises(UsageError, match=r"audio .* is in training .* and in test"):
            prepare(join(source, target), plan_for(tiny_model), tmp_path, protocol=cross_protocol(source, target))

    def test_an_unreadable_recording_is_told_with_its_own_manifest(
        self, acted: str, clips: list[Path], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        other = manifest_of(tmp_path / "read.csv", clips[12:], ["anger", "sadness"] * 2, ["s0", "s0", "s1", "s1"])
        broken = manifest_of(
            tmp_path / "broken.csv", [*clips[:3], tmp_path / "gone.wav"], ["anger", "sadness"] * 2, list("aabb")
        )
        source, target = read_corpus(broken), read_corpus(other)
        with pytest.raises(UsageError, match=r"broken\.csv: row 4: .*gone\.wav"):
            prepare(join(source, target), plan_for(tiny_model), tmp_path, protocol=cross_protocol(source, target))

    def test_a_class_that_is_not_trained(self, acted: str, clips: list[Path], tmp_path: Path) -> None:
        other = manifest_of(tmp_path / "m.csv", clips[12:], ["anger", "fear"] * 2, ["a", "a", "b", "b"])
        with pytest.raises(UsageError, match=r"m\.csv: class fear is not in .*acted\.csv \(anger, sadness\)"):
            join(read_corpus(acted), read_corpus(other))


class TestLabelMaps:
    def test_rename_and_leave_out(self, clips: list[Path], tmp_path: Path) -> None:
        labels = ["joy", "sad", "angry", "bored", "fear", "neutral"]
        file = manifest_of(tmp_path / "m.csv", clips[:6], labels, list("abcabc"))
        corpus = read_corpus(file, load_label_map("valence"))
        assert list(corpus.labels) == ["positive", "negative", "negative", "negative", "negative"]
        assert corpus.left_out == {"neutral": 1}
        assert [utterance.uri for utterance in corpus.utterances] == [str(clip) for clip in clips[:5]]

    def test_a_file_may_admit_other_classes(self, clips: list[Path], tmp_path: Path) -> None:
        file = manifest_of(tmp_path / "m.csv", clips[:2], ["irony", "sad"], ["a", "b"])
        (tmp_path / "map.yaml").write_text("irony: irony\nsad: sadness\n")
        assert read_corpus(file, load_label_map(str(tmp_path / "map.yaml"))).classes == ("irony", "sadness")

    def test_names_of_emotions_are_canonical_on_both_sides(self, tmp_path: Path) -> None:
        (tmp_path / "map.yaml").write_text("irritated: Angry\nanger: anger\nbored: Low\n")
        assert load_label_map(str(tmp_path / "map.yaml")) == {"irritated": "anger", "anger": "anger", "boredom": "low"}

    @pytest.mark.parametrize("text", ["- a\n", "a: [", "a: 1\n", "a: {b: c}\n"])
    def test_a_file_of_another_form(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "map.yaml").write_text(text)
        with pytest.raises(UsageError, match=r"map\.yaml"):
            load_label_map(str(tmp_path / "map.yaml"))

    def test_nothing_is_left(self, acted: str) -> None:
        with pytest.raises(UsageError, match="the label map leaves nothing; it has anger, sadness"):
            read_corpus(acted, {"fear": "fear"})

    def test_merge_what_a_model_says(self) -> None:
        classes, table = merged_classes(("anger", "boredom", "happiness"), load_label_map("arousal"))
        assert classes == ("high", "low")
        np.testing.assert_array_equal(table, [[1, 0], [0, 1], [1, 0]])
        assert merged_classes(("anger", "fear"), None)[0] == ("anger", "fear")


def test_survey_names_what_cannot_be_read(acted: str, tmp_path: Path) -> None:
    corpus = read_corpus(acted)
    found = survey(corpus, 16_000)
    assert len(set(found.audio)) == 12
    assert not found.constant_length
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    utterances = [dataclasses.replace(corpus.utterances[0], uri=str(broken)), *corpus.utterances[1:]]
    with pytest.raises(EmoboostError, match=r"acted\.csv: row 1: .*broken\.wav.*; correct or remove that row"):
        survey(dataclasses.replace(corpus, utterances=utterances), 16_000)


class TestCaching:
    @pytest.fixture
    def work(self, laboratory: Laboratory, tmp_path: Path) -> CacheWork:
        wanted = [copies[0] for copies in laboratory.wanted[:2]]
        cache = FeatureCache.open(tmp_path / "cache", {"backbone": {}})
        plan = laboratory.plan
        return CacheWork(cache, [wanted], laboratory.config, plan.source, "", "cpu", inputs_only=False)

    def test_a_pack_is_published(self, work: CacheWork) -> None:
        (counts,) = EncodePacks(work)(prepare_pack(pa.table({"id": [0]}), work)).to_pylist()
        assert (counts["utterances"], counts["failure"]) == (2, "")
        assert set(work.cache.index()) == {entry.name for entry in work.packs[0]}

    def test_a_place_that_cannot_be_written_comes_back_in_words(self, work: CacheWork) -> None:
        row = prepare_pack(pa.table({"id": [0]}), work)
        shutil.rmtree(work.cache.folder)
        (counts,) = EncodePacks(work)(row).to_pylist()
        assert (
            "features cannot be written (No such file or directory); free space or choose --cache" in counts["failure"]
        )

    def test_a_recording_that_went_away_comes_back_in_words(self, work: CacheWork) -> None:
        gone = dataclasses.replace(work.packs[0][1], utterance=Utterance("gone", "gone.wav"))
        work = dataclasses.replace(work, packs=[[work.packs[0][0], gone]])
        (counts,) = EncodePacks(work)(prepare_pack(pa.table({"id": [0]}), work)).to_pylist()
        assert "acted.csv: row 2: " in counts["failure"]
        assert "gone.wav" in counts["failure"]
        assert work.cache.packs() == []


class TestModelFolder:
    def test_appears_whole(self, tmp_path: Path) -> None:
        with published_whole(tmp_path / "new/mine") as folder:
            (folder / "a").write_text("a")
            assert not (tmp_path / "new/mine").exists()
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]
        assert (tmp_path / "new/mine/a").read_text() == "a"

    def test_or_not_at_all(self, tmp_path: Path) -> None:
        def interrupted() -> None:
            with published_whole(tmp_path / "mine") as folder:
                (folder / "a").write_text("a")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert list(tmp_path.iterdir()) == []

    def test_stays_where_it_is_when_its_place_was_taken(self, tmp_path: Path) -> None:
        def taken() -> None:
            with published_whole(tmp_path / "mine") as folder:
                (folder / "a").write_text("a")
                (tmp_path / "mine").mkdir()
                (tmp_path / "mine/theirs").write_text("b")

        with pytest.raises(OutputError, match=r"mine: the model cannot be put there .* it is whole in (.*), move it"):
            taken()
        assert (tmp_path / ".mine.unfinished/a").read_text() == "a"
        assert (tmp_path / "mine/theirs").read_text() == "b"

    def test_where_a_file_system_is_mounted(self) -> None:
        with pytest.raises(OutputError, match=r"/proc: a file system is mounted there"), published_whole(Path("/proc")):
            pass


def test_ids_of_training_data_with_other_samples_are_told(laboratory: Laboratory, tiny_model: ModelFolder) -> None:
    corpus, found = laboratory.corpus, laboratory.found
    known = Path(shutil.copytree(tiny_model.path, laboratory.cache.folder.parent / "known"))
    (known / TRAINING_AUDIO).write_text(training_audio(corpus, found))
    folder = find_model(known)
    assert len(heard_before(folder, corpus, found)) == 12
    known_before = training_audio(corpus, found, {"0123": "somebody"})
    assert sorted(known_before.splitlines()) == sorted(["0123 somebody", *training_audio(corpus, found).splitlines()])
    assert training_audio(corpus, found, {}) == ""
    other = dataclasses.replace(found, audio=["0" * 64] * 12)
    assert heard_before(folder, corpus, other) == []
    (line,) = warnings_of(folder, corpus, [])
    first = corpus.utterances[0].utterance_id
    assert line.startswith(f"12 of 12 utterances have names of training data (for example {first})")
    (known / TRAINING_AUDIO).write_text(f"{'f' * 64} {Path(corpus.utterances[3].uri).stem}\n")
    (line,) = warnings_of(find_model(known), corpus, [])
    assert line.startswith("1 of 12 utterances have names of training data")


def test_a_fixed_model_may_be_an_encoder_alone(
    acted: str, clips: list[Path], tiny_model: ModelFolder, tmp_path: Path
) -> None:
    config = VARIANTS[ALONE].change(dataclasses.replace(tiny_model.config, name="alone"))
    saved = save_model(tmp_path / "alone", config, MsEmoBoost(config).head.state_dict(), load_frozen(tiny_model))
    source = EncoderSource(model=str(saved.path))
    plan = Plan(variants=(), seeds=(), recipe=Recipe(copies=("clean",)), source=source)
    laboratory = filled(prepare_fixed(read_corpus(acted), plan, tmp_path / "cache", FIXED))
    classes, merging = merged_classes(config.classes, None)
    evaluation = evaluation_of_fixed(saved, laboratory, merging, classes, [], leaky=False)
    (scores,) = evaluation.variants["alone"]
    expected = [list(load_model(saved.path).predict(clip).probabilities.values()) for clip in clips[:3]]
    np.testing.assert_allclose(scores.probabilities[:3], expected, atol=2e-3)  # cached as float16


def test_a_fixed_models_bias_decides_its_labels(
    acted: str, clips: list[Path], tiny_model: ModelFolder, tmp_path: Path
) -> None:
    """Before the temperature and after it."""
    path = Path(shutil.copytree(tiny_model.path, tmp_path / "model"))
    config = dataclasses.replace(tiny_model.config, temperature=3.0, bias=(-1.0, 0.0, 1.0, 0.0))
    (path / CONFIG).write_text(config.to_json())
    source = EncoderSource(model=str(path))
    plan = Plan(variants=(), seeds=(), recipe=Recipe(copies=("clean",)), source=source, conditions=("gain 0",))
    laboratory = filled(prepare_fixed(read_corpus(acted), plan, tmp_path / "cache", FIXED))
    classes, merging = merged_classes(config.classes, None)
    evaluation = evaluation_of_fixed(find_model(path), laboratory, merging, classes, [], leaky=False)
    (scores,) = evaluation.variants["tiny"]
    assert scores.calibrated is not None
    model, unbiased, changed = load_model(path), load_model(tiny_model.path), 0
    for clip, before, after in zip(clips[:12], scores.probabilities, scores.calibrated, strict=True):
        prediction = model.predict(clip)
        changed += prediction.label != unbiased.predict(clip).label
        np.testing.assert_allclose(after, list(prediction.probabilities.values()), atol=2e-3)  # cached as float16
        if len(prediction.segments) == 1:
            assert classes[before.argmax()] == prediction.label
            assert before.max() > after.max()
    assert changed
    assert scores.shares is scores.calibrated
    np.testing.assert_allclose(scores.changed["gain 0"], scores.calibrated, atol=2e-3)


def test_a_finished_model_labels_by_what_its_temperature_leaves() -> None:
    """Of an utterance with several segments the label depends on it: one sure segment outvotes two others, or not."""
    run = Scores(0, np.arange(1), np.zeros(1, np.int64), np.array([[0.6, 0.4]]), np.array([[0.45, 0.55]]))
    assert labels_of([run]).tolist() == [[0]]
    assert labels_of([dataclasses.replace(run, finished=True)]).tolist() == [[1]]


def test_training_notes_how_frequent_its_classes_were(acted: str, tiny_model: ModelFolder) -> None:
    corpus = read_corpus(acted)
    corpus = dataclasses.replace(corpus, labels=["anger"] * 9 + ["sadness"] * 3)
    noted = provenance(card_facts(corpus, Origin("acted", "ours", ""), 60.0, {}), corpus, "00", RECIPE, 0)
    assert noted["class_shares"] == {"anger": 0.75, "sadness": 0.25}
    config = dataclasses.replace(tiny_model.config, classes=corpus.classes, training=json.loads(json.dumps(noted)))
    shares, remark = trained_on(config)
    assert (shares.tolist(), remark) == ([0.75, 0.25], None)


class TestAdapted:
    def test_become_scores(self, acted: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
        """Three speakers of four utterances each."""
        recipe = dataclasses.replace(RECIPE, shrinkage=0.5)
        plan = plan_for(tiny_model, recipe, adapt=parse_adapt("speaker:2,all"), variants=("encoder",))
        laboratory = filled(prepare(read_corpus(acted), plan, tmp_path / "cache"))
        work = laboratory.trial_work(tmp_path / "trials", "cpu")
        experiment = work.experiment()
        (tmp_path / "trials").mkdir()
        for trial in work.trials:
            run_trial(experiment, trial).save(work.result_file(trial))
        ((run,),) = evaluation_of(laboratory, work.results(), []).variants.values()
        assert {name: labels.shape for name, labels in run.adapted.items()} == {"2": (DRAWS, 12), "all": (1, 12)}
        assert (run.adapted["all"] >= 0).all()
        speakers = np.array(laboratory.corpus.speakers)
        for draw in run.adapted["2"]:
            assert [int((draw[speakers == name] < 0).sum()) for name in sorted(set(speakers))] == [2, 2, 2]
        assert laboratory.identity()["adapt"] == ["2", "all"]
        assert all(history == () for history in run.histories), "the encoder alone has a closed form"
