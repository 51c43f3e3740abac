"""An output in an object store that fails: kills between requests, a dying server, a network that breaks."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from fault_proxy import FaultProxy, delay, fault_proxy, lost_answer, reset, reset_in_body, status, truncated
from s3_server import S3, options_for_server, reached, serve

from chaos.test_runners import finish, wait_for, wait_until_asleep
from chaos.world import CLIPS, Host, Run, assert_readable, assert_same, rows_of, write_manifest
from emoboost.checkpoint import ModelFolder
from emoboost.runners import new_id
from emoboost.storage import Folder

UTTERANCES = 20


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A server for these tests alone: one that was killed makes a missing bucket for whoever writes to it."""
    with serve(tmp_path_factory.mktemp("killed-s3")) as store, reached(store):
        yield store


@pytest.fixture(scope="module")
def archive(s3: S3) -> str:
    """A bucket with the recordings."""
    bucket = s3.make_bucket(f"chaos-{new_id()}")
    folder = Folder.at(bucket)
    for clip in CLIPS:
        folder.replace(f"audio/{clip.name}", clip.read_bytes())
    folder.replace("audio/cut.flac", CLIPS[9].read_bytes()[:9_000])
    return bucket


@pytest.fixture(scope="module")
def host(archive: str, tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """As the host of local runs, with manifest, audio and output in the store."""
    folder = tmp_path_factory.mktemp("store")
    local = write_manifest(folder, UTTERANCES).read_text().splitlines()
    rows = [f"audio/{Path(path).name},{rest}" for path, _, rest in (line.partition(",") for line in local[1:])]
    Folder.at(archive).replace("archive.csv", "\n".join([local[0], *rows]).encode())
    with Host(folder, Path("unused"), tiny_model.path) as host:
        yield host


def request(archive: str, endpoint: str, retry_seconds: float = 60.0) -> dict[str, object]:
    """What a run is told to work in the store behind an endpoint."""
    access = {"storage_options": options_for_server(endpoint), "retry_seconds": retry_seconds}
    return {"manifest": f"{archive}/archive.csv", "access": access}


@pytest.fixture
def output(archive: str) -> str:
    return f"{archive}/out-{new_id()}"


@pytest.fixture(scope="module")
def reference(host: Host, s3: S3, archive: str) -> pa.Table:
    code, said = host.run(f"{archive}/undisturbed", **request(archive, s3.endpoint))
    assert code == 0
    assert said is not None
    assert said["complete"], said["error"]
    assert_same(f"{archive}/undisturbed", rows_of(f"{archive}/undisturbed"))
    return rows_of(f"{archive}/undisturbed")


@pytest.mark.parametrize("every", [30, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_killed_between_requests(
    host: Host, s3: S3, archive: str, output: str, reference: pa.Table, every: int
) -> None:
    _, whole = host.run(f"{output}-counted", **request(archive, s3.endpoint))
    assert whole is not None
    steps = whole["steps"]
    assert len(steps) > 20
    for number in range(1, len(steps) + 1, every):
        code, _ = host.run(f"{output}-{number}", at=number, **request(archive, s3.endpoint))
        assert code == -signal.SIGKILL, steps[number - 1]
        assert_readable(f"{output}-{number}", reference)
        code, said = host.run(f"{output}-{number}", **request(archive, s3.endpoint))
        assert said is not None
        assert said["complete"], (steps[number - 1], said["error"])
        assert_same(f"{output}-{number}", reference)


class TestServer:
    def half_way(self, run: Run, output: str) -> None:
        """Wait until the first part is there."""
        wait_for("first part", lambda: bool(Folder.at(output).names("labels")))

    def test_restarted_in_mid_run(self, host: Host, s3: S3, archive: str, output: str, reference: pa.Table) -> None:
        _, whole = host.run(f"{output}-counted", **request(archive, s3.endpoint))
        assert whole is not None
        middle = len(whole["steps"]) * 2 // 3
        run = host.start(output, at=middle, action="stop", **request(archive, s3.endpoint))
        wait_until_asleep(run)
        s3.kill()
        os.kill(run.process, signal.SIGCONT)
        time.sleep(3)
        s3.start()
        finish([run])
        assert_same(output, reference)

    @pytest.mark.slow
    def test_gone_for_longer_than_anyone_waits(
        self, host: Host, s3: S3, archive: str, output: str, reference: pa.Table
    ) -> None:
        _, whole = host.run(f"{output}-counted", **request(archive, s3.endpoint))
        assert whole is not None
        run = host.start(
            output, at=len(whole["steps"]) * 2 // 3, action="stop", **request(archive, s3.endpoint, retry_seconds=1)
        )
        wait_until_asleep(run)
        s3.kill()
        os.kill(run.process, signal.SIGCONT)
        assert run.wait() == 0
        said = run.said()
        s3.start()
        assert not said["complete"]
        assert "the store cannot be used" in said["error"], said["error"]
        assert "Traceback" not in said["error"]
        assert_readable(output, reference)
        finish([host.start(output, **request(archive, s3.endpoint))])
        assert_same(output, reference)


@pytest.fixture
def proxy(s3: S3) -> Iterator[FaultProxy]:
    with fault_proxy(s3.endpoint, seed=20_261_125) as proxy:
        yield proxy


def test_a_network_that_breaks(host: Host, proxy: FaultProxy, archive: str, output: str, reference: pa.Table) -> None:
    """Every fifth request or so fails, in one of seven ways; a conditional PUT whose answer is lost among them."""
    faults = [status(500), status(503), status(429), reset(), lost_answer(), truncated(), reset_in_body(), delay(0.3)]
    for fault in faults:
        proxy.add(fault, share=0.025)
    finish([host.start(output, **request(archive, proxy.endpoint))])
    assert_same(output, reference)


def test_two_runs(host: Host, s3: S3, archive: str, output: str, reference: pa.Table) -> None:
    finish([host.start(output, **request(archive, s3.endpoint)) for _ in range(2)])
    assert_same(output, reference)
