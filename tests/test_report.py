"""The report against scikit-learn, plain loops, a strict HTML parser and hostile names."""

import base64
import io
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from demo_evaluation import CLASSES, demo_evaluation
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from reading import REPOSITORY
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from emoboost.evaluation import Evaluation, Scores
from emoboost.recipe import Recipe
from emoboost.report import encoders_rows, encoders_table, figures_of, predictions_table, write_report
from emoboost.report.blocks import Paragraph, Table
from emoboost.report.figures import OWN
from emoboost.report.markdown import escaped, markdown_table
from emoboost.report.page import html_table
from emoboost.report.pictures import picture_title, pictures_of
from emoboost.report.published import published_for
from emoboost.report.sections import sections_of
from emoboost.report.tables import (
    attention_table,
    calibration_table,
    differences_table,
    guidance_table,
    in_papers_order,
    pooling_table,
    recall_table,
    seeds_table,
    speakers_table,
    systems_table,
    variants_table,
)
from emoboost.report.wording import PAPER_NAMES, points, points_span, probability
from emoboost.variants import VARIANTS
from jobs.evaluate_command import ADAPTED, show

IN_PAPER = {
    "encoder alone": "encoder alone",
    "+ MFCC": "mfcc",
    "+ spectrogram": "spectrogram",
    "+ both (MS-EmoBoost)": "both",
    "both, without attention": "both, no attention",
}
"""What tables call a variant -> its title, in the order of the paper's Tables 3 and 4."""
HOSTILE = '<script>alert("1")</script>'


def bare(evaluation: Evaluation) -> Evaluation:
    """One seed of one variant, without what only pictures and training need."""
    (title, runs), *_ = evaluation.variants.items()
    run = replace(runs[0], vectors=None, histories=(), calibrated=None, temperatures=())
    return replace(evaluation, variants={title: [run]}, examples=(), recipe=None, model="m@0", parameters={})


def of_four_classes(evaluation: Evaluation) -> Evaluation:
    """The same with the first four classes alone."""
    variants = {
        title: [
            replace(run, probabilities=run.probabilities[:, :4], calibrated=None, changed={}, adapted={})
            for run in runs
        ]
        for title, runs in evaluation.variants.items()
    }
    return replace(evaluation, classes=CLASSES[:4], truth=evaluation.truth % 4, variants=variants)


def said_under(title: str, figures: dict[str, Any]) -> str:
    """The paragraph of a section."""
    (section,) = [found for found in sections_of(figures, defaultdict(list)) if found.title == title]
    (paragraph,) = [block for block in section.blocks if isinstance(block, Paragraph)]
    return paragraph.text


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return demo_evaluation()


@pytest.fixture(scope="module")
def figures(evaluation: Evaluation) -> dict[str, Any]:
    return figures_of(evaluation)


@pytest.fixture(scope="module")
def folder(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole report, written once; not to be changed."""
    made = tmp_path_factory.mktemp("reports") / "new" / "report"
    write_report(evaluation, made)
    return made


@pytest.fixture(scope="module")
def scored(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a fixed model; not to be changed."""
    made = tmp_path_factory.mktemp("scored")
    write_report(bare(evaluation), made)
    return made


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small report of a leaky protocol with hostile names."""
    made = tmp_path_factory.mktemp("leaky")
    classes = [f"{HOSTILE}{n}" for n in range(6)] + ["$\\frac$ | *b*"]
    evaluation = bare(demo_evaluation(corpus=HOSTILE, leaky=True, protocol="paper", classes=classes))
    ids = [f"{HOSTILE}{n}|\n" for n in range(len(evaluation.truth))]
    write_report(replace(evaluation, utterance_ids=ids, remarks=[HOSTILE], manifest=HOSTILE, encoder=HOSTILE), made)
    return made


class TestFigures:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 2**32 - 1))
    def test_equal_scikit_learns(self, count: int, classes: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        truth = random.integers(0, classes, count)
        runs = [
            Scores(s, np.arange(count), np.zeros(count, np.int64), random.dirichlet(np.ones(classes), count))
            for s in (4, 5)
        ]
        found = figures_of(
            demo_evaluation(
                (0,),
                classes=[f"c{n}" for n in range(classes)],
                truth=truth,
                speakers=[f"s{n}" for n in random.integers(0, 3, count)],
                utterance_ids=[str(n) for n in range(count)],
                folds=["all"],
                variants={"only": runs},
            )
        )
        labels = [run.probabilities.argmax(axis=1) for run in runs]
        present = np.unique(truth)
        recall = [recall_score(truth, each, labels=present, average=None, zero_division=0) for each in labels]
        assert found["wa"] == pytest.approx(np.mean([accuracy_score(truth, each) for each in labels]))
        assert found["ua"] == pytest.approx(np.mean(recall))
        expected = np.mean([f1_score(truth, each, average="macro", zero_division=0) for each in labels])
        assert found["macro_f1"] == pytest.approx(expected)
        for number, name in enumerate(f"c{n}" for n in range(classes)):
            given_recall = found["variants"]["only"]["recall"][name]
            if number in present:
                assert given_recall == pytest.approx(np.mean([r[present.searchsorted(number)] for r in recall]))
            else:
                assert given_recall is None
        json.dumps(found, allow_nan=False)

    def test_are_the_mean_over_seeds_of_pooled_figures(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        for title, runs in evaluation.variants.items():
            labels = [run.probabilities.argmax(axis=1) for run in runs]
            found = figures["variants"][title]
            expected = [balanced_accuracy_score(evaluation.truth, each) for each in labels]
            assert found["ua"] == pytest.approx(np.mean(expected))
            assert [run["ua"] for run in found["seeds"]] == pytest.approx(expected)
        assert figures["wa"] == figures["variants"]["both"]["wa"]
        assert figures["seeds"] == [0, 1, 2]

    def test_pooled_is_not_the_mean_of_folds(self) -> None:
        """Nine right of nine in one fold, none of one in the other: pooled 90 %, mean of folds 50 %."""
        truth = np.zeros(10, np.int64)
        probabilities = np.tile([0.9, 0.1], (10, 1))
        probabilities[9] = [0.1, 0.9]
        run = Scores(0, np.arange(10), np.array([0] * 9 + [1]), probabilities)
        found = figures_of(
            demo_evaluation(
                (0,),
                classes=["a", "b"],
                truth=truth,
                speakers=["x"] * 9 + ["y"],
                utterance_ids=list("0123456789"),
                folds=["x", "y"],
                variants={"only": [run]},
            )
        )
        assert found["wa"] == pytest.approx(0.9)
        per_fold = found["variants"]["only"]["per_fold"]
        assert per_fold["wa_mean"] == pytest.approx(0.5)
        assert per_fold["wa_std"] == pytest.approx(np.sqrt(0.5))
        assert [row["wa"] for row in per_fold["folds"]] == [1.0, 0.0]

    def test_per_fold_and_per_speaker_equal_plain_loops(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        runs = evaluation.variants["mfcc"]
        found = figures["variants"]["mfcc"]
        for number, row in enumerate(found["per_fold"]["folds"]):
            inside = runs[0].fold == number
            truth = evaluation.truth[inside]
            labels = [run.probabilities[inside].argmax(axis=1) for run in runs]
            assert row["wa"] == pytest.approx(np.mean([accuracy_score(truth, each) for each in labels]))
            expected = [recall_score(truth, e, labels=np.unique(truth), average="macro") for e in labels]
            assert row["ua"] == pytest.approx(np.mean(expected))
        values = [row["wa"] for row in found["per_fold"]["folds"]]
        assert found["per_fold"]["wa_mean"] == pytest.approx(sum(values) / 10)
        assert found["per_fold"]["wa_mean"] != pytest.approx(found["wa"], abs=1e-4)
        # One speaker a fold here.
        assert [row["wa"] for row in found["per_speaker"]] == pytest.approx(values)

    def test_robustness_equals_a_plain_loop(self, evaluation: Evaluation) -> None:
        random = np.random.default_rng(3)
        runs = [
            replace(run, changed={name: random.permutation(run.probabilities) for name in ("white 10", "mulaw")})
            for run in evaluation.variants["both"]
        ]
        plain = [replace(run, changed={}) for run in evaluation.variants["mfcc"]]
        variants = {**evaluation.variants, "both": runs, "mfcc": plain}
        found = figures_of(replace(evaluation, variants=variants))["variants"]
        assert list(found["both"]["robustness"]) == ["white 10", "mulaw"]
        for name, row in found["both"]["robustness"].items():
            labels = [run.changed[name].argmax(axis=1) for run in runs]
            assert row["wa"] == pytest.approx(np.mean([accuracy_score(evaluation.truth, each) for each in labels]))
            expected = [balanced_accuracy_score(evaluation.truth, each) for each in labels]
            assert row["ua"] == pytest.approx(np.mean(expected))
            before = [run.probabilities.argmax(axis=1) for run in runs]
            assert row["difference"]["ua"] == pytest.approx(row["ua"] - found["both"]["ua"])
            assert row["ua_interval"][0] < row["ua"] < row["ua_interval"][1]
            low, high = row["difference"]["ua_interval"]
            assert low < row["difference"]["ua"] < high < 0, "labels by chance are worse beyond chance"
            assert row["changed"] == pytest.approx(
                np.mean([(a != b).mean() for a, b in zip(before, labels, strict=True)])
            )
        assert found["mfcc"]["robustness"] == {}

    def test_adapted_labels_are_counted_where_they_were_tested(self, evaluation: Evaluation) -> None:
        random = np.random.default_rng(4)
        runs = []
        for run in evaluation.variants["both"]:
            labels = random.integers(7, size=(3, len(evaluation.truth)))
            labels[random.random(labels.shape) < 0.2] = -1
            runs.append(replace(run, adapted={"10": labels}))
        found = figures_of(replace(evaluation, variants={"both": runs}))["variants"]["both"]["adapted"]["10"]
        pairs = [(run, labels) for run in runs for labels in run.adapted["10"]]
        expected, plain = [], []
        for run, labels in pairs:
            there = labels >= 0
            expected.append(balanced_accuracy_score(evaluation.truth[there], labels[there]))
            strict = run.probabilities.argmax(axis=1)
            plain.append(balanced_accuracy_score(evaluation.truth[there], strict[there]))
        assert found["draws"] == 3
        assert found["utterances"] == pytest.approx(np.mean([(labels >= 0).sum() for _, labels in pairs]))
        assert found["ua"] == pytest.approx(np.mean(expected))
        assert found["unadapted"]["ua"] == pytest.approx(np.mean(plain))
        assert found["difference"]["ua"] == pytest.approx(np.mean(expected) - np.mean(plain))

    def test_intervals_and_differences_equal_a_plain_bootstrap(
        self, evaluation: Evaluation, figures: dict[str, Any]
    ) -> None:
        random = np.random.default_rng(11)
        rows = {s: np.flatnonzero(np.array(evaluation.speakers) == s) for s in set(evaluation.speakers)}
        right = {
            title: np.mean([run.probabilities.argmax(axis=1) == evaluation.truth for run in runs], axis=0)
            for title, runs in evaluation.variants.items()
        }
        draws = [np.concatenate([rows[s] for s in random.choice(sorted(rows), 10)]) for _ in range(2_000)]
        expected = np.percentile([right["both"][drawn].mean() for drawn in draws], [2.5, 97.5])
        assert figures["wa_interval"] == pytest.approx(expected, abs=0.01)
        change = right["both"] - right["encoder alone"]
        expected = np.percentile([change[drawn].mean() for drawn in draws], [2.5, 97.5])
        difference = figures["variants"]["both"]["difference"]
        assert difference["from"] == "encoder alone"
        assert difference["wa"] == pytest.approx(change.mean())
        assert difference["wa_interval"] == pytest.approx(expected, abs=0.01)

    def test_mcnemar_is_given_for_each_seed(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        expected = []
        for one, two in zip(evaluation.variants["encoder alone"], evaluation.variants["mfcc"], strict=True):
            first, second = (run.probabilities.argmax(axis=1) == evaluation.truth for run in (one, two))
            only = int((first & ~second).sum()), int((second & ~first).sum())
            expected.append(binomtest(only[0], sum(only)).pvalue)
        assert figures["variants"]["mfcc"]["difference"]["mcnemar_p"] == pytest.approx(expected)

    def test_the_baseline_has_no_difference(self, figures: dict[str, Any]) -> None:
        assert figures["variants"]["encoder alone"]["difference"] is None

    def test_differences_are_of_the_seeds_that_both_have(self, evaluation: Evaluation) -> None:
        variants = {**evaluation.variants, "encoder alone": evaluation.variants["encoder alone"][1:]}
        found = figures_of(replace(evaluation, variants=variants))["variants"]["both"]["difference"]
        assert found["seeds"] == [1, 2]
        labels = {
            title: [run.probabilities.argmax(axis=1) for run in evaluation.variants[title][1:]]
            for title in ("both", "encoder alone")
        }
        wa = {title: np.mean([accuracy_score(evaluation.truth, e) for e in each]) for title, each in labels.items()}
        assert found["wa"] == pytest.approx(wa["both"] - wa["encoder alone"])

    def test_calibration_equals_a_plain_loop(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        errors = []
        for run in evaluation.variants["both"]:
            assert run.calibrated is not None
            confidence = run.calibrated.max(axis=1)
            right = run.calibrated.argmax(axis=1) == evaluation.truth
            error = 0.0
            for lower in np.arange(10) / 10:
                inside = (confidence >= lower) & (confidence < lower + 0.1)
                if inside.any():
                    error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
            errors.append(error)
        calibration = figures["variants"]["both"]["calibration"]
        assert calibration["after"]["ece"] == pytest.approx(np.mean(errors))
        assert calibration["before"]["ece"] > 1.5 * calibration["after"]["ece"]
        assert sum(each["labels"] for each in calibration["before"]["bins"]) == 3 * len(evaluation.truth)

    def test_full_coverage_has_the_whole_error(self, figures: dict[str, Any]) -> None:
        for variant in figures["variants"].values():
            last = variant["risk_coverage"]["before"]["points"][-1]
            assert last == {"coverage": 1.0, "risk": pytest.approx(1 - variant["wa"])}

    def test_chance(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        support = np.bincount(evaluation.truth)
        assert figures["chance"] == {
            "ua": pytest.approx(1 / 7),
            "majority_class": CLASSES[support.argmax()],
            "majority_wa": pytest.approx(support.max() / support.sum()),
        }

    def test_errors_are_wrong_and_sorted(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        truth = dict(zip(evaluation.utterance_ids, (CLASSES[n] for n in evaluation.truth), strict=True))
        assert len(figures["errors"]) == 15
        assert all(row["label"] != row["truth"] == truth[row["utterance_id"]] for row in figures["errors"])
        confidences = [row["confidence"] for row in figures["errors"]]
        assert confidences == sorted(confidences, reverse=True)

    def test_one_speaker_has_no_interval_and_a_remark(self, evaluation: Evaluation) -> None:
        found = figures_of(replace(evaluation, speakers=["x"] * len(evaluation.truth)))
        assert found["wa_interval"] is None
        assert found["variants"]["both"]["difference"]["ua_interval"] is None
        assert any("one test speaker" in remark for remark in found["remarks"])

    def test_runs_of_other_utterances_are_refused(self, evaluation: Evaluation) -> None:
        run = evaluation.variants["mfcc"][0]
        cut = replace(run, tested=run.tested[1:], fold=run.fold[1:], probabilities=run.probabilities[1:])
        with pytest.raises(ValueError, match="mfcc, seed 0: tested other utterances"):
            figures_of(replace(evaluation, variants={**evaluation.variants, "mfcc": [cut]}))
        with pytest.raises(ValueError, match="at least one"):
            figures_of(replace(evaluation, variants={}))

    def test_some_utterances_are_only_trained_on(self, evaluation: Evaluation) -> None:
        """Figures are of the tested ones alone, whose numbers in the corpus do not start at 0."""
        half = np.flatnonzero(np.array(evaluation.speakers) > "07")
        variants = {
            title: [
                replace(
                    run,
                    tested=half,
                    fold=np.zeros(len(half), np.int64),
                    probabilities=run.probabilities[half],
                    calibrated=None,
                    vectors=None,
                    changed={},
                    adapted={},
                )
                for run in runs
            ]
            for title, runs in evaluation.variants.items()
        }
        cut = replace(evaluation, variants=variants, folds=["test"])
        found = figures_of(cut)
        labels = [run.probabilities.argmax(axis=1) for run in variants["both"]]
        assert found["wa"] == pytest.approx(np.mean([accuracy_score(evaluation.truth[half], e) for e in labels]))
        assert found["utterances"] == len(half)
        assert found["speakers"] == ["08", "09", "10", "11", "12"]
        table = predictions_table(cut).to_pylist()
        assert [row["utterance_id"] for row in table[: len(half)]] == [evaluation.utterance_ids[n] for n in half]


class TestPublished:
    @pytest.mark.parametrize(("name", "corpus"), [("EMO-DB (2-second copy)", "emodb"), ("iemocap", "iemocap")])
    def test_rows_are_of_the_corpus(self, name: str, corpus: str) -> None:
        rows = published_for(name)
        assert len(rows) >= 5
        assert {row.corpus for row in rows} == {corpus}

    def test_another_corpus_has_none(self) -> None:
        assert published_for("our own calls") == []

    @pytest.mark.parametrize("corpus", ["emodb", "emovo", "iemocap"])
    def test_every_row_tells_protocol_and_source(self, corpus: str) -> None:
        for row in published_for(corpus):
            assert row.protocol
            assert row.source
            assert all(value is None or 0 < value < 1 for value in (row.wa, row.ua))

    def test_rows_of_another_number_of_classes_are_left_out(self, evaluation: Evaluation) -> None:
        """Four classes are an easier task than the seven of most published figures."""
        four = figures_of(of_four_classes(evaluation))
        assert {row["classes"] for row in four["systems"]} == {4, None}
        assert [row["system"] for row in four["systems"] if row["source"] != OWN] == ["HuMP-CAT"]
        text = said_under("Other systems", four)
        assert text.endswith("with another number of classes than 4 are left out: 5.")

    def test_a_corpus_with_no_row_of_so_many_classes(self, evaluation: Evaluation) -> None:
        text = said_under("Other systems", figures_of(replace(of_four_classes(evaluation), corpus="EMOVO")))
        assert text == (
            "No published figures for 4 classes are kept for this corpus. Published rows of this corpus with another "
            "number of classes than 4 are left out: 6."
        )

    def test_nothing_is_said_to_be_left_out_where_nothing_is(self, figures: dict[str, Any]) -> None:
        text = said_under("Other systems", figures)
        assert "left out" not in text
        assert {row["classes"] for row in figures["systems"]} == {7, None}

    @pytest.mark.parametrize(("corpus", "classes"), [("emodb", {7, None}), ("emovo", {7}), ("iemocap", {4})])
    def test_rows_tell_their_number_of_classes(self, corpus: str, classes: set[int | None]) -> None:
        assert {row.classes for row in published_for(corpus)} == classes

    def test_leaky_and_strict_rows_are_told_apart(self, figures: dict[str, Any]) -> None:
        leaky = {row["system"]: row["leaky"] for row in figures["systems"]}
        assert leaky["this evaluation: both"] is False
        assert leaky["WavLM Large, frozen"] is True
        assert leaky["emotion2vec"] is None


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self._in_notice = False
        self.shown = ""
        self.notice = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data", "poster", "style"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            assert not name.startswith("on")
            self._in_notice = self._in_notice or value == "notice"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._in_notice = self._in_notice and tag != "p"

    def handle_data(self, data: str) -> None:
        self.shown += data
        self.notice += data if self._in_notice else ""


def test_the_command_prints_adapted_figures_apart(
    folder: Path, figures: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    show(folder, as_json=False)
    strict, adapted = capsys.readouterr().out.split(ADAPTED)
    for title, variant in figures["variants"].items():
        assert re.search(rf"^{re.escape(title)} +{variant['wa']:.1%} +{variant['ua']:.1%}$", strict, re.MULTILINE)
        found = variant["adapted"]["all"]
        unadapted = f"unadapted UA {found['unadapted']['ua']:.1%}"
        line = rf"^{re.escape(title)} +{found['wa']:.1%} +{found['ua']:.1%}   {unadapted}, "
        assert re.search(rf"{line}enrolment: all$", adapted, re.MULTILINE)


class TestFolder:
    def test_has_these_files_and_no_leftovers(self, folder: Path) -> None:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        pictures = [
            "confusion_counts",
            "confusion_counts_baseline",
            "confusion_shares",
            "confusion_shares_baseline",
            "enhancement_01",
            "enhancement_02",
            "learning",
            "reliability",
            "risk_coverage",
            "robustness",
            "speakers",
            "vectors",
        ]
        expected = [f"pictures/{name}.png" for name in pictures]
        assert names == [*expected, "predictions.parquet", "report.html", "report.json", "report.md"]

    def test_json_holds_the_figures(self, folder: Path, figures: dict[str, Any]) -> None:
        text = (folder / "report.json").read_text(encoding="utf-8")

        def refuse(constant: str) -> None:
            raise AssertionError(constant)

        assert json.loads(text, parse_constant=refuse) == figures
        assert figures["recipe"] == json.loads(json.dumps(asdict(Recipe())))
        assert figures["protocol"] == "loso"
        assert figures["folds"] == [f"{number:02}" for number in range(3, 13)]

    def test_predictions_give_the_same_figures(self, folder: Path, evaluation: Evaluation) -> None:
        """The check that a reader would do, with scikit-learn, from the two files alone."""
        figures = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        table = pq.read_table(folder / "predictions.parquet")
        columns = [f"prob_{name}" for name in CLASSES]
        assert table.column_names == ["utterance_id", "fold", "seed", "label", *columns, "truth"]
        rows = table.to_pandas()
        assert len(rows) == 3 * len(evaluation.truth)
        assert rows[columns].to_numpy().sum(axis=1) == pytest.approx(1)
        assert ([CLASSES[n] for n in rows[columns].to_numpy().argmax(axis=1)] == rows["label"]).all()
        seeds = [own for _, own in rows.groupby("seed")]
        assert figures["wa"] == pytest.approx(np.mean([accuracy_score(o["truth"], o["label"]) for o in seeds]))
        assert figures["ua"] == pytest.approx(np.mean([balanced_accuracy_score(o["truth"], o["label"]) for o in seeds]))
        assert (rows["fold"] == rows["utterance_id"].str[:2]).all()

    def test_html_needs_nothing_else(self, folder: Path) -> None:
        text = (folder / "report.html").read_text(encoding="utf-8")
        page = Page(text)
        assert not page.open
        inside = {f"#{each}" for each in page.ids}
        assert len(inside) >= 12
        assert all(link.startswith("data:image/png;base64,") or link in inside for link in page.links)
        assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
        assert not re.search(r"url\(|@import", text)

    def test_html_embeds_every_picture(self, folder: Path) -> None:
        page = Page((folder / "report.html").read_text(encoding="utf-8"))
        embedded = {base64.b64decode(link.split(",")[1]) for link in page.links if link.startswith("data:")}
        assert embedded == {file.read_bytes() for file in (folder / "pictures").iterdir()}

    @pytest.mark.parametrize("name", ["report.html", "report.md"])
    def test_shows_every_number_of_the_recipe(self, name: str, folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        shown = Page(text).shown if name.endswith("html") else text.replace("\\", "")
        for key, value in asdict(Recipe()).items():
            assert key in shown
            if isinstance(value, float):
                assert str(value) in shown

    def test_markdown_links_its_pictures(self, folder: Path) -> None:
        linked = set(re.findall(r"\]\((pictures/[a-z_0-9]+\.png)\)", (folder / "report.md").read_text("utf-8")))
        assert linked == {f"pictures/{file.name}" for file in (folder / "pictures").iterdir()}

    def test_pictures_are_real_and_not_blank(self, folder: Path) -> None:
        for file in (folder / "pictures").iterdir():
            pixels = imread(io.BytesIO(file.read_bytes()), format="png")
            height, width = pixels.shape[:2]
            assert 300 < height < 1_500, file
            assert 500 < width < 1_500, file
            assert pixels[..., :3].std() > 0.05, file

    def test_is_the_same_again(self, evaluation: Evaluation, scored: Path, tmp_path: Path) -> None:
        write_report(bare(evaluation), tmp_path)
        files = [file for file in scored.rglob("*") if file.is_file()]
        assert len(files) == 4 + 6
        for file in files:
            assert (tmp_path / file.relative_to(scored)).read_bytes() == file.read_bytes(), file

    def test_replaces_a_report(self, evaluation: Evaluation, scored: Path, tmp_path: Path) -> None:
        shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
        (tmp_path / "pictures/enhancement_01.png").write_bytes(b"of an older report")
        (tmp_path / "pictures/notes.txt").write_text("not ours")
        write_report(replace(bare(evaluation), corpus="another"), tmp_path)
        assert json.loads((tmp_path / "report.json").read_text())["corpus"] == "another"
        left = {file.name for file in (tmp_path / "pictures").iterdir()}
        assert left == {file.name for file in (scored / "pictures").iterdir()} | {"notes.txt"}

    def test_json_is_written_last(self, evaluation: Evaluation, scored: Path, tmp_path: Path) -> None:
        """A report that could not be finished does not leave an older report.json beside newer files."""
        shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
        (tmp_path / "report.html").unlink()
        (tmp_path / "report.html").mkdir()
        with pytest.raises(OSError, match=r"report\.html"):
            write_report(bare(evaluation), tmp_path)
        assert not (tmp_path / "report.json").exists()

    def test_a_fixed_model_has_neither_recipe_nor_learning_curves(self, scored: Path) -> None:
        figures = json.loads((scored / "report.json").read_text())
        assert figures["recipe"] is None
        assert figures["model"] == "m@0"
        assert figures["variants"]["both"]["calibration"]["after"] is None
        shown = Page((scored / "report.html").read_text(encoding="utf-8"))
        assert "m@0" in shown.shown
        assert not {"recipe", "learning-curves", "utterance-vectors", "enhancement-weights"} & set(shown.ids)
        assert any("No t-SNE" in remark for remark in figures["remarks"])

    def test_says_whose_temperature_was_used(self, evaluation: Evaluation, figures: dict[str, Any]) -> None:
        fitted = "Each fold's temperature was fitted on its training speakers alone."
        assert said_under("Calibration", figures).endswith(fitted)
        fixed = said_under("Calibration", figures_of(replace(evaluation, model="m@0", recipe=None)))
        assert fixed.endswith("The model's own temperature was used; none was fitted here.")
        assert said_under("Calibration", figures_of(bare(evaluation))).endswith("No temperature was fitted.")


class TestLeaky:
    def test_is_said_in_every_output(self, leaky: Path) -> None:
        assert json.loads((leaky / "report.json").read_text(encoding="utf-8"))["leaky"] is True
        page = Page((leaky / "report.html").read_text(encoding="utf-8"))
        assert page.shown.count("leaky = true") >= 2
        assert "leaky = true" in page.notice
        assert (leaky / "report.md").read_text(encoding="utf-8").count("leaky = true") >= 2
        metadata = pq.read_schema(leaky / "predictions.parquet").metadata
        assert metadata[b"emoboost.leaky"] == b"true"

    def test_is_said_in_every_picture(self, evaluation: Evaluation) -> None:
        strict = bare(evaluation)
        marked = replace(strict, leaky=True)
        assert "LEAKY" in picture_title(marked, "WA")
        assert "LEAKY" not in picture_title(strict, "WA")
        figures = figures_of(strict)
        drawn, again = (pictures_of(each, figures) for each in (strict, marked))
        pairs = [pair for part in drawn for pair in zip(drawn[part], again[part], strict=True)]
        assert len(pairs) >= 5
        assert all(first.png != second.png for first, second in pairs)

    def test_is_not_said_of_a_strict_protocol(self, folder: Path) -> None:
        assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["leaky"] is False
        for name in ("report.html", "report.md"):
            assert "leaky = true" not in (folder / name).read_text(encoding="utf-8")
        assert pq.read_schema(folder / "predictions.parquet").metadata[b"emoboost.leaky"] == b"false"


class TestHostileNames:
    def test_are_text_in_html(self, leaky: Path) -> None:
        page = Page((leaky / "report.html").read_text(encoding="utf-8"))
        assert "script" not in page.tags
        assert not page.open
        assert page.shown.count(HOSTILE) > 20

    def test_of_every_kind_are_text(self, tmp_path: Path) -> None:
        """Each field of text that a corpus, a model or a user gives a name to, by itself."""

        def hostile(name: str) -> str:
            return f"<script>{name}&</script>'\""

        plain = demo_evaluation()
        evaluation = replace(
            plain,
            **{name: hostile(name) for name in ("corpus", "manifest", "protocol_description", "encoder")},
            folds=[hostile(f"fold{number}") for number, _ in enumerate(plain.folds)],
            classes=[hostile(f"class{number}") for number, _ in enumerate(plain.classes)],
            speakers=[hostile(f"speaker-{name}") for name in plain.speakers],
            utterance_ids=[hostile(f"utterance-{name}") for name in plain.utterance_ids],
            variants={hostile(title): runs for title, runs in plain.variants.items()},
            parameters={},
            examples=[replace(example, title=hostile("example")) for example in plain.examples],
            remarks=[hostile("remark")],
            recipe=replace(plain.recipe, name=hostile("recipe")) if plain.recipe else None,
        )
        assert evaluation.examples
        assert evaluation.recipe
        write_report(evaluation, tmp_path / "report")
        write_report(replace(bare(evaluation), model=hostile("model")), tmp_path / "scored")
        html, markdown = (
            "".join(
                (tmp_path / folder / f"report.{kind}").read_text(encoding="utf-8") for folder in ("report", "scored")
            )
            for kind in ("html", "md")
        )
        page = Page(html)
        assert "script" not in page.tags
        assert not page.open
        assert "<script" not in markdown
        names = ["corpus", "manifest", "protocol_description", "encoder", "fold0", "class0", "example", "remark"]
        for name in [*names, "recipe", "model", f"speaker-{plain.speakers[0]}"]:
            assert hostile(name) in page.shown, name
            assert escaped(hostile(name)) in markdown, name
        assert "<script>utterance-" in page.shown

    def test_are_text_in_markdown(self, leaky: Path) -> None:
        text = (leaky / "report.md").read_text(encoding="utf-8")
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block

    def test_survive_in_json_and_parquet(self, leaky: Path) -> None:
        assert json.loads((leaky / "report.json").read_text(encoding="utf-8"))["corpus"] == HOSTILE
        assert pq.read_table(leaky / "predictions.parquet")["utterance_id"][0].as_py() == f"{HOSTILE}0|\n"

    def test_markdown_escapes(self) -> None:
        assert escaped("a|b\n*c* <d> &e; [f] g_h \\") == ("a\\|b \\*c\\* &lt;d&gt; &amp;e; \\[f\\] g\\_h \\\\")


class TestTables:
    def test_variants_are_told_in_the_papers_layout(self, figures: dict[str, Any]) -> None:
        table = variants_table(figures)
        assert [row[0] for row in table.rows] == list(IN_PAPER)
        for row, title in zip(table.rows, IN_PAPER.values(), strict=True):
            assert row[1] == f"{100 * figures['variants'][title]['wa']:.1f}"
        assert [row[-1] for row in table.rows] == ["10,759", "676,061", "1,407,261", "2,072,413", "1,862,557"]

    @pytest.mark.parametrize("layout", [variants_table, pooling_table, calibration_table, seeds_table])
    def test_every_table_has_the_same_names_and_order(
        self, layout: Callable[[dict[str, Any]], Table], figures: dict[str, Any]
    ) -> None:
        assert list(dict.fromkeys(row[0] for row in layout(figures).rows)) == list(IN_PAPER)
        assert list(recall_table(figures).head[2:]) == list(IN_PAPER)

    def test_recalls_stand_below_their_variant(self, figures: dict[str, Any]) -> None:
        table = recall_table(figures)
        for column, title in enumerate(IN_PAPER.values(), start=2):
            recall = figures["variants"][title]["recall"]
            assert [row[column] for row in table.rows[:-1]] == [f"{100 * recall[name]:.1f}" for name in CLASSES]

    def test_every_variant_has_a_name_from_the_paper(self) -> None:
        assert set(PAPER_NAMES) == {variant.title for variant in VARIANTS.values()}

    def test_a_variant_that_the_paper_does_not_have_keeps_its_title(self) -> None:
        found = in_papers_order({"mine": {}, "both": {}, "encoder alone": {}})
        assert list(found) == ["encoder alone", "+ both (MS-EmoBoost)", "mine"]

    def test_tables_3_and_4_apart(self, figures: dict[str, Any]) -> None:
        third, fourth = guidance_table(figures), attention_table(figures)
        assert third.caption.startswith("Table 3 of the paper: ")
        assert [row[0] for row in third.rows] == list(IN_PAPER)[:4]
        assert fourth.caption.startswith("Table 4 of the paper: with and without attention")
        assert list(fourth.rows) == list(variants_table(figures).rows)[3:]

    def test_differences_are_those_of_the_figures(self, figures: dict[str, Any]) -> None:
        table = differences_table(figures)
        assert [row[0] for row in table.rows] == list(IN_PAPER)[1:]
        expected = 100 * figures["variants"]["mfcc"]["difference"]["ua"]
        assert float(table.rows[0][3].replace("−", "-")) == pytest.approx(expected, abs=0.05)

    def test_published_figures_keep_their_digits(self, figures: dict[str, Any]) -> None:
        shown = {row[0]: list(row[4:]) for row in systems_table(figures).rows}
        assert shown["MS-EmoBoost, wav2vec 2.0 Base"] == ["7", "92.45", "92.62"]
        assert shown["HuMP-CAT"] == ["not stated", "88.69", "–"]
        assert shown["this evaluation: both"] == ["7", *(f"{100 * figures[name]:.1f}" for name in ("wa", "ua"))]

    def test_very_many_speakers_are_cut(self, figures: dict[str, Any]) -> None:
        many = [{"speaker": f"s{n}", "utterances": 1, "wa": (n * 37 % 150) / 150, "ua": 0.5} for n in range(150)]
        variant = {**figures["variants"]["both"], "per_speaker": many}
        table = speakers_table({**figures, "variants": {"both": variant}})
        assert table.caption.startswith("The 100 of 150 speakers")
        assert [row[2] for row in table.rows] == [f"{100 * n / 150:.1f}" for n in range(100)]

    def test_encoders(self, evaluation: Evaluation) -> None:
        other = replace(evaluation, encoder="HuBERT <Base>", leaky=True)
        both = [figures_of(evaluation), figures_of(other)]
        rows = encoders_rows(both)
        assert [row["leaky"] for row in rows] == [False, True]
        assert rows[0]["gain"]["wa"] == pytest.approx(rows[0]["with"]["wa"] - rows[0]["without"]["wa"])
        table = encoders_table(both)
        assert "HuBERT &lt;Base&gt;" in markdown_table(table)
        page = Page(html_table(table))
        assert "HuBERT <Base>" in page.shown
        assert page.tags.count("tr") == 3
        assert {len(row) for row in table.rows} == {len(table.head)}

    def test_encoders_without_a_baseline(self, evaluation: Evaluation) -> None:
        (row,) = encoders_rows([figures_of(bare(evaluation))])
        assert row["without"] is row["gain"] is None
        assert "–" in markdown_table(encoders_table([figures_of(bare(evaluation))]))

    @pytest.mark.parametrize(
        ("value", "shown"), [(0.0123, "+1.2"), (-0.0123, "−1.2"), (0.0, "0.0"), (-0.0001, "0.0"), (-0.1, "−10.0")]
    )
    def test_differences_have_a_sign(self, value: float, shown: str) -> None:
        assert points(value) == shown

    def test_small_figures(self) -> None:
        assert points_span([-0.01, 0.02]) == "−1.0 to +2.0"
        assert probability(1e-9) == "< 0.001"
        assert probability(0.0421) == "0.042"


def test_every_key_is_documented(figures: dict[str, Any]) -> None:
    page = (REPOSITORY / "docs/evaluation.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z_0-9]+)` \|", page, re.MULTILINE))
    variant = figures["variants"]["both"]
    assert documented == {*figures, *variant}
