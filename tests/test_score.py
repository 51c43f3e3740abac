"""Outputs against people's labels: figures against scikit-learn, and every mistake in a table of labels."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from crafted import CLASSES, confident, crafted, spans, table
from finished import annotated
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from typer.testing import CliRunner

from emoboost.checkpoint import ModelFolder
from emoboost.errors import UsageError
from emoboost.ledger import Ledger
from emoboost.review import Classes
from emoboost.review.classes import UnknownClassError
from jobs.cli import app

ROWS = 400
NAMES = {"anger": "Angry", "boredom": " bored ", "happiness": "JOY", "sadness": "sad"}
"""As people write them."""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Ledger:
    """400 rows of 20 speakers, every 40th an error; not to be changed."""
    random = np.random.default_rng(0)
    rows = [{**row, "speaker": f"s{number % 20}"} for number, row in enumerate(spans(clips, ROWS))]
    said = {
        row["utterance_id"]: random.dirichlet([0.5] * 4).astype(np.float32).tolist() if number % 40 else None
        for number, row in enumerate(rows)
    }
    return crafted(tmp_path_factory.mktemp("score"), rows, said)


def labels_of(output: Ledger) -> pd.DataFrame:
    """As a user reads them."""
    return pd.read_parquet(f"{output.folder.path()}/labels").set_index("utterance_id", drop=False)


@pytest.fixture(scope="module")
def heard(output: Ledger) -> pd.DataFrame:
    """What people say of 150 rows without an error, right in two of three, with weights."""
    random = np.random.default_rng(1)
    labels = labels_of(output)
    chosen = labels[labels["status"] == "ok"].sample(150, random_state=2)
    truth = np.where(random.random(150) < 0.66, chosen["label"], random.choice(CLASSES, 150))
    return pd.DataFrame(
        {
            "utterance_id": chosen["utterance_id"].to_numpy(),
            "human_label": truth,
            "weight": np.round(random.uniform(0.2, 9, 150), 3),
            "speaker": [f"p{number % 7}" for number in range(150)],
        }
    )


def run(output: Ledger, truth: Path, *words: object) -> Result:
    return CliRunner().invoke(app, ["score", output.folder.display, "--truth", str(truth), *map(str, words)])


def scored(output: Ledger, truth: Path, *words: object) -> dict[str, Any]:
    result = run(output, truth, "--json", *words)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refusal(output: Ledger, truth: Path, *words: object) -> str:
    result = run(output, truth, *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    return result.stderr


def stored(frame: pd.DataFrame, file: Path, **options: Any) -> Path:
    frame.to_csv(file, index=False, **options)
    return file


class TestFigures:
    def test_equal_scikit_learns(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        written = heard.assign(human_label=heard["human_label"].map(NAMES))
        found = scored(output, stored(written, tmp_path / "t.csv"))
        truth, weights = heard["human_label"], heard["weight"]
        predicted = labels_of(output).loc[heard["utterance_id"], "label"]
        chosen = {"sample_weight": weights}
        assert (found["rows"], found["classes"], found["weighted"]) == (150, list(CLASSES), True)
        assert found["wa"]["value"] == pytest.approx(accuracy_score(truth, predicted, **chosen))
        assert found["ua"]["value"] == pytest.approx(balanced_accuracy_score(truth, predicted, **chosen))
        assert found["macro_f1"]["value"] == pytest.approx(f1_score(truth, predicted, average="macro", **chosen))
        for name, score in (("recall", recall_score), ("precision", precision_score)):
            expected = score(truth, predicted, labels=CLASSES, average=None, **chosen)
            assert [found[name][label]["value"] for label in CLASSES] == pytest.approx(list(expected))
        counts = confusion_matrix(truth, predicted, labels=CLASSES)
        np.testing.assert_array_equal(found["confusion"]["counts"], counts)
        weighted = confusion_matrix(truth, predicted, labels=CLASSES, **chosen)
        np.testing.assert_allclose(found["confusion"]["weighted"], weighted)
        for estimate in (found["wa"], found["ua"], found["macro_f1"], *found["recall"].values()):
            low, high = estimate["interval"]
            assert low <= estimate["value"] <= high

    def test_calibration_against_a_plain_loop(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        found = scored(output, stored(heard, tmp_path / "t.csv"))["calibration"]
        labels = labels_of(output).loc[heard["utterance_id"]]
        right = (labels["label"].to_numpy() == heard["human_label"]).to_numpy()
        error = 0.0
        for number, each in enumerate(found["bins"]):
            inside = np.minimum((labels["confidence"].to_numpy(np.float64) * 10).astype(int), 9) == number
            weights = heard["weight"].to_numpy()[inside]
            assert each["rows"] == inside.sum()
            assert each["weight"] == pytest.approx(weights.sum())
            if inside.any():
                mean = np.average(labels["confidence"].to_numpy(np.float64)[inside], weights=weights)
                accuracy = np.average(right[inside], weights=weights)
                assert (each["confidence"], each["accuracy"]) == pytest.approx((mean, accuracy))
                error += abs(mean - accuracy) * weights.sum() / heard["weight"].sum()
            else:
                assert each["confidence"] is each["accuracy"] is None
        assert found["ece"] == pytest.approx(error)

    def test_when_to_trust_a_label(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        """Confident labels are made right, the others are right in two of three; against trying every confidence."""
        labels = labels_of(output).loc[heard["utterance_id"]]
        sure = (labels["confidence"] > 0.7).to_numpy()
        assert sure.sum() > 15
        truth = np.where(sure, labels["label"], heard["human_label"])
        found = scored(output, stored(heard.assign(human_label=truth), tmp_path / "t.csv"))["thresholds"]
        confidence = labels["confidence"].to_numpy(np.float64)
        right, weights = labels["label"].to_numpy() == truth, heard["weight"].to_numpy()
        everything = labels_of(output)["confidence"]
        assert [each["wanted"] for each in found] == [0.9, 0.95]
        for each in found:
            candidates = [
                level
                for level in confidence
                if np.average(right[confidence >= level], weights=weights[confidence >= level]) >= each["wanted"]
            ]
            assert each["confidence"] == min(candidates)
            kept = confidence >= each["confidence"]
            assert each["precision"] == pytest.approx(np.average(right[kept], weights=weights[kept]))
            assert each["judged"] == kept.sum()
            assert each["kept_rows"] == (everything >= each["confidence"]).sum()
            assert each["kept_share"] == each["kept_rows"] / everything.notna().sum()

    def test_no_confidence_is_enough(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        labels = labels_of(output).loc[heard["utterance_id"], "label"].to_numpy()
        wrong = np.where(labels == "anger", "sadness", "anger")
        file = stored(heard.assign(human_label=wrong), tmp_path / "t.csv")
        found = scored(output, file)
        assert [each["confidence"] for each in found["thresholds"]] == [None, None]
        assert found["wa"]["value"] == 0
        assert run(output, file).stdout.count("  none  ") == 2

    def test_risk_and_coverage(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        points = scored(output, stored(heard, tmp_path / "t.csv"))["risk_coverage"]
        labels = labels_of(output).loc[heard["utterance_id"]]
        right = labels["label"].to_numpy() == heard["human_label"].to_numpy()
        for point, least in zip(points, np.arange(1, 11) / 10, strict=True):
            kept = labels["confidence"].to_numpy(np.float64) >= point["confidence"]
            weights = heard["weight"].to_numpy()
            assert point["coverage"] >= least - 1e-9
            assert point["coverage"] == pytest.approx(weights[kept].sum() / weights.sum())
            assert point["risk"] == pytest.approx(1 - np.average(right[kept], weights=weights[kept]))
        assert points[-1]["coverage"] == pytest.approx(1)

    def test_equal_weights_are_none(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        none = scored(output, stored(heard.drop(columns="weight"), tmp_path / "a.csv"))
        equal = scored(output, stored(heard.assign(weight=2.5), tmp_path / "b.csv"))
        for name in ("wa", "ua", "macro_f1", "recall", "precision"):
            assert json.dumps(equal[name], sort_keys=True) == json.dumps(none[name], sort_keys=True), name
        assert equal["thresholds"] == none["thresholds"]
        assert equal["calibration"]["ece"] == pytest.approx(none["calibration"]["ece"])
        assert (none["weighted"], equal["weighted"]) == (False, True)

    def test_a_stratified_sample_estimates_the_whole(self, tmp_path: Path, clips: list[Path]) -> None:
        """The truth of all rows is known: the weighted figure is near it, the unweighted one is not."""
        random = np.random.default_rng(5)
        rows = spans(clips, 3_000)
        labels = random.choice(CLASSES, len(rows), p=[0.85, 0.09, 0.03, 0.03])
        confidence = random.beta(8, 2, len(rows)) * 0.7 + 0.3
        right = random.random(len(rows)) < np.where(labels == "anger", 0.9, 0.2)
        said = {r["utterance_id"]: confident(n, c) for r, n, c in zip(rows, labels, confidence, strict=True)}
        output = crafted(tmp_path, rows, said)
        truth = {
            row["utterance_id"]: name if fits else "boredom" if name == "anger" else "anger"
            for row, name, fits in zip(rows, labels, right, strict=True)
        }
        words = ["sample", output.folder.display, "--n", "400", "-o", str(tmp_path / "s.csv")]
        assert CliRunner().invoke(app, words).exit_code == 0
        drawn = pd.DataFrame(table(tmp_path / "s.csv"))
        drawn["human_label"] = drawn["utterance_id"].map(truth)
        found = scored(output, stored(drawn, tmp_path / "t.csv"))["wa"]
        plain = scored(output, stored(drawn.drop(columns="weight"), tmp_path / "u.csv"))["wa"]
        low, high = found["interval"]
        assert low < right.mean() < high
        assert abs(found["value"] - right.mean()) < 0.05 < abs(plain["value"] - right.mean())


class TestBootstrapUnits:
    def test_speakers_of_the_truth_come_first(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        own = scored(output, stored(heard, tmp_path / "a.csv"))["bootstrap"]
        assert own == {"unit": "speaker", "units": 7, "draws": 2_000, "seed": 0}
        carried = scored(output, stored(heard.drop(columns="speaker"), tmp_path / "b.csv"))["bootstrap"]
        assert (carried["unit"], carried["units"]) == ("speaker", 20)

    def test_rows(self, heard: pd.DataFrame, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 30)
        without = crafted(tmp_path, rows, {row["utterance_id"]: confident("anger", 0.9) for row in rows})
        truth = pd.DataFrame({"utterance_id": [row["utterance_id"] for row in rows], "label": "anger"})
        found = scored(without, stored(truth, tmp_path / "t.csv"))["bootstrap"]
        assert (found["unit"], found["units"]) == ("row", 30)
        assert "Intervals resample 30 rows" in run(without, tmp_path / "t.csv").stdout

    def test_who_is_not_known_is_nobody_else(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        speakers = heard["speaker"].where(heard["speaker"] != "p3", None)
        found = scored(output, stored(heard.assign(speaker=speakers), tmp_path / "t.csv"))["bootstrap"]
        assert found["units"] == 6 + (heard["speaker"] == "p3").sum()

    def test_one_speaker(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        file = stored(heard.assign(speaker="p"), tmp_path / "t.csv")
        assert scored(output, file)["wa"]["interval"] is None
        assert "There are no intervals, because there is only one speaker." in run(output, file).stdout


class TestClassMap:
    def test_probabilities_are_summed(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        found = scored(output, stored(heard, tmp_path / "t.csv"), "--class-map", "arousal")
        labels = labels_of(output).loc[heard["utterance_id"]]
        high = (labels["prob_anger"].astype(float) + labels["prob_happiness"].astype(float)).to_numpy()
        high = high / labels[[f"prob_{name}" for name in CLASSES]].astype(float).sum(axis=1).to_numpy()
        predicted = np.where(high >= 0.5, "high", "low")
        truth = heard["human_label"].map({"anger": "high", "happiness": "high", "boredom": "low", "sadness": "low"})
        assert found["classes"] == ["high", "low"]
        assert found["wa"]["value"] == pytest.approx(accuracy_score(truth, predicted, sample_weight=heard["weight"]))
        expected = np.average(np.maximum(high, 1 - high), weights=heard["weight"])
        bins = found["calibration"]["bins"]
        total = sum(each["weight"] * each["confidence"] for each in bins if each["rows"])
        assert total / heard["weight"].sum() == pytest.approx(expected)

    def test_what_is_left_out_is_counted_and_its_probability_shared(
        self, output: Ledger, heard: pd.DataFrame, tmp_path: Path
    ) -> None:
        found = scored(output, stored(heard, tmp_path / "t.csv"), "--class-map", "four")
        bored = heard["human_label"] == "boredom"
        assert found["left_out"] == {"boredom": bored.sum()}
        assert found["rows"] == 150 - bored.sum()
        assert found["classes"] == ["anger", "happiness", "sadness"]
        kept = heard[~bored]
        rest = [f"prob_{name}" for name in found["classes"]]
        predicted = labels_of(output).loc[kept["utterance_id"], rest].idxmax(axis=1).str.removeprefix("prob_")
        expected = accuracy_score(kept["human_label"], predicted, sample_weight=kept["weight"])
        assert found["wa"]["value"] == pytest.approx(expected)
        text = run(output, tmp_path / "t.csv", "--class-map", "four").stdout
        assert f"Rows left out by the class map: {bored.sum()} (boredom {bored.sum()})." in text

    def test_a_file(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        (tmp_path / "map.yaml").write_text("angry: loud\njoy: loud\nsad: quiet\nbored: quiet\nirony: quiet\n")
        odd = heard.assign(human_label=heard["human_label"].where(heard.index % 50 != 0, "irony"))
        found = scored(output, stored(odd, tmp_path / "t.csv"), "--class-map", tmp_path / "map.yaml")
        assert found["classes"] == ["loud", "quiet"]
        assert found["rows"] == 150

    def test_mistakes(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        file = stored(heard, tmp_path / "t.csv")
        assert "--class-map seven: no such map; give one of four" in refusal(output, file, "--class-map", "seven")
        (tmp_path / "map.yaml").write_text("fear: fear\n")
        message = refusal(output, file, "--class-map", tmp_path / "map.yaml")
        assert "the label map leaves none of the model's classes" in message

    def test_labels(self) -> None:
        classes = Classes.of(("Angry", "boredom"), None)
        assert [classes.of_label(label) for label in ("ang", "BORED ", "anger")] == [0, 1, 0]
        mapped = Classes.of(("Angry", "boredom"), {"anger": "high", "boredom": "low", "fear": "high", "calm": "still"})
        assert [mapped.of_label(label) for label in ("ang", "afraid", "bored", "joy")] == [0, 0, 1, None]
        with pytest.raises(UnknownClassError, match=r"becomes 'still' by the class map.*\(high, low\)"):
            mapped.of_label("calm")
        with pytest.raises(UnknownClassError, match=r"is no label of the class map .*, perhaps 'fear'"):
            mapped.of_label("feer")

    def test_two_names_of_one_class(self) -> None:
        classes = Classes.of(("happy", "sad", "joy"), None)
        assert classes.names == ("happiness", "sadness")
        np.testing.assert_allclose(classes.probabilities(np.array([[0.3, 0.4, 0.3]])), [[0.6, 0.4]])


class TestTruth:
    def test_the_models_own_labels(self, output: Ledger, tmp_path: Path) -> None:
        labels_of(output).to_csv(tmp_path / "t.csv", index=False)
        message = refusal(output, tmp_path / "t.csv")
        assert "this is an output of annotate, and its label is the model's own; put what people heard into" in message
        labels_of(output).assign(human_label=labels_of(output)["label"]).to_csv(tmp_path / "t.csv", index=False)
        assert scored(output, tmp_path / "t.csv")["wa"]["value"] == 1

    def test_rows_without_a_label_and_error_rows(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        errors = labels_of(output).query("status == 'error'")["utterance_id"]
        assert len(errors) == 10
        more = pd.DataFrame({"utterance_id": errors, "human_label": "anger", "weight": 1.0, "speaker": "p"})
        partly = heard.assign(human_label=heard["human_label"].where(heard.index >= 30, " "))
        file = stored(pd.concat([partly, more]), tmp_path / "t.csv")
        found = scored(output, file)
        assert (found["rows"], found["empty"], found["no_label"]) == (120, 30, 10)
        assert found["wa"] == scored(output, stored(partly, tmp_path / "u.csv"))["wa"]
        text = run(output, file).stdout
        assert "120 rows have a label of a person and of the model." in text
        assert "Rows with a label of a person and none of the model (no label), left out: 10." in text
        assert "What was left out counts nowhere, whatever the model says of it" in text

    @pytest.mark.parametrize("options", [{"sep": ";"}, {"sep": "\t", "encoding": "utf-8-sig"}])
    def test_what_spreadsheets_save(
        self, output: Ledger, heard: pd.DataFrame, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        expected = scored(output, stored(heard, tmp_path / "t.csv"))
        named = heard.rename(columns={"human_label": " Human_Label", "utterance_id": "Utterance_ID"})
        found = scored(output, stored(named, tmp_path / "u.csv", **options))
        assert {**found, "truth": ""} == {**expected, "truth": ""}

    def test_parquet(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        expected = scored(output, stored(heard, tmp_path / "t.csv"))
        heard.rename(columns={"human_label": "label"}).to_parquet(tmp_path / "t.parquet")
        assert {**scored(output, tmp_path / "t.parquet"), "truth": ""} == {**expected, "truth": ""}

    def test_a_human_label_goes_before_a_label(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        expected = scored(output, stored(heard, tmp_path / "t.csv"))["wa"]
        assert scored(output, stored(heard.assign(label="nonsense"), tmp_path / "u.csv"))["wa"] == expected

    def test_ids_that_look_like_formulas(self, tmp_path: Path, clips: list[Path]) -> None:
        """Sample guards them, and whoever writes a table by hand does not."""
        rows = [{**row, "utterance_id": f"={row['utterance_id']}"} for row in spans(clips, 30)]
        rows[0]["utterance_id"] = "'=quoted"
        output = crafted(tmp_path, rows, {row["utterance_id"]: confident("anger", 0.9) for row in rows})
        words = ["sample", output.folder.display, "--for-review", "-o", str(tmp_path / "r")]
        assert CliRunner().invoke(app, words).exit_code == 0
        review = pd.DataFrame(table(tmp_path / "r/review.csv")).assign(human_label="anger")
        assert review["utterance_id"].str.startswith("'").all()
        assert scored(output, stored(review, tmp_path / "guarded.csv"))["rows"] == 30
        raw = pd.DataFrame({"utterance_id": [row["utterance_id"] for row in rows], "label": "anger"})
        assert scored(output, stored(raw, tmp_path / "raw.csv"))["rows"] == 30
        raw.to_parquet(tmp_path / "raw.parquet")
        assert scored(output, tmp_path / "raw.parquet")["rows"] == 30

    def test_unknown_ids(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        names = heard["utterance_id"].where(heard.index % 50 != 0, "x" + heard["utterance_id"])
        message = refusal(output, stored(heard.assign(utterance_id=names), tmp_path / "t.csv"))
        assert f"{tmp_path}/t.csv cannot be used; 3 problems:\n" in message
        first = f"line 2, column 'utterance_id', value '{names[0]}': is no utterance of {output.folder.display}"
        assert first in message
        assert "parts are missing" not in message

    def test_an_unfinished_output(self, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 80)
        said = {row["utterance_id"]: confident("anger", 0.9) for row in rows}
        unfinished = crafted(tmp_path, rows, said, shards=[0, 1, 2])
        truth = pd.DataFrame({"utterance_id": list(said), "label": "anger"})
        message = refusal(unfinished, stored(truth, tmp_path / "t.csv"))
        assert "48 problems" in message
        assert f"let annotate complete it ({unfinished.plan.shards - 3} parts are missing)" in message
        result = run(unfinished, stored(truth[:32], tmp_path / "u.csv"))
        assert result.exit_code == 4
        assert "The output is not complete: 3 of" in result.stderr

    def test_duplicate_ids(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        names = heard["utterance_id"].copy()
        names[5] = names[2]
        message = refusal(output, stored(heard.assign(utterance_id=names), tmp_path / "t.csv"))
        assert f"line 7, column 'utterance_id', value '{names[2]}': is also the id in line 4" in message

    def test_an_empty_id(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        file = stored(heard.assign(utterance_id=heard["utterance_id"].where(heard.index != 4, " ")), tmp_path / "t.csv")
        assert "line 6, column 'utterance_id', value '': is empty" in refusal(output, file)

    def test_unknown_classes(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        labels = heard["human_label"].copy()
        labels[0], labels[9] = "hapy", "contempt"
        message = refusal(output, stored(heard.assign(human_label=labels), tmp_path / "t.csv"))
        classes = "anger, boredom, happiness, sadness"
        assert f"line 2, column 'human_label', value 'hapy': is none of the model's classes ({classes}), " in message
        assert "perhaps 'happiness'; correct it, leave it empty, or bring both sides to the same classes" in message
        assert "line 11, column 'human_label', value 'contempt': is none of" in message

    @pytest.mark.parametrize("weight", ["-1", "nan", "0", "", "inf", "2,5", "heavy"])
    def test_weights_that_are_none(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path, weight: str) -> None:
        weights = heard["weight"].astype(str).where(heard.index != 3, weight)
        message = refusal(output, stored(heard.assign(weight=weights), tmp_path / "t.csv"))
        assert f"line 5, column 'weight', value '{weight}': is no weight; give a number above 0" in message

    @pytest.mark.parametrize(("column", "what"), [("utterance_id", "utterance_id"), ("human_label", "human_label or")])
    def test_a_column_is_missing(
        self, output: Ledger, heard: pd.DataFrame, tmp_path: Path, column: str, what: str
    ) -> None:
        message = refusal(output, stored(heard.drop(columns=column), tmp_path / "t.csv"))
        assert f"no column {what}" in message
        assert "found 'utterance_id'" in message or "found 'human_label'" in message

    def test_a_column_twice(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        file = stored(heard, tmp_path / "t.csv", header=["utterance_id", "human_label", "weight", "weight"])
        assert "column 'weight' is there twice" in refusal(output, file)

    def test_too_few(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        file = stored(heard.assign(human_label=heard["human_label"].where(heard.index < 19)), tmp_path / "t.csv")
        message = refusal(output, file)
        assert "19 rows have a label in 'human_label', 131 have none; figures need at least 20: label more" in message
        assert scored(output, stored(heard[:20], tmp_path / "u.csv"))["rows"] == 20

    def test_too_few_that_the_model_labelled(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        errors = labels_of(output).query("status == 'error'")["utterance_id"]
        more = pd.DataFrame({"utterance_id": errors, "human_label": "anger", "weight": 1.0, "speaker": "p"})
        message = refusal(output, stored(pd.concat([heard[:19], more]), tmp_path / "t.csv"))
        assert "only 19 of 29 labelled rows have a label in" in message

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("none.csv", None, "no such file; give a CSV or Parquet file with utterance_id and human_label"),
            ("t.xlsx", "PK", "its ending '.xlsx' is none that is known; give one of: .csv, .tsv, .parquet"),
            ("t.csv", "", "is empty"),
            ("t.parquet", "no", "not a readable Parquet file"),
            ("t.csv", "utterance_id,human_label\n", "0 rows have a label in 'human_label', 0 have none"),
            ("t.csv", 'utterance_id,human_label\n"a,b\n', "line 2: is not valid CSV"),
        ],
    )
    def test_files_that_are_none(
        self, output: Ledger, tmp_path: Path, name: str, content: str | None, message: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_text(content)
        assert message in refusal(output, tmp_path / name)

    def test_what_a_terminal_would_obey(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        labels = heard["human_label"].where(heard.index != 0, "\x1b[2Jhappy")
        message = refusal(output, stored(heard.assign(human_label=labels), tmp_path / "t.csv"))
        assert "\x1b" not in message
        assert "\\x1b[2Jhappy" in message


class TestFolder:
    def test_the_folder(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        found = scored(output, stored(heard, tmp_path / "t.csv"), "-o", tmp_path / "deep/report")
        names = sorted(path.name for path in (tmp_path / "deep/report").iterdir())
        assert names == ["confusion.png", "reliability.png", "score.json", "score.md"]
        kept = json.loads((tmp_path / "deep/report/score.json").read_text())
        assert kept == found
        for name in ("confusion.png", "reliability.png"):
            assert (tmp_path / "deep/report" / name).read_bytes().startswith(b"\x89PNG")
        page = (tmp_path / "deep/report/score.md").read_text()
        assert f"| WA: accuracy | {100 * found['wa']['value']:.1f} |" in page
        assert "(confusion.png)" in page
        assert "(reliability.png)" in page

    def test_an_earlier_score_is_replaced_and_nothing_else(
        self, output: Ledger, heard: pd.DataFrame, tmp_path: Path
    ) -> None:
        folder, file = tmp_path / "report", stored(heard, tmp_path / "t.csv")
        scored(output, file, "-o", folder)
        scored(output, stored(heard[:100], tmp_path / "u.csv"), "-o", folder)
        assert json.loads((folder / "score.json").read_text())["rows"] == 100
        (folder / "thesis.txt").write_text("years of work")
        assert "holds 'thesis.txt' and is no folder of a score" in refusal(output, file, "-o", folder)
        assert "is not a folder" in refusal(output, file, "-o", file)

    def test_for_people(self, output: Ledger, heard: pd.DataFrame, tmp_path: Path) -> None:
        result = run(output, stored(heard, tmp_path / "t.csv"), "-o", tmp_path / "report")
        assert result.exit_code == 0
        found = json.loads((tmp_path / "report/score.json").read_text())
        low, high = found["wa"]["interval"]
        (line,) = [line for line in result.stdout.splitlines() if "WA: accuracy" in line]
        assert line.split()[2:] == [f"{100 * found['wa']['value']:.1f}", f"{100 * low:.1f}", "to", f"{100 * high:.1f}"]
        assert "Figures are weighted by the column weight" in result.stdout
        assert "Intervals resample 7 speakers" in result.stdout
        assert "left out" not in result.stdout
        assert "calibrated on" not in result.stdout
        assert found["calibrated_on"] is None
        assert result.stdout.splitlines()[-1] == f"Report   {tmp_path / 'report/score.md'}"


def test_no_output(tmp_path: Path, heard: pd.DataFrame) -> None:
    stored(heard, tmp_path / "t.csv")
    words = ["score", str(tmp_path / "none"), "--truth", str(tmp_path / "t.csv")]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "not an output of annotate" in result.stderr) == (2, True)


def test_sample_listen_score(tiny_model: ModelFolder, tmp_path: Path, clips: list[Path]) -> None:
    """The whole way, over an output that the model itself made."""
    rows = spans(clips, 48)
    with (tmp_path / "m.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    output = annotated(tmp_path / "m.csv", tmp_path / "out", tiny_model)
    words = ["sample", output.folder.display, "--n", "30", "--for-review", "-o", str(tmp_path / "r")]
    assert CliRunner().invoke(app, words).exit_code == 0
    said = labels_of(output)["label"]
    review = pd.read_csv(tmp_path / "r/review.csv")
    review["human_label"] = review["utterance_id"].map(said)
    found = scored(output, stored(review, tmp_path / "r/review.csv"))
    assert (found["rows"], found["wa"]["value"], found["ua"]["value"]) == (30, 1.0, 1.0)
    assert found["labelled_rows"] == 48
    assert np.sum(found["confusion"]["weighted"]) == pytest.approx(48)
    assert [each["kept_share"] for each in found["thresholds"]] == pytest.approx([1, 1], abs=0.2)


def test_a_map_may_leave_nothing() -> None:
    with pytest.raises(UsageError, match="leaves none"):
        Classes.of(("anger",), {"fear": "fear"})
