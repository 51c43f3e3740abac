"""`train` on a tiny corpus with a tiny encoder: the folder that it writes is a model like any other."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from tiny_whisper import save_whisper
from torchvision.models import alexnet

from emoboost.checkpoint import find_model, load_adapted
from emoboost.predict import load_model
from pipeline.labels import Heard, assert_labelled_alone, content, rows_of
from pipeline.recordings import EMODB, LIBRISPEECH
from pipeline.shell import Result, Shell

CLASSES = ["anger", "sadness"]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of two emotions and four speakers, an encoder and AlexNet's features."""
    cwd = tmp_path_factory.mktemp("workshop")
    save_whisper(cwd / "encoder")
    torch.manual_seed(1)
    whole = alexnet(weights=None).state_dict()
    save_file({name: whole[name] for name in whole if name.startswith("features.")}, cwd / "alexnet.safetensors")
    rows = [f"{clip},{('Angry', 'sad')[n % 2]},s{n // 2 % 4}" for n, clip in enumerate([*EMODB, *LIBRISPEECH[:4]])]
    (cwd / "acted.csv").write_text("\n".join(["path,label,speaker", *rows, ""]))
    (cwd / "closed.yaml").write_text("shrinkage: 0.5\n")
    return cwd


def words(*more: str, corpus: str = "acted.csv", output: str = "mine") -> list[str]:
    networks = ["--encoder", "encoder", "--alexnet", "alexnet.safetensors"]
    card = ["--licence", "made up for a test", "--description", "acted speech of many"]
    return ["train", corpus, "--output", output, "--recipe", "r", *networks, *card, *more]


@pytest.fixture(scope="module")
def trained(workshop: Path, joined: Shell) -> Result:
    return joined.run(*words("--loso-seeds", "0"), cwd=workshop)


class TestTrain:
    def test_writes_a_whole_model_folder(self, trained: Result, workshop: Path) -> None:
        assert trained.code == 0, trained.stderr
        names = {"config.json", "model.safetensors", "frozen.safetensors", "README.md", "confusion.png"}
        names |= {"training_audio.txt"}
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

    def test_annotate_and_predict_with_it(self, trained: Result, workshop: Path, joined: Shell) -> None:
        assert trained.code == 0
        (workshop / "new.csv").write_text("\n".join(["path", *map(str, LIBRISPEECH), ""]))
        annotated = joined.run("annotate", "new.csv", "--model", "mine", cwd=workshop)
        assert annotated.code == 0, annotated.stderr
        assert "(trained on acted speech of many, 12 utterances of 4 speakers)" in annotated.stdout
        rows = rows_of(workshop / "new.emotions")
        assert_labelled_alone(rows, [Heard(clip) for clip in LIBRISPEECH], load_model(workshop / "mine"))
        predicted = joined.run("predict", LIBRISPEECH[0], "--model", "mine", "--json", cwd=workshop)
        (answer,) = json.loads(predicted.stdout)
        assert answer["label"] == rows[0]["label"]
        assert answer["confidence"] == pytest.approx(rows[0]["confidence"], abs=1e-5)

    def test_is_reproducible_and_needs_no_loso(self, trained: Result, workshop: Path, joined: Shell) -> None:
        """Held-out figures do not touch the shipped weights."""
        again = joined.run(*words("--loso-seeds", "", output="again/mine"), cwd=workshop)
        assert again.code == 0, again.stderr
        for name in ("model.safetensors", "frozen.safetensors"):
            assert (workshop / "again/mine" / name).read_bytes() == (workshop / "mine" / name).read_bytes(), trained
        assert "Not measured" in (workshop / "again/mine/README.md").read_text()

    def test_the_encoder_alone_in_closed_form(self, workshop: Path, joined: Shell) -> None:
        """It has a classifier for known speakers, and nothing of guidance."""
        more = ["--recipe", "closed.yaml", "--variant", "encoder", "--loso-seeds", "0"]
        closed = joined.run(*words(*more, output="closed"), cwd=workshop)
        assert closed.code == 0, closed.stderr
        head = load_adapted(find_model(workshop / "closed"))
        assert head is not None
        model = load_model(workshop / "closed")
        assert head.means.shape == head.weights.shape == (2, model.config.backbone.dim)
        assert model.config.mfcc_branch is model.config.spectrogram_branch is None
        assert model.predict(EMODB[0]).label in CLASSES
        assert "The encoder alone, without the guidance of MS-EmoBoost" in find_model(workshop / "closed").card
        assert set(model.config.training["loso"]) == {"encoder alone (shipped)"}
        assert model.config.temperature != 1
        assert (workshop / "closed/confusion.png").exists()


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("path,label\na.wav,sad\n", r"bad\.csv: no column 'speaker'"),
            ("path,label,speaker\na.wav,sad,1\nb.wav,,2\n", r"bad\.csv: row 2 has no label"),
            ("path,label,speaker\na.wav,sad,1\nb.wav,sad,2\n", r"bad\.csv: only one label \('sadness'\)"),
            ("path,label,speaker\na.wav,sad,1\nb.wav,anger,1\n", r"bad\.csv: only one speaker \('1'\)"),
            ("path,label,speaker\na.wav,sad,1\nb.wav,anger,2\n", r"a\.wav: there is no such file"),
        ],
    )
    def test_a_corpus(self, workshop: Path, shell: Shell, text: str, message: str) -> None:
        (workshop / "bad.csv").write_text(text)
        refused = shell.run(*words(corpus="bad.csv", output="bad"), cwd=workshop).refused()
        assert re.search(message, refused), refused
        assert not (workshop / "bad").exists()

    def test_an_output_that_is_not_empty(self, trained: Result, workshop: Path, shell: Shell) -> None:
        assert trained.code == 0
        before = content(workshop / "mine")
        refused = shell.run(*words(), cwd=workshop).refused()
        assert "mine: exists and is not an empty folder; choose a new one with --output" in refused
        assert content(workshop / "mine") == before

    @pytest.mark.parametrize("output", ["acted.csv", "acted.csv/model"])
    def test_an_output_that_cannot_be_a_folder(self, workshop: Path, shell: Shell, output: str) -> None:
        """Before the hours of training, not after them."""
        refused = shell.run(*words("--loso-seeds", "", output=output), cwd=workshop)
        assert "Features: " not in refused.stderr
        message = r"^acted\.csv.*: (exists and is not an empty folder; choose|cannot be made a model folder \()"
        assert re.search(message, refused.refused())

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"encoder": "nowhere"}, r"nowhere: no such folder, and not a hub id such as"),
            ({"encoder": "alexnet.safetensors"}, r"alexnet\.safetensors: no such folder"),
            ({"alexnet": "nowhere"}, r"nowhere: not the features of torchvision's AlexNet in safetensors"),
            ({"alexnet": "encoder/model.safetensors"}, r"not the features of torchvision's AlexNet in safetensors"),
            ({"variant": "guided"}, r"--variant guided: no such variant; there is both, spectrogram, mfcc, encoder, "),
            ({"loso-seeds": "0;1"}, r"--loso-seeds 0;1: give different whole numbers separated by commas"),
        ],
    )
    def test_an_argument(self, workshop: Path, shell: Shell, changes: dict[str, str], message: str) -> None:
        more = [word for name, value in changes.items() for word in (f"--{name}", value)]
        refused = shell.run(*words(*more, output="other"), cwd=workshop).refused()
        assert re.search(message, refused), refused
        assert len(refused.splitlines()) <= 2, refused
        assert not (workshop / "other").exists()
