"""`evaluate` with a tiny model's encoders: the report, the same numbers again, and what kills leave behind."""

import json
import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from emoboost.checkpoint import ModelFolder
from emoboost.trials import TrialResult
from pipeline.processes import AGENTS, Stopped, started
from pipeline.recordings import EMODB, LIBRISPEECH
from pipeline.shell import Result, Shell

PAPER_ROWS = {
    "encoder alone": "encoder alone",
    "mfcc": "+ MFCC",
    "spectrogram": "+ spectrogram",
    "both": "+ both (MS-EmoBoost)",
}
CLASSES = ["anger", "sadness"]
RECIPE = """
copies: [clean, speed 0.9]
batch_size: 8
mfcc_branch: {frame_pool: 4, lstm_layers: 1, lstm_hidden: 4}
enhancement: {guidance_dim: 4, form: mean_start, standardise_frames: true}
"""
MANY_EPOCHS = 20
TRIALS = 2 * 4 + 4 * 3
"""Two variants of four folds; three inner folds of each for the calibration of the first."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two emotions and four speakers, a recipe of few short epochs and one of many."""
    cwd = tmp_path_factory.mktemp("evaluate")
    rows = [f"{clip},{('Angry', 'sad')[n % 2]},s{n // 2 % 4}" for n, clip in enumerate([*EMODB, *LIBRISPEECH[:4]])]
    (cwd / "acted.csv").write_text("\n".join(["path,label,speaker", *rows, ""]))
    (cwd / "few.yaml").write_text(f"{RECIPE}epochs: 2\n")
    (cwd / "many.yaml").write_text(f"{RECIPE}epochs: {MANY_EPOCHS}\n")
    return cwd


@pytest.fixture(scope="module")
def words(tiny_model: ModelFolder) -> list[str]:
    return ["evaluate", "acted.csv", "--base-model", str(tiny_model.path), "--seeds", "0"]


@pytest.fixture(scope="module")
def evaluated(workshop: Path, words: list[str], joined: Shell) -> Result:
    return joined.run(*words, "--recipe", "few.yaml", "--output", "few", "--json", cwd=workshop)


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: TrialResult.load(file).weights_hash for file in sorted(folder.glob("trials/*.npz"))}


def results(folder: Path) -> dict[str, tuple[int, int]]:
    """Finished trials, with what changes when a file is written again."""
    files = {file.name: file.stat() for file in folder.glob("trials/*.npz")}
    return {name: (file.st_ino, file.st_mtime_ns) for name, file in files.items()}


def events(folder: Path) -> list[dict[str, object]]:
    files = sorted(folder.glob("trials/events/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def killed_in_mid_training(folder: Path) -> bool:
    """Kill the first worker, but only while it is held at an epoch that is neither of the first nor the last."""
    told = events(folder)
    if not told:
        return False
    process = told[0]["process"]
    assert isinstance(process, int)
    os.kill(process, signal.SIGSTOP)
    last = [line for line in events(folder) if line["process"] == process][-1]
    found = last["event"] == "epoch" and last["epoch"] in range(4, MANY_EPOCHS - 1)
    os.kill(process, signal.SIGKILL if found else signal.SIGCONT)
    return found


class TestReport:
    def test_holds_every_figure(self, evaluated: Result, workshop: Path) -> None:
        assert evaluated.code == 0, evaluated.stderr
        figures = json.loads(evaluated.stdout)
        assert figures == json.loads((workshop / "few/report.json").read_text())
        assert figures["seeds"] == [0]
        assert figures["protocol"] == "loso"
        assert not figures["leaky"]
        assert figures["recipe"]["epochs"] == 2
        assert set(figures["variants"]) == {"both", "encoder alone"}
        names = {path.name for path in (workshop / "few").iterdir()}
        assert names >= {"report.html", "report.md", "report.json", "predictions.parquet", "pictures", "trials"}
        assert len(hashes(workshop / "few")) == TRIALS

    def test_figures_are_those_of_the_predictions(self, evaluated: Result, workshop: Path) -> None:
        figures = json.loads(evaluated.stdout)
        rows = pq.read_table(workshop / "few/predictions.parquet").to_pandas()
        assert len(rows) == 12
        assert {f"prob_{name}" for name in CLASSES} < set(rows.columns)
        assert figures["wa"] == pytest.approx(accuracy_score(rows.truth, rows.label))
        assert figures["ua"] == pytest.approx(balanced_accuracy_score(rows.truth, rows.label))
        assert rows.utterance_id.is_unique

    def test_shows_progress_and_keeps_it(self, evaluated: Result, workshop: Path) -> None:
        assert "Features: 24 of 24 copies" in evaluated.stderr
        assert f"Training: {TRIALS} of {TRIALS} trials, " in evaluated.stderr
        assert evaluated.stderr.splitlines()[-1] == f"{TRIALS} of {TRIALS} trainings"
        lines = events(workshop / "few")
        assert sum(line["event"] == "done" for line in lines) == TRIALS
        assert sum(line["event"] == "epoch" for line in lines) == TRIALS * 2
        assert not list((workshop / "few/trials").glob("*.state*"))


@pytest.mark.slow
class TestKilled:
    @pytest.fixture(scope="class")
    @classmethod
    def long(cls, words: list[str]) -> list[str]:
        return [*words, "--recipe", "many.yaml"]

    @pytest.fixture(scope="class")
    @classmethod
    def undisturbed(cls, workshop: Path, long: list[str], shell: Shell) -> Result:
        return shell.run(*long, "--output", "whole", "--json", cwd=workshop)

    @pytest.fixture(scope="class")
    @classmethod
    def disturbed(
        cls, workshop: Path, long: list[str], shell: Shell, undisturbed: Result
    ) -> tuple[Stopped, dict[str, tuple[int, int]]]:
        """A worker is killed in mid-training, then, some trials later, the command itself."""
        assert undisturbed.code == 0
        folder = workshop / "killed"
        with started(shell, [*long, "--output", "killed"], workshop) as run:
            run.wait_for("a training under way", lambda: killed_in_mid_training(folder))
            first = events(folder)[0]["process"]
            run.wait_for(
                "another worker's trials",
                lambda: sum(line["event"] == "done" and line["process"] != first for line in events(folder)) >= 2,
            )
            run.process.send_signal(signal.SIGKILL)
            run.end()
        return run, results(folder)

    @pytest.fixture(scope="class")
    @classmethod
    def interrupted(
        cls, disturbed: tuple[Stopped, dict[str, tuple[int, int]]], workshop: Path, long: list[str], shell: Shell
    ) -> dict[str, tuple[int, int]]:
        """Gone on with, and soon stopped by Ctrl-C at a terminal, which reaches Ray's processes, too."""
        assert 2 <= len(disturbed[1]) < TRIALS
        with started(shell, [*long, "--output", "killed", "--resume"], workshop) as run:
            run.wait_for("training", lambda: " starts" in run.stderr)
            os.killpg(run.process.pid, signal.SIGINT)
            assert run.end(30)[0] == 130
            assert run.stderr.splitlines()[-1] == (
                "Interrupted. What is finished stays; the same command with --resume continues."
            )
            assert "Traceback" not in run.stderr
            assert [name for name in run.left() if name not in AGENTS] == []
        return results(workshop / "killed")

    def test_goes_on_and_ends_with_the_same_weights(
        self,
        disturbed: tuple[Stopped, dict[str, tuple[int, int]]],
        interrupted: dict[str, tuple[int, int]],
        workshop: Path,
        long: list[str],
        shell: Shell,
        undisturbed: Result,
    ) -> None:
        finished = interrupted
        assert disturbed[1].items() <= finished.items(), "left as they were"
        assert len(finished) < TRIALS
        result = shell.run(*long, "--output", "killed", "--resume", "--json", cwd=workshop)
        assert result.code == 0, result.stderr
        assert f"Training: {TRIALS - len(finished)} of {TRIALS} trials" in result.stderr
        assert "copies of utterances are to be computed" not in result.stderr, "features were kept"
        assert finished.items() <= results(workshop / "killed").items(), "left as they were"
        assert hashes(workshop / "killed") == hashes(workshop / "whole")
        assert json.loads(result.stdout)["variants"] == json.loads(undisturbed.stdout)["variants"]

    def test_a_killed_training_went_on_from_its_last_epoch(
        self, disturbed: tuple[Stopped, dict[str, tuple[int, int]]], workshop: Path
    ) -> None:
        assert disturbed
        lines = events(workshop / "killed")
        first = lines[0]["process"]
        killed = [line for line in lines if line["process"] == first][-1]
        after = [
            line["epoch"]
            for line in lines
            if line["trial"] == killed["trial"] and line["process"] != first and line["event"] == "epoch"
        ]
        last = killed.get("epoch", 0)
        assert isinstance(last, int)
        assert after[0] in (last, last + 1), "an epoch whose state was written may not have been told"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_reproduce_writes_the_table_under_both_protocols(workshop: Path, shell: Shell) -> None:
    (workshop / "short.yaml").write_text("epochs: 1\ncopies: [clean]\n")
    words = ("reproduce", "table3", "--corpus", "acted.csv", "--recipe", "short.yaml", "--seeds", "0")
    result = shell.run(*words, "--output", "table", cwd=workshop, seconds=600)
    assert result.code == 0, result.stderr
    text = (workshop / "table/table3.md").read_text()
    assert text in result.stdout
    strict, leaky = text.split("## paper (LEAKY)")
    for part, protocol in ((strict, "loso"), (leaky, "paper")):
        figures = json.loads((workshop / "table" / protocol / "report.json").read_text())
        rows = [line for line in part.splitlines() if line.startswith("| ")][2:]
        assert [row.split(" |")[0] for row in rows] == [f"| {name}" for name in PAPER_ROWS.values()]
        for row, title in zip(rows, PAPER_ROWS, strict=True):
            assert f" {100 * figures['variants'][title]['ua']:.1f} " in row
    assert shell.run(*words, "--output", "table", cwd=workshop).code == 2
    again = shell.run(*words, "--output", "table", "--resume", cwd=workshop)
    assert again.code == 0, again.stderr
    assert "Training:" not in again.stderr
    assert (workshop / "table/table3.md").read_text() == text


def test_the_cache_is_told_and_cleared(evaluated: Result, workshop: Path, shell: Shell) -> None:
    assert evaluated.code == 0
    info = shell.run("cache", "info", "--json", cwd=workshop)
    uses = json.loads(info.stdout)
    assert sum(use["entries"] for use in uses) >= 24
    assert "GB" in shell.run("cache", "info", cwd=workshop).stdout
    assert shell.run("cache", "clear", cwd=workshop).code == 0
    assert json.loads(shell.run("cache", "info", "--json", cwd=workshop).stdout) == []
