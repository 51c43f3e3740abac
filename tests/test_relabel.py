"""Labels from stored vectors: against plain loops over what the output's files hold, and what is refused."""

import dataclasses
import json
import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished import annotated, copied, label, planned
from scipy.special import softmax
from tiny_model import save_adapted, save_tiny_model

from emoboost.adaptation import AdaptationConfig
from emoboost.checkpoint import CONFIG, ModelFolder, find_model, load_adapted, load_frozen, load_trained, save_model
from emoboost.classifier import Classifier
from emoboost.embeddings import EMBEDDINGS, Embeddings
from emoboost.errors import DamagedError, EmoboostError, ModelError, OutputError, UsageError
from emoboost.ledger import SUCCESS, Ledger
from emoboost.priors import corrected
from emoboost.schema import RELABELLED, probability_column
from emoboost.storage import Folder
from emoboost.voices import Guard, Listening, Reason
from jobs.annotate import AnnotateOptions
from jobs.exits import Exit
from jobs.finishing import checked
from jobs.planning import describe_plan
from jobs.relabel import Relabelled, relabel
from jobs.relabel_command import relabel_command
from jobs.relabel_plan import RelabelOptions, Source
from jobs.retry import RetryOptions, error_types, retry
from jobs.verify import verify_command

SPEAKERS = ("ann", "bob", "ann", "", "eve", "bob", "ann")
"""In turn; eve has too few utterances, and some have no name."""
ROWS, GONE = 60, 9
SAID_BY = Counter(SPEAKERS[row % 7] for row in range(ROWS) if row != GONE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model with a classifier for known speakers, to which ann sounds one-sided and bob does not."""
    folder = tmp_path_factory.mktemp("models")
    return save_adapted(save_tiny_model(folder / "plain", seed=13), folder / "tiny")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    """Sixty utterances, one without a recording, each with a speaker, a list and a number."""
    folder = tmp_path_factory.mktemp("relabel")
    heard = [folder / "gone.wav" if row == GONE else clips[row % len(clips)] for row in range(ROWS)]
    rows = [
        f"u{row},{clip},{0.02 * row},{SPEAKERS[row % 7]},only,{row},{'yes' * (row % 3 > 0)}"
        for row, clip in enumerate(heard)
    ]
    (folder / "m.csv").write_text("\n".join(["utterance_id,path,start,speaker,corpus,adapted,known", *rows]) + "\n")
    return folder / "m.csv"


@pytest.fixture(scope="module")
def whole(manifest: Path, model: ModelFolder) -> Path:
    annotated(manifest, manifest.with_name("out"), model, embeddings=True)
    return manifest.with_name("out")


@pytest.fixture
def output(whole: Path, tmp_path: Path) -> Ledger:
    return copied(whole, tmp_path / "out")


def rows_of(ledger: Ledger) -> list[dict[str, Any]]:
    return [row for shard in range(ledger.plan.shards) for row in ledger.read_part(shard).to_pylist()]


def vectors_of(ledger: Ledger) -> dict[str, np.ndarray]:
    """Id -> its segments, read with nothing of ours."""
    found = {}
    for file in sorted(Path(ledger.folder.path(EMBEDDINGS)).iterdir()):
        for row in pq.read_table(file).to_pylist():
            segments = [row["embedding"]] if row["segments"] is None else row["segments"]
            found[row["utterance_id"]] = np.array(segments, np.float32)
    return found


def run(output: Ledger, model: ModelFolder, **options: Any) -> tuple[Relabelled, Ledger]:
    given = {"output": output.folder.url, "model": str(model.path), **options}
    found = relabel(RelabelOptions(**given))
    ledger = Ledger.open(Folder.at(given.get("destination") or f"{output.folder.url}-relabelled"))
    assert ledger is not None
    return found, ledger


def expected(output: Ledger, model: ModelFolder, adapt: bool, factor: np.ndarray | None) -> dict[str, np.ndarray]:
    """Id -> scores, by loops."""
    head, config, trained = load_adapted(model), AdaptationConfig(), load_trained(model)
    assert head is not None
    weights, biases = trained["classify.weight"].numpy(), trained["classify.bias"].numpy()
    vectors = vectors_of(output)
    speakers = {row["utterance_id"]: row["speaker"] for row in rows_of(output) if row["status"] == "ok"}
    plain = {name: vector.mean(axis=0, dtype=np.float64) @ weights.T + biases for name, vector in vectors.items()}
    scores = {}
    for name, segments in vectors.items():
        own = [each for each, speaker in speakers.items() if speaker == speakers[name]]
        tops = Counter(int(plain[each].argmax()) for each in own)
        one_sided = tops.most_common(1)[0][1] > Guard().most_of_one * len(own)
        if adapt and speakers[name] and len(own) >= Guard().least_utterances and not one_sided:
            offset, logits = np.zeros(len(segments[0])), [plain[each] for each in own]
            for _ in range(config.rounds):
                beyond = np.zeros_like(offset)
                for each, said in zip(own, logits, strict=True):
                    mean = vectors[each].mean(axis=0, dtype=np.float64)
                    beyond += mean - softmax(said / config.temperature) @ head.means
                offset = beyond / (len(own) + config.prior_utterances)
                logits = [
                    head.weights @ (vectors[each].mean(axis=0, dtype=np.float64) - offset) + head.biases for each in own
                ]
            said = [head.weights @ (segment - offset) + head.biases for segment in segments]
        else:
            said = [weights @ segment + biases for segment in segments]
        shares = np.mean([softmax(each / model.config.temperature) for each in said], axis=0)
        scores[name] = shares if factor is None else shares * factor / (shares * factor).sum()
    return scores


def assert_scores(ledger: Ledger, model: ModelFolder, scores: dict[str, np.ndarray]) -> None:
    classes = model.config.classes
    for row in rows_of(ledger):
        if row["status"] == "ok":
            found = [row[probability_column(name)] for name in classes]
            np.testing.assert_allclose(found, scores[row["utterance_id"]], atol=1e-5)
            assert row["label"] == classes[int(np.argmax(found))]
            assert row["confidence"] == max(found)
        else:
            assert {row[name] for name, _, _ in RELABELLED} == {None}
            assert row["label"] is None


def differing(output: Ledger, ledger: Ledger) -> int:
    """Labels that are others than in the output that they were made of."""
    before = {row["utterance_id"]: row["label"] for row in rows_of(output)}
    return sum(row["label"] != before[row["utterance_id"]] for row in rows_of(ledger))


def test_nothing_asked_gives_the_labels_again(output: Ledger, model: ModelFolder) -> None:
    found, ledger = run(output, model)
    for old, new in zip(rows_of(output), rows_of(ledger), strict=True):
        assert new["label"] == new["plain_label"]
        if old["status"] == "ok":
            shares = sorted(old[probability_column(name)] for name in model.config.classes)
            assert old["label"] == new["label"] or shares[-1] - shares[-2] < 4e-3
            for name in map(probability_column, model.config.classes):
                assert new[name] == pytest.approx(old[name], abs=2e-3), "the vectors have three digits"
        same = set(old) - {"label", "confidence", *map(probability_column, model.config.classes)}
        assert {name: old[name] for name in same} == {name: new[name] for name in same}
    assert (found.changed, found.labelled, found.reasons, found.prior) == (0, 59, {"not asked for": 59}, None)
    assert_scores(ledger, model, expected(output, model, adapt=False, factor=None))


def test_a_prior_that_changes_nothing_is_told(
    output: Ledger, model: ModelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _ = run(output, model, prior="train")
    assert found.changed == 0
    assert "note: --prior train is the mix that the model learned with; it changes no score" in capsys.readouterr().err


def test_adapted_to_the_speakers(output: Ledger, model: ModelFolder) -> None:
    found, ledger = run(output, model, adapt="speaker")
    assert_scores(ledger, model, expected(output, model, adapt=True, factor=None))
    reasons = {row["utterance_id"]: (row["adapted"], row["adapt_reason"]) for row in rows_of(ledger)}
    told = Counter((SPEAKERS[int(name[1:]) % 7], *reasons[name]) for name in reasons)
    assert told[("eve", False, "too_few")] == found.reasons["too_few"] == SAID_BY["eve"]
    assert told[("", False, "no_speaker")] == SAID_BY[""]
    assert told[("ann", False, "one_sided")] == SAID_BY["ann"]
    assert told[("bob", True, None)] == SAID_BY["bob"]
    assert found.reasons["adapted"] == sum(count for (_, adapted, _), count in told.items() if adapted) > 15
    assert found.changed == differing(output, ledger) > 0


def calibrated_on_neutral(model: ModelFolder, folder: Path) -> ModelFolder:
    """The same weights; nearly everything that it labels it calls neutral."""
    shutil.copytree(model.path, folder)
    bias = tuple(8.0 * (name == "neutral") for name in model.config.classes)
    config = dataclasses.replace(model.config, bias=bias, calibrated_on="calls")
    (folder / CONFIG).write_text(config.to_json())
    return find_model(folder)


def test_the_guard_sees_the_labels_that_a_calibrated_model_gives(
    output: Ledger, model: ModelFolder, tmp_path: Path
) -> None:
    biased = calibrated_on_neutral(model, tmp_path / "biased")
    found, ledger = run(output, biased, adapt="speaker")
    assert {row["plain_label"] for row in rows_of(ledger)} == {"neutral", None}
    assert found.changed == differing(output, ledger) > 30, "what another classifier changes counts, too"
    assert found.reasons["one_sided"] == SAID_BY["ann"] + SAID_BY["bob"]
    assert "adapted" not in found.reasons


def test_scores_are_called_calibrated_only_where_they_are(output: Ledger, model: ModelFolder, tmp_path: Path) -> None:
    biased, mix = calibrated_on_neutral(model, tmp_path / "biased"), tmp_path / "mix.csv"
    mix.write_text("anger,0.1\nhappiness,0.2\nneutral,0.3\nsadness,0.4\n")
    for number, (options, expected) in enumerate(
        [({}, "calls"), ({"adapt": "speaker"}, None), ({"prior": str(mix)}, None), ({"prior": "train"}, "calls")]
    ):
        found, _ = run(output, biased, destination=str(tmp_path / str(number)), **options)
        assert found.summary.counts.calibrated_on == expected


def test_speakers_of_any_type(tmp_path: Path, model: ModelFolder, clips: list[Path]) -> None:
    columns = {
        "view": (pa.array(["ann ", None], pa.string_view()), ["ann", None]),
        "bytes": (pa.array([b"\xff", b""], pa.binary()), [r"b'\xff'", "b''"]),
        "number": (pa.array([float("nan"), 2.0]), [None, "2.0"]),
        "nul": (pa.array(["ann\0", "ann"]), ["ann\0", "ann"]),
    }
    paths = pa.array([str(clip) for clip in clips[:2]])
    table = pa.table({"path": paths, **{name: values for name, (values, _) in columns.items()}})
    pq.write_table(table, tmp_path / "m.parquet")
    ledger = planned(tmp_path / "m.parquet", tmp_path / "out", model)
    for name, (_, expected) in columns.items():
        assert Source(ledger, name).speakers(0) == expected


def test_names_that_differ_in_a_nul_are_two_speakers(model: ModelFolder) -> None:
    classifier = Classifier.of(model)
    assert classifier.adapted is not None
    listening = Listening(classifier, classifier.adapted)
    vectors = np.random.default_rng(0).normal(size=(3, classifier.weights.shape[1]))
    listening.hear(["a\0", "a", "a"], vectors, np.zeros((3, len(model.config.classes))))
    voices = listening.voices(Guard(least_utterances=2, most_of_one=1.0), AdaptationConfig())
    assert voices.reasons == {"a\0": Reason.TOO_FEW}
    assert list(voices.offsets) == ["a"]


def test_corrected_for_a_mix(output: Ledger, model: ModelFolder, tmp_path: Path) -> None:
    mix = tmp_path / "mix.yaml"
    mix.write_text("neutral: 0.85\nanger: 0.05\nhappiness: 0.05\nsadness: 0.05\n")
    found, ledger = run(output, model, prior=str(mix), adapt="speaker")
    factor = np.array([0.85 if name == "neutral" else 0.05 for name in model.config.classes])
    assert_scores(ledger, model, expected(output, model, adapt=True, factor=factor))
    assert found.prior == pytest.approx(dict(zip(model.config.classes, factor, strict=True)))


def test_an_estimated_mix(output: Ledger, model: ModelFolder, capsys: pytest.CaptureFixture[str]) -> None:
    found, ledger = run(output, model, prior="estimate")
    assert "note: a mix of classes estimated from 59 rows says little" in capsys.readouterr().err
    assert found.prior is not None
    mix = np.array([found.prior[name] for name in model.config.classes])
    plain = np.array(list(expected(output, model, adapt=False, factor=None).values()))
    uniform = np.full(len(mix), 1 / len(mix))
    np.testing.assert_allclose(corrected(plain, uniform, mix).mean(axis=0), mix, atol=1e-4)
    assert_scores(ledger, model, expected(output, model, adapt=False, factor=mix))


def test_by_another_classifier_on_the_same_encoder(output: Ledger, model: ModelFolder, tmp_path: Path) -> None:
    trained = load_trained(model)
    trained["classify.bias"] = trained["classify.bias"] + 1.5 * (trained["classify.bias"] * 0 + 1).cumsum(0)
    config = dataclasses.replace(model.config, name="other", temperature=2.0)
    other = save_model(tmp_path / "other", config, trained, load_frozen(model))
    found, ledger = run(output, other)
    assert str(ledger.plan.options["model"]).startswith("other@")
    assert found.summary.complete
    rows = [row for row in rows_of(ledger) if row["status"] == "ok"]
    assert Counter(row["label"] for row in rows).most_common(1)[0][0] == model.config.classes[-1]


class TestGuarantee:
    def test_is_complete_and_checked(self, output: Ledger, model: ModelFolder) -> None:
        found, ledger = run(output, model, adapt="speaker")
        assert found.summary.complete
        assert ledger.folder.exists(SUCCESS)
        assert ledger.plan.hash != output.plan.hash
        assert rows_of(ledger)[3]["manifest_adapted"] == rows_of(output)[3]["manifest_adapted"] == 3

    def test_what_is_missing_or_damaged_is_made_again_to_the_same_bytes(
        self, output: Ledger, model: ModelFolder
    ) -> None:
        _, ledger = run(output, model, adapt="speaker", prior="estimate")
        before = {name: ledger.folder.read(f"labels/{name}") for name in ledger.folder.names("labels")}
        assert len(before) >= 3
        names = sorted(before)
        ledger.folder.remove(f"labels/{names[0]}")
        ledger.folder.replace(f"labels/{names[1]}", b"half")
        run(output, model, adapt="speaker", prior="estimate")
        assert {name: ledger.folder.read(f"labels/{name}") for name in ledger.folder.names("labels")} == before

    def test_another_run_is_refused(self, output: Ledger, model: ModelFolder) -> None:
        run(output, model, adapt="speaker")
        with pytest.raises(
            OutputError, match=r"another run: adapt was 'speaker' and is now None; prior was None and is"
        ):
            run(output, model, prior="uniform")
        with pytest.raises(OutputError, match="was not made by relabel"):
            run(output, model, destination=output.folder.url)

    def test_another_releases_guard_is_refused(
        self, output: Ledger, model: ModelFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else what it makes again would stand beside labels of the older rule."""
        _, ledger = run(output, model, adapt="speaker")
        run(output, model, destination=f"{output.folder.url}-plain")
        ledger.folder.remove(ledger.part_name(0))
        monkeypatch.setattr("jobs.relabel_plan.Guard", partial(Guard, most_of_one=0.2))
        with pytest.raises(OutputError, match=r"adaptation was \{.*'most_of_one': 0.5\} and is now .*_one': 0.2\}"):
            run(output, model, adapt="speaker")
        run(output, model, destination=f"{output.folder.url}-plain")  # nobody is adapted there

    def test_an_edited_part_is_refused(self, output: Ledger, model: ModelFolder) -> None:
        pq.write_table(output.read_part(1), output.folder.path(output.part_name(1)))
        with pytest.raises(DamagedError, match=r"0000001\.parquet was edited"):
            run(output, model)

    def test_annotate_does_not_go_on_with_it(self, output: Ledger, model: ModelFolder, manifest: Path) -> None:
        _, ledger = run(output, model, adapt="speaker")
        with pytest.raises(UsageError, match="was made by relabel, not from recordings"):
            planned(manifest, ledger.folder.path(), model)
        for options in (
            {"output": ledger.folder.url},
            {"output": f"{output.folder.url}-new", "reuse": ledger.folder.url},
        ):
            with pytest.raises(UsageError, match="was made by relabel, not from recordings"):
                describe_plan(AnnotateOptions(manifest=str(manifest), model=str(model.path), **options))

    def test_commands_that_need_recordings(self, output: Ledger, model: ModelFolder) -> None:
        _, ledger = run(output, model)
        options = RetryOptions(output=ledger.folder.url, types=error_types([]), model=str(model.path))
        with pytest.raises(UsageError, match="was made by relabel, not from recordings; do this with the output that"):
            retry(options, Path("log"))
        with pytest.raises(UsageError, match="was made by relabel"):
            verify_command(
                ledger.folder.url,
                options.access,
                recompute=2,
                seed=0,
                model_name=str(model.path),
                as_json=False,
            )
        assert checked(ledger).summary.complete
        with pytest.raises(UsageError, match="was made by relabel; give the output that it was made of"):
            run(ledger, model, prior="uniform")


class TestRefused:
    def test_a_column_that_is_not_there(self, output: Ledger, model: ModelFolder) -> None:
        message = "--adapt 'speakr': the output carries no such column of its manifest; perhaps 'speaker'"
        with pytest.raises(UsageError, match=message):
            run(output, model, adapt="speakr")
        with pytest.raises(UsageError, match="its manifest; there are uri, speaker, corpus, adapted, known"):
            run(output, model, adapt="zzz")

    def test_one_value_for_all(self, output: Ledger, model: ModelFolder) -> None:
        with pytest.raises(UsageError, match="--adapt 'corpus': has one value, 'only', for all rows; give the column"):
            run(output, model, adapt="corpus")
        with pytest.raises(UsageError, match="has one value, 'yes', for all rows but 20 empty ones; give the column"):
            run(output, model, adapt="known")

    def test_a_model_without_a_classifier_for_speakers(
        self, manifest: Path, tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        plain = annotated(manifest, tmp_path / "plain", tiny_model, embeddings=True)
        with pytest.raises(UsageError, match="has no classifier for known speakers; train one with a recipe"):
            run(plain, tiny_model, adapt="speaker")

    def test_an_output_without_vectors(self, manifest: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        plain = annotated(manifest, tmp_path / "plain", tiny_model)
        with pytest.raises(UsageError, match="keeps no vectors; annotate it into a new output with --embeddings"):
            run(plain, tiny_model)

    def test_vectors_that_are_lost(self, output: Ledger, model: ModelFolder) -> None:
        """Before anything is written, wherever a whole file is missing; of a damaged one when it is read."""
        *_, last = sorted(output.folder.names(EMBEDDINGS))
        output.folder.remove(f"{EMBEDDINGS}/{last}")
        for _ in range(2):
            with pytest.raises(DamagedError, match=r"has no vector, or a damaged one, in embeddings/ for row 'u\d+'"):
                run(output, model)
            assert not Path(f"{output.folder.path()}-relabelled").exists()

    def test_vectors_that_are_lost_when_all_is_done(self, output: Ledger, model: ModelFolder) -> None:
        done, ledger = run(output, model)
        for name in output.folder.names(EMBEDDINGS):
            output.folder.remove(f"{EMBEDDINGS}/{name}")
        again, _ = run(output, model)
        assert (again.labelled, again.changed) == (done.labelled, done.changed) == (59, 0)
        assert not ledger.missing()

    def test_an_unfinished_output(self, manifest: Path, model: ModelFolder, tmp_path: Path) -> None:
        unfinished = planned(manifest, tmp_path / "plain", model, embeddings=True)
        label(unfinished, model, [0])
        with pytest.raises(OutputError, match=r"is not complete \(_SUCCESS\.json is missing\); run its annotate"):
            run(unfinished, model)

    def test_another_encoder(self, output: Ledger, model: ModelFolder, tmp_path: Path) -> None:
        trained = {name: tensor * 2 for name, tensor in load_trained(model).items()}
        other = save_model(tmp_path / "other", model.config, trained, load_frozen(model))
        with pytest.raises(
            UsageError, match=r"makes its vectors otherwise \(.*\) than the model of .*; annotate again"
        ):
            run(output, other)

    def test_a_damaged_classifier(self, output: Ledger, model: ModelFolder, tmp_path: Path) -> None:
        head = load_adapted(model)
        assert head is not None
        wrong = dataclasses.replace(head, biases=head.biases[:2])
        other = save_model(tmp_path / "other", model.config, load_trained(model), load_frozen(model), wrong)
        with pytest.raises(ModelError, match=r"adapted\.safetensors: is not what the config asks for"):
            run(output, other)
        (other.path / "adapted.safetensors").write_bytes(b"half")
        with pytest.raises(ModelError, match=r"adapted\.safetensors: SHA-256 is"):
            run(output, other)

    def test_nothing_asked(self, output: Ledger) -> None:
        with pytest.raises(UsageError, match="say what is to be another: --adapt COLUMN, --prior MIX or --model MODEL"):
            relabel_command(RelabelOptions(output=output.folder.url), as_json=False)
        with pytest.raises(UsageError, match="--adapt is empty"):
            relabel_command(RelabelOptions(output=output.folder.url, adapt=""), as_json=False)


def test_speakers_that_are_numbers_and_none(model: ModelFolder, clips: list[Path], tmp_path: Path) -> None:
    """NaN is nobody's name, and a list is no name."""
    count = 12
    columns = {"who": [1.0, float("nan"), None, 2.0] * 3, "both": [["a"], ["b"]] * 6}
    manifest = pa.table({"path": [str(clip) for clip in clips[:count]], **columns})
    pq.write_table(manifest, tmp_path / "m.parquet")
    output = annotated(tmp_path / "m.parquet", tmp_path / "out", model, embeddings=True)
    found, _ = run(output, model, adapt="who")
    assert found.reasons == {"no_speaker": 6, "too_few": 6}
    with pytest.raises(UsageError, match=r"--adapt 'both': holds list<.*>, no names; give the column"):
        run(output, model, adapt="both")


class TestCommand:
    def test_text(self, output: Ledger, model: ModelFolder, capsys: pytest.CaptureFixture[str]) -> None:
        options = RelabelOptions(output=output.folder.url, model=str(model.path), adapt="speaker", prior="train")
        assert relabel_command(options, as_json=False) is Exit.COMPLETE
        text = capsys.readouterr().out
        assert "Complete: 60 of 60 utterances" in text
        assert " of 59 labels (" in text
        assert f"{SAID_BY['eve']} too_few" in text
        assert "Prior    anger 0.250, happiness 0.250" in text

    def test_json(self, output: Ledger, model: ModelFolder, capsys: pytest.CaptureFixture[str]) -> None:
        options = RelabelOptions(output=output.folder.url, model=str(model.path), adapt="speaker")
        assert relabel_command(options, as_json=True) is Exit.COMPLETE
        facts = json.loads(capsys.readouterr().out)
        assert (facts["relabelled"], facts["adaptation"][Reason.TOO_FEW], facts["prior"]) == (59, SAID_BY["eve"], None)
        assert facts["complete"] is True

    def test_what_nobody_foresaw_is_told_in_the_new_place(
        self, output: Ledger, model: ModelFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = sorted(Path(output.folder.path()).rglob("*"))

        def broken(*given: object) -> None:
            raise ArithmeticError("out of numbers")

        monkeypatch.setattr("jobs.relabel.Work.label", broken)
        options = RelabelOptions(output=output.folder.url, model=str(model.path), prior="uniform")
        with pytest.raises(EmoboostError, match=r"-relabelled: the job failed \(ArithmeticError: out of numbers\)"):
            relabel_command(options, as_json=False)
        assert sorted(Path(output.folder.path()).rglob("*")) == before
        (log,) = Path(options.folder.path("_logs")).iterdir()
        assert "out of numbers" in log.read_text()


def test_vectors_of_the_reference_are_those_that_are_used(output: Ledger) -> None:
    ours = Embeddings.of(output)
    reference = vectors_of(output)
    for shard in range(output.plan.shards):
        part = output.read_part(shard)
        vectors = ours.vectors(shard, part)
        for row, segments in zip(vectors.rows, vectors.parted(), strict=True):
            assert np.array_equal(segments, reference[part["utterance_id"][row].as_py()])
