"""Every other command, its help, and what it says when it is called wrongly."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from click.testing import Result as ClickResult
from typer.testing import CliRunner

from emoboost.checkpoint import bundled_models, find_model
from emoboost.predict import EmotionModel
from jobs.cli import app
from pipeline.conftest import Annotated
from pipeline.labels import parts, read
from pipeline.recordings import EMODB, EMOTIONS, LIBRISPEECH
from pipeline.shell import EXAMPLES, Shell

COMMANDS = [
    *(
        [],
        ["annotate"],
        ["retry"],
        ["status"],
        ["verify"],
        ["predict"],
        ["export"],
        ["evaluate"],
        ["reproduce"],
        ["train"],
        ["calibrate"],
        ["relabel"],
        ["sample"],
        ["score"],
    ),
    *(["cache"], ["cache", "info"], ["cache", "clear"]),
    *(["model"], ["model", "list"], ["model", "show"], ["corpus"], ["corpus", "import"], ["corpus", "show"]),
]


def in_this_process(*words: str | Path) -> ClickResult:
    """A command's end, without the seconds that a new process needs to import torch."""
    return CliRunner().invoke(app, list(map(str, words)))


class TestPredict:
    def test_text(self, shell: Shell, bundled: EmotionModel, tmp_path: Path) -> None:
        result = shell.run("predict", EMODB[0], LIBRISPEECH[0], cwd=tmp_path)
        assert result.code == 0, result.stderr
        for clip in (EMODB[0], LIBRISPEECH[0]):
            answer = bundled.predict(clip)
            assert f"{clip}: {answer.label} ({answer.confidence:.0%}), {answer.duration:.1f} s" in result.stdout
            for name, value in answer.probabilities.items():
                assert re.search(rf"^  {name} +[█·]{{20}} +{value * 100:.1f}%$", result.stdout, re.MULTILINE)
        assert len(bundled.predict(LIBRISPEECH[0]).segments) > 1
        assert "  segments\n       0.0 s  " in result.stdout
        assert f"Model {bundled.identity} ({bundled.config.training['summary']})" in result.stdout

    def test_json(self, bundled: EmotionModel) -> None:
        result = in_this_process("predict", LIBRISPEECH[0], "--json")
        assert result.exit_code == 0
        (found,) = json.loads(result.stdout)
        answer = bundled.predict(LIBRISPEECH[0])
        assert found["label"] == answer.label
        assert found["probabilities"] == pytest.approx(answer.probabilities, abs=1e-5)
        assert [segment["start"] for segment in found["segments"]] == list(answer.segment_starts)
        assert found["model"] == bundled.identity

    def test_csv_and_a_missing_file(
        self, bundled: EmotionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = in_this_process("predict", EMODB[0], "gone.wav", "--output", "out.csv")
        assert result.exit_code == 3
        with (tmp_path / "out.csv").open(newline="") as file:
            good, missing = csv.DictReader(file)
        answer = bundled.predict(EMODB[0])
        assert (good["uri"], good["status"], good["label"]) == (str(EMODB[0]), "ok", answer.label)
        for name, value in answer.probabilities.items():
            assert float(good[f"prob_{name}"]) == pytest.approx(value, abs=1e-5)
        assert (missing["uri"], missing["status"], missing["error_type"]) == ("gone.wav", "error", "not_found")
        assert "gone.wav: there is no such file" in missing["error_message"]
        assert missing["label"] == missing["prob_anger"] == ""

    def test_csv_and_json(self, tmp_path: Path) -> None:
        result = in_this_process("predict", EMODB[0], "--output", tmp_path / "out.csv", "--json")
        (found,) = json.loads(result.stdout)
        with (tmp_path / "out.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["label"] == found["label"]

    def test_nothing_is_left_when_there_is_no_such_model(self, shell: Shell, tmp_path: Path) -> None:
        shell.run("predict", EMODB[0], "--output", "out.csv", "--model", "nosuch", cwd=tmp_path).refused()
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written(self, shell: Shell, tmp_path: Path) -> None:
        refused = shell.run("predict", EMODB[0], "--output", "no/such/folder/out.csv", cwd=tmp_path).refused()
        assert re.search(r"no/such/folder/out\.csv: cannot be written", refused)


class TestExport:
    def test_csv_equals_the_parquet(self, archive: Annotated, shell: Shell, tmp_path: Path) -> None:
        result = shell.run("export", archive.output, "--to", "csv", "-d", "out.csv", cwd=tmp_path)
        assert result.code == 0, result.stderr
        assert result.stdout == "24 rows in out.csv\n"
        with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        wanted = read(archive.output)
        assert list(rows[0]) == wanted.column_names
        for found, row in zip(rows, wanted.to_pylist(), strict=True):
            for name, value in row.items():
                assert_same(name, found[name], value)

    def test_default_name(self, archive: Annotated, shell: Shell, tmp_path: Path) -> None:
        assert shell.run("export", f"{archive.output}/", "--to", "csv", cwd=tmp_path).code == 0
        assert [path.name for path in tmp_path.iterdir()] == ["labelled.csv"]

    def test_unfinished_output(self, archive: Annotated, shell: Shell, tmp_path: Path) -> None:
        run = archive.copied_to(tmp_path)
        parts(run.output)[0].unlink()
        result = shell.run("export", "labelled", "--to", "csv", cwd=tmp_path)
        assert result.code == 4
        assert "16 of 24 utterances; annotate continues it" in result.stderr
        assert len(pd.read_csv(tmp_path / "labelled.csv")) == 16

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["nowhere", "--to", "csv"], r"nowhere: not an output of annotate; give the folder that annotate wrote"),
            (["labelled", "--to", "csv", "-d", "no/such/x.csv"], r"no/such/x\.csv: cannot be written"),
            (["labelled", "--to", "xlsx"], r"xlsx"),
        ],
    )
    def test_refused(self, archive: Annotated, shell: Shell, words: list[str], message: str) -> None:
        assert re.search(message, shell.run("export", *words, cwd=archive.cwd).refused())


def assert_same(name: str, text: str, value: Any) -> None:
    """A field of the CSV against the value in the Parquet file."""
    if value is None:
        assert text == "", name
    elif isinstance(value, list):
        assert json.loads(text) == value
    elif isinstance(value, float):
        assert float(text) == pytest.approx(value, rel=1e-7), name
    elif isinstance(value, int):
        assert int(text) == value, name
    elif isinstance(value, str):
        assert text == value, name
    else:
        assert pd.Timestamp(text) == pd.Timestamp(value), name


class TestModel:
    def test_list(self, shell: Shell, bundled: EmotionModel, tmp_path: Path) -> None:
        assert shell.run("model", "list", cwd=tmp_path).stdout.startswith(bundled.identity)
        listed = json.loads(shell.run("model", "list", "--json", cwd=tmp_path).stdout)
        assert [facts["identity"] for facts in listed] == [find_model(name).identity for name in bundled_models()]
        assert all(20 < facts["size_mb"] < 50 for facts in listed), "with the encoders that they share"

    def test_show(self, shell: Shell, bundled: EmotionModel, tmp_path: Path) -> None:
        text = shell.run("model", "show", cwd=tmp_path).stdout
        assert re.search(rf"^identity +{bundled.identity}$", text, re.MULTILINE)
        assert re.search(r"^classes +anger, boredom, disgust, fear, happiness, neutral, sadness$", text, re.MULTILINE)
        assert bundled.folder.card.strip() in text
        facts = json.loads(shell.run("model", "show", "whisper-base-emodb", "--json", cwd=tmp_path).stdout)
        assert facts["config"]["classes"] == list(bundled.classes)
        assert facts["card"] == bundled.folder.card

    def test_show_an_unknown_one(self, shell: Shell, tmp_path: Path) -> None:
        assert "gpt: no such model" in shell.run("model", "show", "gpt", cwd=tmp_path).refused()


class TestCorpus:
    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_import_emodb(self, shell: Shell, tmp_path: Path, suffix: str) -> None:
        words = ("corpus", "import", "emodb", EXAMPLES / "audio/emodb", "--output", f"emodb.{suffix}")
        result = shell.run(*words, cwd=tmp_path)
        assert result.code == 0, result.stderr
        assert f"8 utterances of 8 speakers in emodb.{suffix}: anger 1, " in result.stdout
        file = tmp_path / f"emodb.{suffix}"
        table = pd.read_csv(file, dtype=str) if suffix == "csv" else pd.read_parquet(file)
        assert table["path"].tolist() == list(map(str, EMODB))
        assert table["utterance_id"].tolist() == [clip.stem for clip in EMODB]
        assert table["label"].tolist() == [EMOTIONS[clip.stem[5]] for clip in EMODB]
        assert table["speaker"].tolist() == [clip.stem[:2] for clip in EMODB]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["timit", "audio", "-o", "x.csv"], r"timit: no importer for this corpus; there is: emodb"),
            (["emodb", "audio", "-o", "x.txt"], r"x\.txt: name a file that ends in \.csv or \.parquet"),
            (["emodb", "nowhere", "-o", "x.csv"], r"nowhere: cannot be listed \(No such file or directory\)"),
            (["emodb", "audio/librispeech", "-o", "x.csv"], r"flac: not EMO-DB.s form of name"),
            (["emodb", "audio/emodb", "-o", "no/such/x.csv"], r"no/such/x\.csv: cannot be written"),
        ],
    )
    def test_refused(self, shell: Shell, words: list[str], message: str) -> None:
        assert re.search(message, shell.run("corpus", "import", *words, cwd=EXAMPLES).refused())


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_answers(self, shell: Shell, tmp_path: Path, command: list[str]) -> None:
        result = shell.run(*command, "--help", cwd=tmp_path)
        assert result.code == 0
        assert "Usage: emoboost-batch" in result.stdout

    def test_loads_nothing_heavy(self) -> None:
        """What takes seconds to import is imported by the command that needs it, so that help answers at once."""
        program = "import sys, jobs.cli; print(*sys.modules)"
        result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        loaded = set(result.stdout.split())
        assert "typer" in loaded
        assert not loaded & {"torch", "ray", "transformers", "librosa", "pandas", "pyarrow", "numpy", "fsspec"}

    def test_every_command_and_option_is_explained(self) -> None:
        found = set()
        for path, command in commands(typer.main.get_command(app)):
            found.add(path)
            assert command.help, path
            for parameter in command.params:
                assert getattr(parameter, "help", None), f"{path} {parameter.name}"
        assert found == {("emoboost-batch", *command) for command in COMMANDS}

    def test_no_command_shows_help(self, shell: Shell, tmp_path: Path) -> None:
        result = shell.run(cwd=tmp_path)
        assert result.code == 2
        assert "Usage: emoboost-batch" in result.stderr

    def test_completion(self, shell: Shell, tmp_path: Path) -> None:
        complete = {"_EMOBOOST_BATCH_COMPLETE": "complete_bash"}
        command = shell.run(cwd=tmp_path, COMP_WORDS="emoboost-batch an", COMP_CWORD="1", **complete)
        option = shell.run(cwd=tmp_path, COMP_WORDS="emoboost-batch annotate --ma", COMP_CWORD="2", **complete)
        assert command.stdout.split() == ["annotate"]
        assert sorted(option.stdout.split()) == [
            *("--max-bytes", "--max-channels", "--max-decode-seconds", "--max-duration", "--max-errors"),
            "--max-sample-rate",
        ]
        script = shell.run("--show-completion", cwd=tmp_path, prefix=["bash", "-c", '"$@"; exit $?', "bash"]).stdout
        assert "complete -o default -F _emoboost_batch_completion emoboost-batch" in script


def commands(command: Any, path: tuple[str, ...] = ("emoboost-batch",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


@pytest.mark.parametrize(
    "words",
    [
        ["annotate"],
        ["annotate", "x.csv", "--limit", "0"],
        ["annotate", "x.csv", "--limit", "few"],
        ["annotate", "x.csv", "--max-errors", "2"],
        ["annotate", "x.csv", "--precision", "int4"],
        ["annotate", "x.csv", "--no-such-option"],
        ["label", "x.csv"],
        ["predict"],
        ["export", "x"],
        ["train", "x.csv"],
    ],
    ids=" ".join,
)
def test_usage_errors(shell: Shell, tmp_path: Path, words: list[str]) -> None:
    refused = shell.run(*words, cwd=tmp_path)
    assert refused.code == 2
    assert "Traceback" not in refused.stderr
    assert "Error: " in refused.stderr
    assert "--help" in refused.stderr
    assert not list(tmp_path.iterdir())
