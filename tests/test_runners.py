"""Commands that share an output: advice by small files, on a local disk and a real store."""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3_server import S3

from emoboost.atomic import publish_whole
from emoboost.runners import (
    DEAD_SECONDS,
    RUNNERS,
    Runner,
    announced,
    new_id,
    others_alive,
    read_runner,
    shared,
    silent_seconds,
    sweep,
)
from emoboost.storage import TEMPORARY, Folder


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return Folder.at(tmp_path / "out")
    s3: S3 = request.getfixturevalue("s3")
    return Folder.at(f"{s3.make_bucket(f'runners-{new_id()}')}/out")


def age(folder: Folder, runner: Runner, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder.path(runner.file), (then, then))


class TestAnnounced:
    def test_is_seen_by_others_and_gone_at_the_end(self, folder: Folder) -> None:
        one, two = Runner("one", 100), Runner("two", 100)
        with announced(folder, one):
            assert others_alive(folder, one) == set()
            with announced(folder, two):
                assert others_alive(folder, one) == {"two"}
                assert others_alive(folder, two) == {"one"}
            assert others_alive(folder, one) == set()
        assert folder.names(RUNNERS) == []

    def test_tells_how_far_it_is(self, folder: Folder) -> None:
        runner = Runner("one", 100)
        with announced(folder, runner, beat=0.05):
            runner.utterances, runner.seconds, runner.errors = 7, 21.0, 1
            end = time.monotonic() + 10
            while (read_runner(folder, "one") or {}).get("utterances") != 7:
                assert time.monotonic() < end
                time.sleep(0.02)
        assert read_runner(folder, "one") is None

    def test_goes_on_where_it_cannot_write(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("a file in the way")
        with announced(Folder.at(tmp_path / "out"), Runner("one", 1), beat=0.01):
            time.sleep(0.1)

    def test_goes_on_when_its_file_is_taken_away(self, tmp_path: Path) -> None:
        folder, runner = Folder.at(tmp_path), Runner("one", 1)
        with announced(folder, runner):
            folder.remove(runner.file)
            assert others_alive(folder, runner) == set()
        assert folder.names(RUNNERS) == []


class TestLife:
    def test_only_the_clock_of_the_store_counts(self, tmp_path: Path) -> None:
        """Both files are from a day on which this machine's clock was wrong; only their distance matters."""
        folder, one, two = Folder.at(tmp_path), Runner("one", 1), Runner("two", 1)
        with announced(folder, one), announced(folder, two):
            age(folder, one, 86_400)
            age(folder, two, 86_400 + DEAD_SECONDS - 5)
            assert others_alive(folder, one) == {"two"}
            age(folder, two, 86_400 + DEAD_SECONDS + 5)
            assert others_alive(folder, one) == set()

    def test_a_process_of_this_machine_that_ended(self, tmp_path: Path) -> None:
        folder, me = Folder.at(tmp_path), Runner("me", 1)
        gone = subprocess.Popen(["true"])
        gone.wait()
        elsewhere = Runner("elsewhere", 1, host="another-machine", pid=gone.pid)
        with announced(folder, me), announced(folder, Runner("gone", 1, pid=gone.pid)), announced(folder, elsewhere):
            assert others_alive(folder, me) == {"elsewhere"}

    def test_silence(self, tmp_path: Path) -> None:
        folder, one = Folder.at(tmp_path), Runner("one", 1)
        with announced(folder, one):
            age(folder, one, 30)
            assert silent_seconds(folder, time.time())["one"] == pytest.approx(30, abs=5)

    def test_what_is_no_runner(self, tmp_path: Path) -> None:
        folder = Folder.at(tmp_path)
        for content in (b"", b"{", b"[]", b"\xff"):
            folder.replace(f"{RUNNERS}/x.json", content)
            assert read_runner(folder, "x") is None


class TestSweep:
    def test_takes_what_the_dead_left(self, folder: Folder) -> None:
        me, other = Runner("me", 1), Runner("other", 1)
        with announced(folder, me), announced(folder, other):
            folder.create()
            for name in ("me.part.1", "other.part.2", "dead.part.3", "part.4"):
                folder.filesystem.pipe_file(folder.path(f"{TEMPORARY}/{name}"), b"half")
            folder.replace(f"{RUNNERS}/dead.json", json.dumps({"id": "dead"}).encode())
            gone = sweep(folder, me, {"other"})
            assert sorted(gone) == [f"{RUNNERS}/dead.json", f"{TEMPORARY}/dead.part.3", f"{TEMPORARY}/part.4"]
            assert folder.names(TEMPORARY) == ["me.part.1", "other.part.2"]
            assert folder.names(RUNNERS) == ["me.json", "other.json"]

    def test_takes_nothing_while_it_cannot_tell_who_lives(self, tmp_path: Path) -> None:
        folder = Folder.at(tmp_path)
        (tmp_path / TEMPORARY).mkdir()
        (tmp_path / TEMPORARY / "other.part.2").touch()
        assert sweep(folder, Runner("me", 1), set()) == []
        with announced(folder, Runner("me", 1)):
            assert folder.names(TEMPORARY) == [], "now it can"

    def test_a_writer_taken_for_dead_writes_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its temporary file goes between the moment it is on the disk and the moment it is published."""
        real, swept = os.fsync, []

        def fsync(descriptor: int) -> None:
            real(descriptor)
            found = list((tmp_path / TEMPORARY).glob("*")) if not swept else []
            for temporary in found:
                temporary.unlink()
                swept.append(temporary)

        monkeypatch.setattr(os, "fsync", fsync)
        folder = Folder.at(tmp_path)
        (tmp_path / TEMPORARY).mkdir()
        (tmp_path / "labels").mkdir()
        assert folder.publish("labels/a", b"whole")
        assert len(swept) == 1
        assert folder.read("labels/a") == b"whole"
        swept.clear()
        folder.replace("labels/a", b"other")
        assert len(swept) == 1
        assert folder.read("labels/a") == b"other"

    def test_but_not_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        temporary = tmp_path / "t"
        monkeypatch.setattr(os, "link", lambda *_: temporary.unlink() or temporary.stat())
        with pytest.raises(FileNotFoundError):
            publish_whole(tmp_path / "a", b"x", temporary)


@given(st.integers(0, 300), st.integers(0, 40))
def test_every_runner_takes_every_shard_once(shards: int, others: int) -> None:
    order = shared(np.arange(shards), others)
    assert sorted(order.tolist()) == list(range(shards))


def test_runners_begin_far_apart() -> None:
    first = [int(shared(np.arange(1_000), others)[0]) for others in range(6)]
    assert first == [0, 999, 500, 250, 750, 125]
