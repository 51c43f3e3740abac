"""`calibrate`: a model folder whose numbers are those that a user's labels ask for, or none and the reason."""

import csv
import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from finished import annotated, summarise
from labelled_speech import (
    BIAS,
    TEMPERATURE,
    drawn_labels,
    logits_of,
    spans,
    speakers,
    write_truth,
)
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, log_loss
from tiny_model import CLASSES
from typer.testing import CliRunner

from emoboost.card import CALIBRATION
from emoboost.checkpoint import (
    CARD,
    FROZEN,
    TRAINED,
    TRAINING_AUDIO,
    ModelFolder,
    find_model,
    load_network,
)
from emoboost.encoder_source import EncoderSource
from emoboost.errors import EmoboostError, ManifestError, OutputError, UsageError
from emoboost.ledger import SUCCESS
from emoboost.predict import load_model
from emoboost.priors import trained_on
from emoboost.summary import CALIBRATED_ON
from emoboost.survey import survey
from emoboost.truth import read_truth
from jobs.calibrate import CalibrateOptions, calibrate_command
from jobs.cli import app
from jobs.console import calibration_text, summary_text
from jobs.exits import Exit
from jobs.model import show_command
from jobs.score_model import heard_before, warnings_of

ROWS = len(spans())


def mean_of(shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Of each utterance's segments, one after the other."""
    first = np.cumsum(counts) - counts
    return np.array([shares[start : start + count].mean(axis=0) for start, count in zip(first, counts, strict=True)])


def calibrate(model: Path | str, truth: Path, output: Path, as_json: bool = False, **options: Any) -> Exit:
    return calibrate_command(
        CalibrateOptions(model=str(model), truth=str(truth), output=output, **options), as_json=as_json
    )


@pytest.fixture(scope="module")
def labels(tiny_model: ModelFolder) -> list[str]:
    assert ROWS > 110
    return drawn_labels(tiny_model)


@pytest.fixture(scope="module")
def before(tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """The tiny model with a card and the list of what it was trained on."""
    path = tmp_path_factory.mktemp("before") / "tiny"
    shutil.copytree(tiny_model.path, path)
    (path / CARD).write_text("# tiny\n\nRandom weights.\n\n## Limits\n\nMany.\n")
    (path / TRAINING_AUDIO).write_text("0123 somebody\n")
    return find_model(path)


@pytest.fixture(scope="module")
def calibrated(before: ModelFolder, labels: list[str], tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("calibrated")
    truth = write_truth(folder / "calls.csv", labels, speaker=speakers())
    assert calibrate(before.path, truth, folder / "mine", description="our  calls,\nrecorded in 2026") is Exit.COMPLETE
    return find_model(folder / "mine")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    file = tmp_path_factory.mktemp("archive") / "m.csv"
    file.write_text("path\n" + "".join(f"{clip}\n" for clip in clips[:3]))
    return file


class TestTheNewModel:
    def test_its_weights_are_the_old_ones_byte_for_byte(self, before: ModelFolder, calibrated: ModelFolder) -> None:
        for name in (TRAINED, FROZEN):
            assert (calibrated.path / name).read_bytes() == (before.path / name).read_bytes()
        assert calibrated.config.weights == before.config.weights
        calibrated.verify()
        for name, tensor in load_network(calibrated).state_dict().items():
            assert torch.equal(tensor, load_network(before).state_dict()[name])

    def test_it_knows_what_it_was_fitted_on(self, calibrated: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        corpus = read_truth(str(write_truth(tmp_path / "t.csv", labels, speaker=speakers())), CLASSES).corpus
        found = survey(corpus, 16_000)
        ids = [utterance.utterance_id for utterance in corpus.utterances]
        assert calibrated.training_audio == {"0123": "somebody", **dict(zip(found.audio, ids, strict=True))}
        assert heard_before(calibrated, corpus, found) == ids

    def test_what_the_old_one_does_not_say_it_cannot_say(
        self, tiny_model: ModelFolder, labels: list[str], tmp_path: Path
    ) -> None:
        truth = write_truth(tmp_path / "t.csv", labels, speaker=speakers())
        calibrate(tiny_model.path, truth, tmp_path / "mine", anyway=True)
        folder = find_model(tmp_path / "mine")
        assert folder.training_audio == {}
        (line,) = warnings_of(folder, read_truth(str(truth), CLASSES).corpus, [])
        assert "does not say which audio it was trained on" in line

    def test_what_changed(self, before: ModelFolder, calibrated: ModelFolder) -> None:
        old, new = json.loads(before.config.to_json()), json.loads(calibrated.config.to_json())
        changed = {key for key in new if new[key] != old.get(key)}
        assert changed == {"name", "temperature", "bias", "calibrated_on", "training"}
        assert calibrated.config.calibrated_on == "our calls, recorded in 2026"
        assert calibrated.identity.startswith("mine@")
        assert calibrated.config.training["summary"] == before.config.training["summary"]
        assert not list(calibrated.path.parent.glob(".*"))

    def test_it_is_near_the_world_of_the_labels(self, calibrated: ModelFolder) -> None:
        assert calibrated.config.temperature == pytest.approx(TEMPERATURE, rel=0.35)
        found = np.array(calibrated.config.bias)
        np.testing.assert_allclose(found, np.array(BIAS) - np.mean(BIAS), atol=0.6)

    def test_it_says_what_was_fitted(self, before: ModelFolder, calibrated: ModelFolder) -> None:
        logits, counts = logits_of(before.path)
        model = load_model(calibrated.path)
        config = calibrated.config
        expected = mean_of(softmax(logits / config.temperature + np.array(config.bias), axis=1), counts)
        for row in (0, 40, ROWS - 1):
            clip, start, end = spans()[row]
            prediction = model.predict(clip, start=start, end=end)
            np.testing.assert_allclose(list(prediction.probabilities.values()), expected[row], atol=1e-5)

    def test_figures_before_are_those_of_the_old_model(
        self, before: ModelFolder, calibrated: ModelFolder, labels: list[str]
    ) -> None:
        logits, counts = logits_of(before.path)
        shares = mean_of(softmax(logits.astype(np.float64), axis=1), counts)
        facts = calibrated.config.training["calibration"]
        assert facts["before"]["nll"] == pytest.approx(log_loss(labels, shares, labels=list(CLASSES)), abs=1e-4)
        guessed = [CLASSES[number] for number in shares.argmax(axis=1)]
        assert facts["before"]["ua"] == pytest.approx(balanced_accuracy_score(labels, guessed))
        assert facts["after"]["nll"] < facts["before"]["nll"] - 0.2
        assert facts["after"]["ece"] < facts["before"]["ece"]
        assert facts["labels"] == {name: labels.count(name) for name in CLASSES}
        assert (facts["utterances"], facts["folds"], facts["apart"]) == (ROWS, 5, "speaker")
        assert facts["model"] == before.identity

    def test_its_probabilities_belong_to_the_mix_of_the_labels(
        self, calibrated: ModelFolder, labels: list[str]
    ) -> None:
        shares, remark = trained_on(calibrated.config)
        assert remark is None
        np.testing.assert_allclose(shares, [labels.count(name) / ROWS for name in CLASSES], atol=0.03)
        assert shares.sum() == pytest.approx(1)

    def test_its_card(self, before: ModelFolder, calibrated: ModelFolder) -> None:
        card, facts = calibrated.card, calibrated.config.training["calibration"]
        assert card.startswith("# mine\n\nRandom weights.\n\n## Limits\n\nMany.\n\n" + CALIBRATION)
        assert f"The weights are those of {before.identity}." in card
        assert "\nour calls, recorded in 2026.\n" in card
        assert "It helps on speech that it was not fitted on." in card
        assert f"| NLL (nats) | {facts['before']['nll']:.3f} | {facts['after']['nll']:.3f} |" in card
        assert f"| ECE | {facts['before']['ece']:.1%} | {facts['after']['ece']:.1%} |" in card

    def test_calibrated_once_more(self, calibrated: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        """The fit starts from the network, not from the earlier fit; the card has one such section."""
        truth = write_truth(tmp_path / "calls.csv", labels, speaker=speakers())
        calibrate(calibrated.path, truth, tmp_path / "again", anyway=True)
        again = find_model(tmp_path / "again")
        assert again.config.bias == calibrated.config.bias
        assert again.config.temperature == calibrated.config.temperature
        assert again.config.training["calibration"]["before"]["nll"] < 1.2
        assert again.card.count(CALIBRATION) == 1
        assert again.card.startswith("# again\n\nRandom weights.")
        assert again.config.calibrated_on == f"calls.csv, {ROWS} labelled utterances"

    def test_a_model_trained_from_its_encoders_is_not_calibrated(self, calibrated: ModelFolder) -> None:
        config, _ = EncoderSource(model=str(calibrated.path)).load("other", ("a", "b"))
        assert (config.bias, config.calibrated_on, config.temperature) == ((), None, 1.0)


class TestOutputsOfIt:
    def test_say_on_which_speech(self, calibrated: ModelFolder, manifest: Path, tmp_path: Path) -> None:
        ledger = annotated(manifest, tmp_path / "out", calibrated)
        (part,) = (tmp_path / "out/labels").iterdir()
        assert pq.read_schema(part).metadata[CALIBRATED_ON] == b"our calls, recorded in 2026"
        summary = summarise(ledger)
        assert summary.complete
        marker = json.loads((tmp_path / "out" / SUCCESS).read_text())
        assert marker["calibrated_on"] == summary.to_dict()["calibrated_on"] == "our calls, recorded in 2026"
        text = summary_text(summary, 1.0, None, "random weights")
        assert "Scores   probabilities on speech like that of the calibration: our calls, recorded in 2026" in text
        assert "not calibrated" not in text

    def test_scored_say_that_figures_may_be_too_good(self, calibrated: ModelFolder, tmp_path: Path) -> None:
        (tmp_path / "m.csv").write_text("path,start,end\n" + "".join(f"{c},{a},{b}\n" for c, a, b in spans()[:40]))
        ledger = annotated(tmp_path / "m.csv", tmp_path / "out", calibrated)
        truth = pq.read_table(tmp_path / "out/labels").select(["utterance_id"])
        pq.write_table(truth.append_column("human_label", [["anger"] * len(truth)]), tmp_path / "t.parquet")
        result = CliRunner().invoke(app, ["score", ledger.folder.display, "--truth", str(tmp_path / "t.parquet")])
        assert result.exit_code == Exit.COMPLETE, result.output
        assert "calibrated on our calls, recorded in 2026: if these rows were among that" in result.stdout

    def test_of_a_model_that_is_not(self, tiny_model: ModelFolder, manifest: Path, tmp_path: Path) -> None:
        ledger = annotated(manifest, tmp_path / "out", tiny_model)
        (part,) = (tmp_path / "out/labels").iterdir()
        assert CALIBRATED_ON not in pq.read_schema(part).metadata
        summary = summarise(ledger)
        assert summary.complete
        assert summary.to_dict()["calibrated_on"] is None
        text = summary_text(summary, 1.0, None, "random weights")
        assert "\nScores   not calibrated on your speech (emoboost-batch calibrate)\n" in text

    def test_of_an_earlier_release_still_hold(self, tiny_model: ModelFolder, manifest: Path, tmp_path: Path) -> None:
        """Its marker says nothing of a calibration."""
        ledger = annotated(manifest, tmp_path / "out", tiny_model)
        marker = json.loads((tmp_path / "out" / SUCCESS).read_text())
        del marker["calibrated_on"]
        (tmp_path / "out" / SUCCESS).write_text(json.dumps(marker))
        result = CliRunner().invoke(app, ["verify", str(tmp_path / "out")])
        assert result.exit_code == Exit.COMPLETE, result.output
        assert summarise(ledger).complete

    def test_hold_no_word_of_it_where_nothing_was_labelled(self, tiny_model: ModelFolder, tmp_path: Path) -> None:
        (tmp_path / "m.csv").write_text("path,end\n" + "".join(f"{clip},{end}\n" for clip, _, end in spans()[:1]))
        summary = summarise(annotated(tmp_path / "m.csv", tmp_path / "out", tiny_model))
        summary.counts.status.clear()
        assert "Scores" not in summary_text(summary, 1.0, None, "")


class TestModelShow:
    def test_a_calibrated_one(self, calibrated: ModelFolder, capsys: pytest.CaptureFixture[str]) -> None:
        show_command(str(calibrated.path), as_json=False)
        assert re.search(r"^calibrated on our calls, recorded in 2026$", capsys.readouterr().out, re.MULTILINE)
        show_command(str(calibrated.path), as_json=True)
        facts = json.loads(capsys.readouterr().out)
        assert facts["calibrated_on"] == "our calls, recorded in 2026"
        assert facts["config"]["bias"] == list(calibrated.config.bias)

    def test_one_as_it_was_trained(self, before: ModelFolder, capsys: pytest.CaptureFixture[str]) -> None:
        show_command(str(before.path), as_json=False)
        shown = capsys.readouterr().out
        assert re.search(r"^calibrated on nothing but the training data \(emoboost-batch calibrate\)$", shown, re.M)
        show_command(str(before.path), as_json=True)
        facts = json.loads(capsys.readouterr().out)
        assert facts["calibrated_on"] is None
        assert "bias" not in facts["config"]


class TestWhatItPrints:
    def test_for_people_and_for_programs(
        self, before: ModelFolder, labels: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And a column weight, and rows without a label."""
        weights = [1 + row % 3 for row in range(ROWS)]
        truth = write_truth(tmp_path / "t.csv", labels[: ROWS - 20], weight=weights)
        calibrate(before.path, truth, tmp_path / "mine")
        told = capsys.readouterr()
        facts = find_model(tmp_path / "mine").config.training["calibration"]
        assert (facts["utterances"], facts["without_label"], facts["weighted"]) == (ROWS - 20, 20, True)
        assert f"Calibrated on t.csv, {ROWS - 20} labelled utterances" in told.out
        assert re.search(rf"^  anger +{facts['labels']['anger']} +\+\d\.\d\d$", told.out, re.MULTILINE)
        assert "Cross-validated, 5 folds that share no recording" in told.out
        assert re.search(rf"NLL \(nats\) +{facts['before']['nll']:.3f} +{facts['after']['nll']:.3f}", told.out)
        assert "note: 20 rows without a human_label are left out" in told.err
        assert "note: each row counts as often as its column weight says" in told.err
        assert "note: no speakers are told apart, so recordings are" in told.err
        assert f"{ROWS - 20} of {ROWS - 20} utterances" in told.err
        calibrate(before.path, truth, tmp_path / "json", as_json=True)
        found = json.loads(capsys.readouterr().out)
        assert found["calibration"] == facts
        assert found["model"] == find_model(tmp_path / "json").identity
        assert found["written"] is True
        assert list(found["bias"]) == list(CLASSES)
        assert len(found["notes"]) == 3

    def test_weights_count(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        for name, weight in (("even", 1.0), ("sad", 30.0)):
            weights = [weight if label == "sadness" else 1.0 for label in labels]
            truth = write_truth(tmp_path / f"{name}.csv", labels, weight=weights)
            calibrate(before.path, truth, tmp_path / name, anyway=True)
        even, sad = (find_model(tmp_path / name).config for name in ("even", "sad"))
        assert sad.bias[3] > even.bias[3] + 1
        assert trained_on(sad)[0][3] > 0.4

    def test_training_data_is_told(
        self, before: ModelFolder, labels: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        truth = write_truth(tmp_path / "t.csv", labels)
        read = read_truth(str(truth), CLASSES)
        heard = survey(read.corpus, 16_000).audio[0]
        model = Path(shutil.copytree(before.path, tmp_path / "model"))
        (model / TRAINING_AUDIO).write_text(f"{heard} somebody\n")
        calibrate(model, truth, tmp_path / "mine", anyway=True)
        assert f"note: 1 of {ROWS} utterances are in the model's training data" in capsys.readouterr().err


class TestNoGain:
    @pytest.fixture
    def own(self, before: ModelFolder, tmp_path: Path) -> Path:
        """Labels for which the model is calibrated as it is: there is nothing to find but noise."""
        logits, counts = logits_of(before.path)
        shares, rng = mean_of(softmax(logits, axis=1), counts), np.random.default_rng(0)
        drawn = [CLASSES[rng.choice(4, p=row / row.sum())] for row in shares]
        return write_truth(tmp_path / "own.csv", drawn, speaker=speakers())

    @pytest.mark.parametrize("as_json", [False, True])
    def test_nothing_is_written(
        self, before: ModelFolder, own: Path, tmp_path: Path, as_json: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(
            EmoboostError, match=r"mine: nothing is written, because .* NLL is (.*) before and .* --any"
        ):
            calibrate(before.path, own, tmp_path / "mine", as_json=as_json)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["own.csv"]
        told = capsys.readouterr().out
        if as_json:
            facts = json.loads(told)
            assert facts["written"] is False
            assert "model" not in facts
            assert facts["calibration"]["after"]["nll"] >= facts["calibration"]["before"]["nll"]
        else:
            assert "NLL (nats)" in told
            assert "Model" not in told

    def test_anyway(self, before: ModelFolder, own: Path, tmp_path: Path) -> None:
        assert calibrate(before.path, own, tmp_path / "mine", anyway=True) is Exit.COMPLETE
        written = find_model(tmp_path / "mine")
        assert "**It does not help on speech that it was not fitted on**, and was written all the same" in written.card

    def test_on_the_command_line(self, before: ModelFolder, own: Path, tmp_path: Path) -> None:
        words = ["calibrate", str(before.path), "--truth", str(own), "--output", str(tmp_path / "mine")]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == Exit.FAILURE
        assert "nothing is written, because the calibration does not help" in result.stderr
        result = CliRunner().invoke(app, [*words, "--anyway", "--json", "--description", "calls"])
        assert result.exit_code == Exit.COMPLETE, result.output
        assert json.loads(result.stdout)["calibrated_on"] == "calls"


class TestRefusals:
    def refuse(self, model: ModelFolder, truth: Path, message: str, kind: type = ManifestError, **options: Any) -> None:
        output = options.pop("output", truth.parent / "mine")
        there = sorted(truth.parent.iterdir())
        with pytest.raises(kind, match=message):
            calibrate(model.path, truth, output, **options)
        assert sorted(truth.parent.iterdir()) == there

    def test_an_unknown_class(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        wrong = [*labels[:4], "hapiness", *labels[5:7], "boredom", *labels[8:]]
        truth = write_truth(tmp_path / "t.csv", wrong)
        self.refuse(
            before,
            truth,
            r"t\.csv: row 5: human_label 'hapiness' is none of the model's classes \(anger, happiness, neutral, "
            r"sadness\), perhaps 'happiness'; correct it, or leave it empty \(2 such rows\)",
        )

    def test_too_few_labels(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", labels[:99])
        self.refuse(before, truth, r"t\.csv: 99 rows have a human_label, at least 100 are needed")
        assert len(read_truth(str(write_truth(tmp_path / "u.csv", labels[:100])), CLASSES).corpus.labels) == 100

    def test_one_class(self, before: ModelFolder, tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", ["anger", "angry"] * 60)
        self.refuse(before, truth, r"every human_label is 'anger'; at least two classes are needed")

    def test_no_column(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", labels, column="emotion")
        self.refuse(before, truth, r"no column human_label or label; found 'emotion' beside the .* with --label")
        self.refuse(before, truth, r"no column feeling; found 'emotion'", label="feeling")

    def test_the_models_own_labels(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        """An export of annotate's output."""
        truth = write_truth(tmp_path / "t.csv", labels, column="label", prob_anger=[0.5] * ROWS)
        self.refuse(before, truth, r"is an output of annotate, and its label is the model's own; .* human_label")

    @pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much", ""])
    def test_a_weight_that_is_none(self, before: ModelFolder, labels: list[str], tmp_path: Path, weight: str) -> None:
        truth = write_truth(tmp_path / "t.csv", labels, weight=[*["1"] * 6, weight, *["1"] * (ROWS - 7)])
        self.refuse(before, truth, rf"t\.csv: row 7: weight '{weight}' must be a positive number")

    def test_a_row_without_speaker(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", labels, speaker=[*["a"] * 9, "", *["b"] * (ROWS - 10)])
        self.refuse(before, truth, r"t\.csv: row 10: has no speaker, and other rows have one; fill it, or remove the")

    def test_a_recording_that_cannot_be_read(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", labels)
        rows = list(csv.reader(truth.open()))
        rows[3][0] = "nowhere.wav"
        with truth.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        self.refuse(before, truth, r"t\.csv: row 3: .*/nowhere\.wav: there is no such file.*; correct or remove that")

    def test_an_output_that_holds_something(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", labels)
        self.refuse(before, truth, "exists and is not an empty folder", OutputError, output=tmp_path)
        self.refuse(before, truth, "exists and is not an empty folder", OutputError, output=before.path)

    @pytest.mark.parametrize(("words", "message"), [("  ", "is empty"), ("\udcff", "is not UTF-8")])
    def test_a_description_that_is_none(
        self, before: ModelFolder, labels: list[str], tmp_path: Path, words: str, message: str
    ) -> None:
        truth = write_truth(tmp_path / "t.csv", labels)
        self.refuse(before, truth, rf"--description: {message}", UsageError, description=words)

    def test_a_channel_that_is_none(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        truth = write_truth(tmp_path / "t.csv", labels)
        self.refuse(before, truth, "--channel left: give a channel number", UsageError, channel="left")
        self.refuse(before, truth, r"row 1: .*there is no channel 1; it has 1; correct or remove that row", channel="1")

    def test_weights_that_were_changed(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        model = Path(shutil.copytree(before.path, tmp_path / "model"))
        (model / TRAINED).write_bytes((model / TRAINED).read_bytes() + b"x")
        truth = write_truth(tmp_path / "t.csv", labels)
        self.refuse(find_model(model), truth, r"model\.safetensors: SHA-256 is", UsageError)

    def test_a_disk_that_fills_up(self, before: ModelFolder, labels: list[str], tmp_path: Path) -> None:
        """As it does where no file may be larger than what a weight file is."""
        truth = write_truth(tmp_path / "t.csv", labels)
        small = (before.path / TRAINED).stat().st_size // 2
        words = ["calibrate", str(before.path), "--truth", str(truth), "--output", str(tmp_path / "mine")]
        ended = subprocess.run(
            [sys.executable, "-B", "-c", "from jobs.cli import main; main()", *words],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (small, small)),
        )
        assert ended.returncode == Exit.USAGE, ended.stderr
        assert f"Error: {tmp_path}/mine: cannot be written (File too large); free space, or choose" in ended.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


class TestTruth:
    def test_of_csv_and_parquet_with_other_words(self, labels: list[str], tmp_path: Path) -> None:
        words = {"anger": "Angry", "happiness": "joy", "neutral": " neutral", "sadness": "SAD"}
        file = write_truth(tmp_path / "t.csv", [words[label] for label in labels], column="heard")
        table = pa.csv.read_csv(file)
        pq.write_table(table, tmp_path / "t.parquet")
        for name in ("t.csv", "t.parquet"):
            truth = read_truth(str(tmp_path / name), CLASSES, column="heard")
            assert list(truth.corpus.labels) == labels
            assert [(each.uri, each.start, each.end) for each in truth.corpus.utterances] == [
                (str(clip), start, end) for clip, start, end in spans()
            ]
            assert truth.corpus.places[7] == f"{tmp_path / name}: row 8"
            assert truth.weight.tolist() == [1.0] * ROWS
            assert not truth.has_speakers

    def test_human_labels_come_before_labels(self, labels: list[str], tmp_path: Path) -> None:
        file = write_truth(tmp_path / "t.csv", labels, label=["nonsense"] * ROWS)
        assert list(read_truth(str(file), CLASSES).corpus.labels) == labels

    def test_rows_without_a_label_are_left_out_wherever_they_are(self, labels: list[str], tmp_path: Path) -> None:
        given = ["" if row % 4 == 1 else label for row, label in enumerate(labels)]
        weights = ["" if row % 4 == 1 else row + 1 for row in range(ROWS)]
        truth = read_truth(str(write_truth(tmp_path / "t.csv", given, weight=weights)), CLASSES)
        kept = [row for row in range(ROWS) if row % 4 != 1]
        assert list(truth.corpus.labels) == [labels[row] for row in kept]
        assert truth.weight.tolist() == [row + 1 for row in kept]
        assert [place.rpartition(" ")[2] for place in truth.corpus.places] == [str(row + 1) for row in kept]
        assert truth.without_label == ROWS - len(kept)

    def test_one_speaker_is_none(self, labels: list[str], tmp_path: Path) -> None:
        truth = read_truth(str(write_truth(tmp_path / "t.csv", labels, speaker=["a"] * ROWS)), CLASSES)
        assert not truth.has_speakers


def test_nothing_in_a_description_commands_the_terminal() -> None:
    assert calibration_text("\x1b[2Jcalls\n").endswith(r"\x1b[2Jcalls\n")
