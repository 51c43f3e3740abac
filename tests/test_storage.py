"""Two publishing verbs that keep their promise under races: on a local disk, in memory, and on a real S3 server."""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fault_proxy import Fault, FaultProxy, fault_proxy, lost_answer, reset, status
from s3_server import LIMITED_KEY, LIMITED_SECRET, S3, options_for_server

from emoboost.atomic import sync_folder
from emoboost.errors import OutputError, StorageStop
from emoboost.places import is_url
from emoboost.storage import TEMPORARY, Folder

WRITERS = 8
BIG = 1_000_000
"""Bytes: enough that a half-written file would be seen."""


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    return s3.make_bucket("storage-tests")


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder on each kind of storage."""
    if request.param == "local":
        return Folder.at(tmp_path / "out put")
    if request.param == "memory":
        return Folder.at(f"memory://{tmp_path.name}")
    return Folder.at(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


def content_of(writer: int) -> bytes:
    """What one writer writes: all its bytes are the same."""
    return bytes([writer]) * BIG


def assert_one_winner(folder: Folder, name: str, wins: list[bool]) -> None:
    assert Counter(wins) == {True: 1, False: len(wins) - 1}
    assert folder.read(name) == content_of(wins.index(True))


class TestPublish:
    def test_first_writer_wins(self, folder: Folder) -> None:
        assert folder.publish("labels/a.parquet", b"first")
        assert not folder.publish("labels/a.parquet", b"second")
        assert folder.read("labels/a.parquet") == b"first"

    def test_replace(self, folder: Folder) -> None:
        folder.replace("_SUCCESS.json", b"first, and longer")
        folder.replace("_SUCCESS.json", b"second")
        assert folder.read("_SUCCESS.json") == b"second"
        assert not folder.publish("_SUCCESS.json", b"third")

    def test_no_temporary_is_left(self, folder: Folder) -> None:
        folder.create()
        for _ in range(2):
            folder.publish("labels/a", b"a")
            folder.replace("b", b"b")
        assert folder.names(TEMPORARY) == []
        assert folder.names("labels") == ["a"]

    def test_nothing_but_files_beside_parts(self, folder: Folder) -> None:
        table = pa.table({"x": [1, 2]})
        for name in ("part-1.parquet", "part-0.parquet"):
            buffer = pa.BufferOutputStream()
            pq.write_table(table, buffer)
            folder.publish(f"labels/{name}", buffer.getvalue().to_pybytes())
        assert folder.names("labels") == ["part-0.parquet", "part-1.parquet"]
        for name in folder.names("labels"):
            with folder.open(f"labels/{name}") as file:
                assert pq.read_table(file).equals(table)

    def test_empty_and_unicode(self, folder: Folder) -> None:
        assert folder.publish("Straße/größe 1", b"")
        assert folder.read("Straße/größe 1") == b""
        assert folder.names("Straße") == ["größe 1"]


class TestReading:
    def test_exists_and_names(self, folder: Folder) -> None:
        assert not folder.exists("x/a")
        assert folder.names("x") == []
        folder.publish("x/b", b"1")
        assert folder.names("x") == ["b"]
        folder.publish("x/a", b"2")
        assert folder.names("x") == ["a", "b"]  # no listing from before
        assert folder.exists("x/a")
        assert folder.exists()
        assert not folder.exists("x/c")

    def test_open_seeks(self, folder: Folder) -> None:
        folder.publish("x", b"0123456789")
        with folder.open("x") as file:
            file.seek(-3, os.SEEK_END)
            assert file.read() == b"789"

    def test_what_is_not_there(self, folder: Folder) -> None:
        folder.publish("x", b"1")
        with pytest.raises(FileNotFoundError):
            folder.read("y")
        with pytest.raises(FileNotFoundError), folder.open("y"):
            pass


class TestCreate:
    def test_leaves_nothing(self, folder: Folder) -> None:
        folder.create()
        folder.create()
        assert folder.names(TEMPORARY) == []

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("")
        with pytest.raises(OutputError, match=r"out: cannot be written \(.*\); choose another folder"):
            Folder.at(tmp_path / "out").create()

    def test_an_unknown_scheme(self) -> None:
        with pytest.raises(OutputError, match=r"nonsense://x: there is no such store \(.*nonsense"):
            Folder.at("nonsense://x")

    def test_no_such_bucket(self, s3: S3) -> None:
        with pytest.raises(OutputError, match="s3://no-such-bucket/out: cannot be written"):
            Folder.at("s3://no-such-bucket/out").create()
        assert s3.endpoint


class TestCheckWritable:
    def test_leaves_nothing(self, tmp_path: Path) -> None:
        for name in (".", "new", "new/deeper"):
            Folder.at(tmp_path / name).check_writable()
        assert list(tmp_path.iterdir()) == []

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputError, match=r"file/out: cannot be written \(.*file is not a folder\); choose"):
            Folder.at(tmp_path / "file/out").check_writable()


class TestAt:
    def test_paths_become_absolute_and_keep_their_display(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/someone")
        assert Folder.at("out") == Folder(str(tmp_path / "out"), "out")
        assert Folder.at("~/out").url == "/home/someone/out"
        assert Folder.at("s3://bucket/out/") == Folder("s3://bucket/out", "s3://bucket/out")
        assert Folder.at(tmp_path / "a").path("labels/b") == str(tmp_path / "a/labels/b")

    def test_what_is_a_url(self) -> None:
        assert [is_url(text) for text in ("s3://b/k", "memory://x", "git+ssh://x", "C:/x", "/a", "a://", "://a")] == [
            *(True, True, True, False, False, True, False)
        ]

    def test_a_file_url_is_published_as_safely_as_its_path(self, tmp_path: Path) -> None:
        """By link and rename: fsspec's own local writer would let a half-written part pass for a finished one."""
        folder = Folder.at(f"file://{tmp_path}/out")
        assert folder.is_local
        folder.create()
        assert folder.publish("labels/a", b"1")
        assert (tmp_path / "out/labels/a").read_bytes() == b"1"


class TestRaces:
    @pytest.mark.parametrize("attempt", range(5))
    def test_threads_on_a_local_disk(self, tmp_path: Path, attempt: int) -> None:
        folder, name = Folder.at(tmp_path), f"labels/part-{attempt}"
        assert_one_winner(folder, name, raced_by_threads(folder, name))
        assert folder.names(TEMPORARY) == []

    def test_processes_on_a_local_disk(self, tmp_path: Path) -> None:
        folder = Folder.at(tmp_path)
        with contextlib.ExitStack() as stack:
            command = [sys.executable, "-c", WRITER_PROGRAM, folder.url, str(BIG)]
            writers = [
                stack.enter_context(
                    subprocess.Popen([*command, str(writer)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                )
                for writer in range(WRITERS)
            ]
            assert [said(writer) for writer in writers] == ["ready"] * WRITERS
            for attempt in range(5):
                name, moment = f"labels/part-{attempt}", time.time() + 0.1
                for writer in writers:
                    print(name, moment, file=writer.stdin, flush=True)
                assert_one_winner(folder, name, [said(writer) == "True" for writer in writers])
            for writer in writers:
                writer.communicate(timeout=30)
        assert folder.names(TEMPORARY) == []

    @pytest.mark.parametrize("attempt", range(3))
    def test_conditional_put_on_s3(self, bucket: str, attempt: int) -> None:
        folder, name = Folder.at(f"{bucket}/races"), f"labels/part-{attempt}"
        assert_one_winner(folder, name, raced_by_threads(folder, name))

    def test_replace_shows_a_whole_file_at_every_moment(self, tmp_path: Path) -> None:
        folder = Folder.at(tmp_path)
        folder.replace("x", content_of(0))
        finished = threading.Event()

        def replace_often(writer: int) -> None:
            for _ in range(20):
                folder.replace("x", content_of(writer))

        def read_often() -> int:
            read = 0
            while not finished.is_set():
                seen = folder.read("x")
                assert len(seen) == BIG
                assert len(set(seen)) == 1
                read += 1
            return read

        with ThreadPoolExecutor(4) as threads:
            reader = threads.submit(read_often)
            for writer in [threads.submit(replace_often, writer) for writer in range(1, 4)]:
                writer.result()
            finished.set()
            assert reader.result() > 0
        assert folder.names(TEMPORARY) == []


class TestFailures:
    def test_a_failed_write_leaves_no_temporary_and_no_target(self, tmp_path: Path) -> None:
        folder = Folder.at(tmp_path)
        with pytest.raises(TypeError):
            folder.publish("labels/a", "text, not bytes")
        assert folder.names(TEMPORARY) == []
        assert not folder.exists("labels/a")

    def test_other_errors_of_a_store_are_not_mistaken_for_a_lost_race(self, s3: S3) -> None:
        with pytest.raises(StorageStop, match=r"^s3://no-such-bucket: the store cannot be used \(AccessDenied"):
            Folder.at("s3://no-such-bucket").publish("labels/a", b"1")
        assert s3.endpoint

    def test_sync_folder(self, tmp_path: Path) -> None:
        sync_folder(tmp_path)
        with pytest.raises(FileNotFoundError):
            sync_folder(tmp_path / "missing")


def test_s3_holds_what_pyarrow_reads(bucket: str) -> None:
    folder = Folder.at(f"{bucket}/dataset")
    table = pa.table({"utterance_id": ["a", "b"]})
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    assert folder.publish("labels/part-0.parquet", buffer.getvalue().to_pybytes())
    assert pq.read_table(f"{folder.path('labels')}", filesystem=folder.filesystem).equals(table)
    assert isinstance(folder.filesystem, fsspec.AbstractFileSystem)


@pytest.fixture
def proxy(s3: S3) -> Iterator[FaultProxy]:
    with fault_proxy(s3.endpoint) as running:
        yield running


VERBS = {
    "create": lambda folder: folder.create(),
    "remove": lambda folder: folder.remove("a"),
    "exists": lambda folder: folder.exists("a"),
    "names": lambda folder: folder.names(""),
    "read": lambda folder: folder.read("a"),
    "open": lambda folder: opened(folder, "a"),
    "publish": lambda folder: folder.publish("b", b"2"),
    "replace": lambda folder: folder.replace("b", b"2"),
}


def opened(folder: Folder, name: str) -> bytes:
    with folder.open(name) as file:
        return file.read()


class TestStoreThatFails:
    @pytest.fixture
    def url(self, bucket: str, tmp_path: Path) -> str:
        """A folder with one file, `a`."""
        url = f"{bucket}/{tmp_path.name}"
        Folder.at(url).replace("a", b"1")
        return url

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("fault", [status(503), reset(), lost_answer()], ids=lambda fault: fault.name)
    def test_every_verb_goes_on(self, proxy: FaultProxy, url: str, verb: str, fault: Fault) -> None:
        calm, patient = Folder.at(url), Folder.at(url, options_for_server(proxy.endpoint), 30)
        proxy.add(fault, times=3)
        before = VERBS[verb](calm)
        if verb == "publish":
            calm.remove("b")
        calm.replace("a", b"1")
        assert VERBS[verb](patient) == before
        assert proxy.requests() >= 4

    @pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "create"])
    def test_every_verb_stops(self, proxy: FaultProxy, url: str, verb: str) -> None:
        for options, told in (
            ({**options_for_server(proxy.endpoint), "secret": "wrong"}, "SignatureDoesNotMatch"),
            ({**options_for_server(proxy.endpoint), "key": "nobody"}, "InvalidAccessKeyId"),
        ):
            with pytest.raises(StorageStop, match=f"^{url}: .*{told}.*; check the credentials"):
                VERBS[verb](Folder.at(url, options, 30))
        proxy.add(status(503))
        with pytest.raises(StorageStop, match=r"\(\d attempts? in \d+\.\d s; the last: .*; wait until"):
            VERBS[verb](Folder.at(url, options_for_server(proxy.endpoint), 0.3))
        proxy.down()
        with pytest.raises(StorageStop, match="; check the network"):
            VERBS[verb](Folder.at(url, options_for_server(proxy.endpoint), 0.3))

    def test_create_is_refused_before_any_work(self, url: str, s3: S3) -> None:
        with pytest.raises(OutputError, match=r"cannot be written \(InvalidAccessKeyId: .*\); check the credentials"):
            Folder.at(url, {**s3.options, "key": "nobody"}).create()

    def test_no_right_to_write(self, s3: S3, url: str) -> None:
        limited = options_for_server(s3.endpoint, LIMITED_KEY, LIMITED_SECRET)
        with pytest.raises(StorageStop, match=r"AccessDenied: .*; let the job's user list, read and write there"):
            Folder.at(url, limited).publish("b", b"2")

    def test_publishing_whose_answer_was_lost(self, proxy: FaultProxy, url: str) -> None:
        folder = Folder.at(url, options_for_server(proxy.endpoint), 30)
        proxy.add(lost_answer(), method="PUT", times=2)
        assert folder.publish("mine", b"ours")
        assert folder.read("mine") == b"ours"
        assert not folder.publish("mine", b"ours"), "there before, though equal"

    def test_publishing_that_another_writer_won_meanwhile(self, proxy: FaultProxy, url: str) -> None:
        folder = Folder.at(url, options_for_server(proxy.endpoint), 30)
        Folder.at(url).replace("theirs", b"theirs")
        proxy.add(reset(), method="PUT", times=2)
        assert not folder.publish("theirs", b"ours")
        assert folder.read("theirs") == b"theirs"

    def test_racing_writers_on_a_bad_network(self, proxy: FaultProxy, url: str) -> None:
        """Never two winners, and one writer's whole content.

        None may know that it has won: the HTTP library can repeat a request by itself, whose first try had made it.
        """
        for fault in (lost_answer(), reset(), status(503), status(500)):
            proxy.add(fault, share=0.1)
        folder = Folder.at(url, options_for_server(proxy.endpoint), 60)
        for attempt in range(3):
            wins = raced_by_threads(folder, f"labels/{attempt}")
            assert sum(wins) <= 1
            found = folder.read(f"labels/{attempt}")
            assert found in ([content_of(wins.index(True))] if any(wins) else map(content_of, range(WRITERS)))
        assert sum(request.fault is not None for request in proxy.seen) >= 5

    def test_options_are_not_shown(self) -> None:
        folder = Folder.at("s3://bucket/out", {"secret": "hidden"})
        assert "hidden" not in repr(folder)
        assert hash(folder) == hash(Folder.at("s3://bucket/out"))
        assert pickle.loads(pickle.dumps(folder)) == folder


def raced_by_threads(folder: Folder, name: str) -> list[bool]:
    """Whether each of the writers, who start together, has won."""
    start = threading.Barrier(WRITERS)

    def publish(writer: int) -> bool:
        start.wait()
        return folder.publish(name, content_of(writer))

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(publish, range(WRITERS)))


WRITER_PROGRAM = """
import sys, time
from emoboost.storage import Folder
folder, size, writer = Folder(sys.argv[1], ""), int(sys.argv[2]), int(sys.argv[3])
folder.exists()
print("ready", flush=True)
for line in sys.stdin:
    name, moment = line.split()
    time.sleep(max(0, float(moment) - time.time()))
    print(folder.publish(name, bytes([writer]) * size), flush=True)
"""
"""Publishes each name that it is told, at the moment that it is told."""


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
