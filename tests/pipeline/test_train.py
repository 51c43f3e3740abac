"""`train` on a tiny corpus with a tiny encoder: the folder that it writes is a model like any other."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from workshop import make_workshop, words

from emoboost.checkpoint import find_model, load_adapted
from emoboost.encoder_identity import encoder_identity
from emoboost.predict import load_model
from pipeline.labels import Heard, assert_labelled_alone, rows_of
from pipeline.recordings import EMODB, LIBRISPEECH
from pipeline.shell import Result, Shell

CLASSES = ["anger", "sadness"]
CLOSED = ("--recipe", "closed.yaml")
"""Guidance by gradients, the classifier at once, as the default recipe does."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cwd = tmp_path_factory.mktemp("workshop")
    make_workshop(cwd, [*EMODB, *LIBRISPEECH[:4]])
    return cwd


@pytest.fixture(scope="module")
def trained(workshop: Path, joined: Shell) -> Result:
    return joined.run(*words(*CLOSED, "--loso-seeds", "0"), cwd=workshop)


@pytest.fixture(scope="module")
def alone(workshop: Path, joined: Shell) -> Result:
    """The encoder alone."""
    return joined.run(*words(*CLOSED, "--variant", "encoder", "--loso-seeds", "0", output="alone"), cwd=workshop)


@pytest.fixture(scope="module")
def annotated(alone: Result, workshop: Path, joined: Shell) -> Result:
    assert alone.code == 0
    (workshop / "new.csv").write_text("\n".join(["path", *map(str, LIBRISPEECH), ""]))
    return joined.run("annotate", "new.csv", "--model", "alone", "--embeddings", cwd=workshop)


class TestTrain:
    def test_writes_a_whole_model_folder(self, trained: Result, workshop: Path) -> None:
        assert trained.code == 0, trained.stderr
        names = {"config.json", "model.safetensors", "frozen.safetensors", "README.md", "confusion.png"}
        names |= {"training_audio.txt", "adapted.safetensors"}
        assert {path.name for path in (workshop / "mine").iterdir()} == names
        model = load_model(workshop / "mine")
        assert model.classes == tuple(CLASSES), "labels of the manifest in the canonical vocabulary"
        assert trained.stdout.startswith(f"{model.identity} in mine (")

    def test_shows_progress_and_results(self, trained: Result) -> None:
        assert "Features: 36 of 36 copies of utterances" in trained.stderr
        assert "Training: 8 of 8 trials" in trained.stderr
        assert re.search(r"leave-one-speaker-out, with guidance \(shipped\), seed 0: WA [\d.]+%, UA ", trained.stderr)
        assert re.search(r"training on all speakers: epoch 3, loss \d+\.\d+", trained.stderr)

    def test_card_and_picture(self, trained: Result, workshop: Path) -> None:
        assert trained.code == 0
        card = (workshop / "mine/README.md").read_text()
        assert card.startswith("# mine\n")
        assert "acted speech of many: 12 utterances, 4 speakers" in card
        assert "made up for a test" in card
        assert "confusion.png" in card
        assert (workshop / "mine/confusion.png").read_bytes().startswith(b"\x89PNG")
        config = json.loads((workshop / "mine/config.json").read_text())
        assert config["training"]["seed"] == 0
        assert set(config["training"]["loso"]) == {"with guidance (shipped)", "encoder alone"}
        assert config["temperature"] != 1
        lines = (workshop / "mine/training_audio.txt").read_text().splitlines()
        names = {line.split()[1].rpartition("-")[0] for line in lines}
        assert names == {clip.stem for clip in [*EMODB, *LIBRISPEECH[:4]]}

    def test_is_scored_as_it_predicts_and_says_that_it_has_heard_this(
        self, trained: Result, workshop: Path, joined: Shell
    ) -> None:
        assert trained.code == 0
        scored = joined.run("evaluate", "acted.csv", "--model", "mine", "--output", "scored", cwd=workshop)
        assert scored.code == 0, scored.stderr
        assert "warning: 12 of 12 utterances are in the model's training data" in scored.stderr
        assert scored.stdout.startswith("LEAKY: ")
        rows = pq.read_table(workshop / "scored/predictions.parquet").to_pandas().set_index("utterance_id")
        answer = load_model(workshop / "mine").predict(EMODB[0])
        (row,) = [row for name, row in rows.iterrows() if str(name).startswith(EMODB[0].stem)]
        assert row.label == answer.label
        assert row[f"prob_{answer.label}"] == pytest.approx(answer.confidence, abs=2e-3)

    def test_annotate_and_predict_with_it(self, annotated: Result, workshop: Path, joined: Shell) -> None:
        assert annotated.code == 0, annotated.stderr
        assert "(trained on acted speech of many, 12 utterances of 4 speakers)" in annotated.stdout
        rows = rows_of(workshop / "new.emotions")
        assert_labelled_alone(rows, [Heard(clip) for clip in LIBRISPEECH], load_model(workshop / "alone"))
        predicted = joined.run("predict", LIBRISPEECH[0], "--model", "alone", "--json", cwd=workshop)
        (answer,) = json.loads(predicted.stdout)
        assert answer["label"] == rows[0]["label"]
        assert answer["confidence"] == pytest.approx(rows[0]["confidence"], abs=1e-5)

    def test_is_reproducible_and_needs_no_loso(self, trained: Result, workshop: Path, joined: Shell) -> None:
        """Held-out figures do not touch the shipped weights."""
        again = joined.run(*words(*CLOSED, "--loso-seeds", "", output="again/mine"), cwd=workshop)
        assert again.code == 0, again.stderr
        for name in ("model.safetensors", "frozen.safetensors", "adapted.safetensors"):
            assert (workshop / "again/mine" / name).read_bytes() == (workshop / "mine" / name).read_bytes(), trained
        assert "Not measured" in (workshop / "again/mine/README.md").read_text()

    def test_the_encoder_alone(self, alone: Result, workshop: Path) -> None:
        """It has a classifier for known speakers, and nothing of guidance."""
        assert alone.code == 0, alone.stderr
        head = load_adapted(find_model(workshop / "alone"))
        assert head is not None
        model = load_model(workshop / "alone")
        assert head.means.shape == head.weights.shape == (2, model.config.backbone.dim)
        assert model.config.mfcc_branch is model.config.spectrogram_branch is None
        assert model.predict(EMODB[0]).label in CLASSES
        assert "The encoder alone, without the guidance of MS-EmoBoost" in find_model(workshop / "alone").card
        assert set(model.config.training["loso"]) == {"encoder alone (shipped)"}
        assert model.config.temperature != 1
        assert (workshop / "alone/confusion.png").exists()

    def test_a_classifier_alone_labels_an_output_without_hearing_it_again(
        self, annotated: Result, workshop: Path, joined: Shell
    ) -> None:
        """From the vectors that the model before it left, with classes of its own."""
        assert annotated.code == 0
        rows = [f"{clip},{('fear', 'boredom')[n % 2]},s{n // 2}" for n, clip in enumerate(LIBRISPEECH)]
        (workshop / "own.csv").write_text("\n".join(["path,label,speaker", *rows, ""]))
        card = ["--licence", "ours.", "--description", "own speech"]
        only = ["--classifier-only", "--base-model", "alone", "--recipe", "closed.yaml", "--loso-seeds", ""]
        done = joined.run("train", "own.csv", "--output", "head", *card, *only, cwd=workshop)
        assert done.code == 0, done.stderr
        base, head = find_model(workshop / "alone"), find_model(workshop / "head")
        assert encoder_identity(head) == encoder_identity(base)
        assert f"| vectors | those of {base.identity}; only the classifier was trained |" in head.card
        assert f"Training data: ours; of {base.identity}, whose vectors these are: made up for a test" in head.card
        assert head.training_audio.items() > base.training_audio.items()
        warning = f"{base.identity}, whose vectors are kept: 4 of {len(LIBRISPEECH)} utterances are in the model's"
        assert f"warning: {warning} training data" in done.stderr
        assert f"- {warning} training data" in head.card
        chained = joined.run("train", "own.csv", "--output", "no", *card, *only, "--base-model", "head", cwd=workshop)
        assert f"--base-model {workshop / 'head'}: reads the vectors of {base.identity}; name that" in chained.stderr
        again = joined.run("relabel", "new.emotions", "--model", "head", cwd=workshop)
        assert again.code == 0, again.stderr
        relabelled = rows_of(workshop / "new.emotions-relabelled")
        for row, clip in zip(relabelled, LIBRISPEECH, strict=True):
            answer = load_model(workshop / "head").predict(clip)
            assert answer.label == row["label"]
            assert answer.confidence == pytest.approx(row["confidence"], abs=2e-3)
