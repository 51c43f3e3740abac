"""What `train` refuses, and that it does so before any work: in this process, because imports take longest."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner
from workshop import make_workshop, words

from emoboost.checkpoint import find_model
from jobs.cli import app

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    cwd = tmp_path_factory.mktemp("workshop")
    make_workshop(cwd, clips)
    return cwd


@pytest.fixture
def refused(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """The message of a command that does no work."""
    monkeypatch.chdir(workshop)

    def run(*more: str, **places: str) -> str:
        result = CliRunner().invoke(app, words(*more, **places))
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Features: " not in result.stderr
        assert "Running on" not in result.stderr
        return result.stderr

    return run


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
def test_a_corpus(workshop: Path, refused: Refused, text: str, message: str) -> None:
    (workshop / "bad.csv").write_text(text)
    found = refused(corpus="bad.csv", output="bad")
    assert re.search(message, found), found
    assert not (workshop / "bad").exists()


def test_an_output_that_is_not_empty(workshop: Path, refused: Refused) -> None:
    (workshop / "full").mkdir()
    (workshop / "full/notes.txt").write_text("mine")
    found = refused(output="full")
    assert "full: exists and is not an empty folder; choose a new one with --output" in found
    assert [path.name for path in (workshop / "full").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("output", ["acted.csv", "acted.csv/model"])
def test_an_output_that_cannot_be_a_folder(refused: Refused, output: str) -> None:
    """Before the hours of training, not after them."""
    found = refused("--loso-seeds", "", output=output)
    message = r"^Error: acted\.csv.*: (exists and is not an empty folder; choose|cannot be made a model folder \()"
    assert re.search(message, found), found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "nowhere"}, r"nowhere: no such folder, and not a hub id such as"),
        ({"encoder": "alexnet.safetensors"}, r"alexnet\.safetensors: no such folder"),
        ({"alexnet": "nowhere"}, r"nowhere: not the features of torchvision's AlexNet in safetensors"),
        ({"alexnet": "encoder/model.safetensors"}, r"not the features of torchvision's AlexNet in safetensors"),
        ({"variant": "guided"}, r"--variant guided: no such variant; there is both, spectrogram, mfcc, encoder, "),
        ({"classifier-only": ""}, r"--encoder does not go with --classifier-only: vectors stay those of --base-model"),
        ({"loso-seeds": "0;1"}, r"--loso-seeds 0;1: give different whole numbers separated by commas"),
    ],
)
def test_an_argument(workshop: Path, refused: Refused, changes: dict[str, str], message: str) -> None:
    found = refused(*(word for name, value in changes.items() for word in (f"--{name}", value) if word), output="other")
    assert re.search(message, found), found
    assert len(found.splitlines()) <= 2, found
    assert not (workshop / "other").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--recipe", "r"), r"--classifier-only needs a recipe whose classifier is found in closed form \(shrinkage\)"),
        (("--variant", "mfcc"), r"--variant does not go with --classifier-only"),
        (("--base-model", "nowhere"), r"nowhere: no such model"),
    ],
)
def test_a_classifier_alone(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(workshop)
    card = ["--licence", "made up", "--description", "acted speech"]
    result = CliRunner().invoke(app, ["train", "acted.csv", "--output", "o", *card, "--classifier-only", *more])
    assert result.exit_code == 2, result.output
    assert re.search(message, result.stderr), result.stderr
    assert not (workshop / "o").exists()


def test_a_damaged_model_to_keep_the_vectors_of(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before features are computed, not by the workers after it."""
    monkeypatch.chdir(workshop)
    shutil.copytree(find_model().path, workshop / "damaged")
    with (workshop / "damaged/model.safetensors").open("ab") as opened:
        opened.write(b"\0")
    card = ["--licence", "made up", "--description", "acted speech"]
    only = ["--classifier-only", "--base-model", "damaged"]
    result = CliRunner().invoke(app, ["train", "acted.csv", "--output", "o", *card, *only])
    assert result.exit_code == 2, result.output
    assert "model.safetensors" in result.stderr
    assert "changed or damaged" in result.stderr
    assert "Features: " not in result.stderr
    assert not (workshop / "o").exists()
