"""Several runs on one output: none harms another, asleep, awake, or unseen."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from chaos.world import Host, Run, assert_readable, assert_same
from emoboost.runners import DEAD_SECONDS, RUNNERS


def finish(runs: list[Run]) -> None:
    for run in runs:
        assert run.wait() == 0
        assert run.said()["complete"], run.said()["error"]


def wait_for(what: str, happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def wait_until_asleep(run: Run) -> None:
    wait_for("sleep", lambda: Path(f"/proc/{run.process}/stat").read_text().rpartition(")")[2].split()[0] == "T")


def published(step: str) -> bool:
    return step.startswith("os.link") and not step.endswith("plan")


class TestSideBySide:
    @pytest.mark.parametrize("count", [2, 3])
    def test_they_share_the_work(self, host: Host, reference: pa.Table, tmp_path: Path, count: int) -> None:
        runs = [host.start(tmp_path / "out") for _ in range(count)]
        finish(runs)
        assert_same(tmp_path / "out", reference)

    def test_without_seeing_each_other(self, host: Host, reference: pa.Table, tmp_path: Path) -> None:
        runs = [host.start(tmp_path / "out") for _ in range(3)]
        folder, taken = tmp_path / "out" / RUNNERS, 0
        while any(not run.answer.exists() for run in runs):
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
                taken += 1
            time.sleep(0.01)
        finish(runs)
        assert taken
        assert_same(tmp_path / "out", reference)


class TestZombie:
    def steps(self, host: Host, output: Path) -> list[int]:
        """Numbers of the steps that publish a part."""
        _, whole = host.run(output)
        assert whole is not None
        return [number for number, step in enumerate(whole["steps"], 1) if published(step)]

    @pytest.mark.parametrize(
        "seconds", [0, pytest.param(2 * DEAD_SECONDS, marks=[pytest.mark.slow, pytest.mark.timeout(1_200)])]
    )
    def test_a_writer_that_slept_while_another_finished(
        self, host: Host, reference: pa.Table, tmp_path: Path, seconds: float
    ) -> None:
        """It falls asleep with a flushed part in its hand, one step before publishing it."""
        for number, step in enumerate(self.steps(host, tmp_path / "counted")):
            output = tmp_path / f"out-{number}"
            zombie = host.start(output, at=step, action="stop")
            wait_until_asleep(zombie)
            if not seconds:
                # So long ago that others take it for dead.
                (heartbeat,) = (output / RUNNERS).iterdir()
                os.utime(heartbeat, (0, 0))
            time.sleep(seconds)
            finish([host.start(output)])
            assert_same(output, reference)
            os.kill(zombie.process, signal.SIGCONT)
            finish([zombie])
            assert_same(output, reference)


def test_killed_beside_another(host: Host, reference: pa.Table, tmp_path: Path) -> None:
    """Two runs, of which one is killed at every ninth step; the other does not notice."""
    _, whole = host.run(tmp_path / "counted")
    assert whole is not None
    for number in range(1, len(whole["steps"]), 9):
        output = tmp_path / f"out-{number}"
        victim, other = host.start(output, at=number), host.start(output)
        # Whoever comes second may find less to do than there are steps.
        assert victim.wait() in (0, -signal.SIGKILL)
        finish([other])
        assert_readable(output, reference)
        finish([host.start(output)])
        left = list((output / RUNNERS).iterdir())
        for heartbeat in left:
            os.utime(heartbeat, (0, 0))
        (output / "_SUCCESS.json").unlink()
        shutil.rmtree(output / "labels")
        finish([host.start(output)])
        assert_same(output, reference)
