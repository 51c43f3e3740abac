"""What `evaluate` refuses, and that it does so before any work: in this process, because imports take longest."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emoboost.checkpoint import ModelFolder
from emoboost.errors import UsageError
from jobs.caching import refuse_small_disk
from jobs.cli import app

Refused = Callable[..., str]


@pytest.fixture
def refused(clips: list[Path], tiny_model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """The message of a command that changes nothing; the corpus has two emotions and four speakers."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{clip},{('Angry', 'sad')[n % 2]},s{n // 2 % 4}" for n, clip in enumerate(clips[:12])]
    Path("acted.csv").write_text("\n".join(["path,label,speaker", *rows, ""]))
    shutil.copy(clips[0], "copy.flac")

    def run(*more: str, corpus: str = "acted.csv") -> str:
        words = ["evaluate", corpus, "--base-model", str(tiny_model.path), "--cache", "cache", "--output", "new"]
        result = CliRunner().invoke(app, [*words, *more])
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Running on" not in result.stderr
        assert not Path("new/trials").exists()
        return result.stderr

    return run


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--protocol", "random"], r"--protocol random: there is loso, kfold, session, text, fixed, paper"),
        (["--protocol", "session"], r"protocol session needs a session for every row"),
        (["--protocol", "kfold", "--folds", "5"], r"5 folds asked for, the corpus has 4 speakers"),
        (["--seeds", "a"], r"--seeds a: give different whole numbers"),
        (["--seeds", "1,1"], r"--seeds 1,1: give different whole numbers"),
        (["--seeds", ""], r"--seeds is empty"),
        (["--variants", "best"], r"--variants best: no variant 'best'"),
        (["--variants", "both,both"], r"--variants both,both: name each variant once"),
        (["--recipe", "nowhere.yaml"], r"--recipe nowhere\.yaml: no such recipe"),
        (["--label-map", "nowhere"], r"--label-map nowhere: no such map; give one of four, "),
        (["--encoder", "nowhere"], r"nowhere: no such folder"),
        (["--layers", "2"], r"--layers belongs to --encoder"),
        (["--alexnet", "nowhere"], r"nowhere: not the features of torchvision's AlexNet in safetensors"),
        (["--base-model", "nowhere"], r"nowhere: no such model"),
        (["--model", "nowhere"], r"nowhere: no such model"),
        (["--train-on", "nowhere.csv"], r"nowhere\.csv"),
        (["--output", "acted.csv"], r"--output acted\.csv: is not a folder"),
        (["--adapt", "age"], r"--adapt age: the column is speaker, as in speaker or speaker:5,10,all"),
        (["--adapt", "speaker:0"], r"--adapt speaker:0: give numbers of enrolment utterances or all"),
        (["--adapt", "speaker:2,2"], r"--adapt speaker:2,2: name each number once"),
        (["--adapt", "speaker:2", "--recipe", "r"], r"--adapt needs a recipe with shrinkage; r has none"),
        (["--adapt", "speaker:9", "--recipe", "robust"], r"9 enrolment utterances asked for, and one to test; speaker"),
        (["--conditions", "loud"], r"--conditions loud: copy 'loud': there is no 'loud'; give one of clean, speed"),
        (["--conditions", "white"], r"--conditions white: copy 'white': give white with a number from -20 to 80"),
        (["--conditions", "mulaw,mulaw"], r"--conditions mulaw,mulaw: give archives, or different changes"),
        (["--conditions", ","], r"--conditions ,: give archives, or different changes"),
        (["--model", "x", "--protocol", "loso"], r"--protocol has no meaning with --model; leave one of them out"),
        (
            ["--model", "x", "--adapt", "speaker:2"],
            r"--adapt cannot be used with --model; adapt the labels of",
        ),
        (["--model", "x", "--no-calibrate"], r"--calibrate has no meaning with --model"),
        (["--train-on", "acted.csv", "--folds", "3"], r"--folds has no meaning with --train-on"),
    ],
)
def test_an_argument(refused: Refused, more: list[str], message: str) -> None:
    found = refused(*more)
    assert re.search(message, found), found
    assert len(found.splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\nx.wav,sad\n", r"bad\.csv: no column 'speaker'"),
        ("path,label,speaker\nx.wav,sad,1\ny.wav,angri,2\n", r"row 2: label 'angri' is not .*perhaps 'anger'"),
        ("path,label,speaker\nx.wav,sad,1\ny.wav,anger,2\n", r"x\.wav: there is no such file.*remove that row"),
        ("path,label,speaker\n{0},sad,1\n{1},sad,1\n", r"only one label \('sadness'\)"),
        ("path,label,speaker\n{0},sad,1\n{1},anger,1\n", r"only one speaker \('1'\)"),
        (
            "path,label,speaker\n{0},sad,1\n{1},sad,2\n{2},anger,2\n",
            r"fold 2: class anger .* is tested, but nobody in training speaks it",
        ),
        (
            "path,label,speaker\n{0},sad,1\ncopy.flac,sad,2\n{1},anger,1\n{2},anger,2\n",
            r"audio .* is in training \(.*\) and in test \(.*\); correct the manifest, or remove one",
        ),
    ],
)
def test_a_corpus(refused: Refused, clips: list[Path], text: str, message: str) -> None:
    Path("bad.csv").write_text(text.format(*clips))
    found = refused(corpus="bad.csv")
    assert re.search(message, found), found


def test_a_report_is_not_replaced(refused: Refused, tiny_model: ModelFolder) -> None:
    Path("new").mkdir()
    Path("new/report.json").write_text("{}")
    assert "new: holds a report already; choose another --output" in refused()


def test_a_disk_that_is_too_small(tmp_path: Path, tiny_model: ModelFolder) -> None:
    with pytest.raises(UsageError, match=r"the features need at least \d+\.\d GB, [\d.]+ GB are free; free some, or"):
        refuse_small_disk(tmp_path, 10**12, tiny_model.config)
    refuse_small_disk(tmp_path, 10, tiny_model.config)
