"""Ctrl-C and SIGTERM end a run within seconds, leave nothing running, and the same command goes on."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from emoboost.predict import EmotionModel
from pipeline.conftest import Terminated
from pipeline.labels import Heard, assert_labelled_alone, parts, rows_of
from pipeline.processes import AGENTS, Stopped, family, started
from pipeline.recordings import LIBRISPEECH, many_utterances
from pipeline.shell import Shell

CONTINUE = "Interrupted. What is finished stays; the same command continues."
LEFT_EARLY = """
import sys
import threading
from pathlib import Path
from cluster.connect import connected
from cluster.quiet import quiet
from cluster.resources import Layout
from jobs.pipeline import stream_alone

class Same:
    def __call__(self, batch):
        return batch

with quiet(Path(sys.argv[1])), connected(None):
    try:
        with stream_alone(50, Same, (), Layout(0, 1, 1.0, 0)) as rows:
            print(next(rows))
            raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        held = error  # which holds the frame that the rows come from, as a command's does until it has said so
    print([type(thread).__name__ for thread in threading.enumerate() if "Executor" in type(thread).__name__])
"""


def assert_clean_end(run: Stopped, code: int, seconds: float, left: list[str]) -> None:
    assert code == 130, run.stderr
    assert seconds < 25
    assert run.stderr.splitlines()[-1] == CONTINUE
    assert "Traceback" not in run.stderr
    assert (run.cwd / "stdout.txt").read_text() == "", "nothing that looks like a result"
    assert [name for name in left if name not in AGENTS] == []
    assert not list(run.cwd.glob("*/_SUCCESS.json"))


def test_sigterm(terminated: Terminated) -> None:
    assert_clean_end(terminated.run, terminated.code, terminated.seconds, terminated.left)
    finished = sum(1 for _ in rows_of(terminated.run.cwd / "many.emotions"))
    assert 0 < finished < 8 * 80, "it was in the middle of its work"


def test_leaves_no_temporary_folder(terminated: Terminated) -> None:
    assert terminated.code == 130, terminated.run.stderr
    assert terminated.folders == []


def test_ctrl_c_then_the_same_command_completes(shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
    """A terminal sends SIGINT to the whole process group: to Ray's processes, too."""
    many_utterances(tmp_path, 12)
    words = ["annotate", "many.csv", "--model", str(small.folder.path)]
    output = tmp_path / "many.emotions"
    with started(shell, words, tmp_path) as run:
        run.wait_for("first part", lambda: bool(run.parts()))
        os.killpg(run.process.pid, signal.SIGINT)
        code, seconds = run.end()
        assert_clean_end(run, code, seconds, run.left())
    before = {part.name: (part.stat().st_ino, part.stat().st_mtime_ns) for part in parts(output)}
    assert before
    result = shell.run(*words, cwd=tmp_path)
    assert result.code == 0, result.stderr
    after = {part.name: (part.stat().st_ino, part.stat().st_mtime_ns) for part in parts(output)}
    assert before.items() < after.items(), "finished parts were left as they are"
    rows = rows_of(output)
    assert [row["utterance_id"] for row in rows] == [f"{clip.stem}-{n:03d}" for n in range(12) for clip in LIBRISPEECH]
    assert_labelled_alone(rows[:8], [Heard(clip) for clip in LIBRISPEECH], small)
    assert_labelled_alone(rows[-8:], [Heard(clip) for clip in LIBRISPEECH], small)
    assert all(row["confidence"] == pytest.approx(rows[n % 8]["confidence"], abs=1e-5) for n, row in enumerate(rows))


def test_ctrl_c_while_workers_start(shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
    many_utterances(tmp_path, 10)
    with started(shell, ["annotate", "many.csv", "--model", str(small.folder.path)], tmp_path) as run:
        run.wait_for("Ray", lambda: "Running on" in run.stderr)
        os.killpg(run.process.pid, signal.SIGINT)
        code, seconds = run.end()
        assert_clean_end(run, code, seconds, run.left())


def test_sigterm_while_ray_starts(shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
    """Ray has a handler of its own by then."""
    many_utterances(tmp_path, 1)
    with started(shell, ["annotate", "many.csv", "--model", str(small.folder.path)], tmp_path) as run:
        run.wait_for("Ray's first process", lambda: any(map(is_gcs, family(run.process.pid))))
        os.kill(run.process.pid, signal.SIGTERM)
        code, seconds = run.end()
        assert "Running on" not in run.stderr
        assert_clean_end(run, code, seconds, run.left())


def test_rows_that_are_left_end_before_ray_does(joined: Shell, tmp_path: Path) -> None:
    """Collected later, Ray Data's executor starts Ray anew, and what it writes then hides how the command ended."""
    words = [sys.executable, "-c", LEFT_EARLY, str(tmp_path / "ray.log")]
    left = subprocess.run(words, env=joined.environment(), capture_output=True, text=True, timeout=100, check=False)
    assert left.returncode == 0, left.stderr
    assert "Traceback" not in left.stderr
    assert left.stdout.splitlines() == ["{'id': 0}", "[]"]


def is_gcs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.name() == "gcs_server"
    return False
