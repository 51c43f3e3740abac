"""A store of recordings that takes no connection: nobody waits for it in vain, and no recording is blamed for it."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from emoboost.access import Access
from emoboost.attempts import Attempts
from emoboost.checkpoint import ModelFolder
from emoboost.errors import StorageStop
from emoboost.isolation import seconds_for
from emoboost.ledger import Ledger
from emoboost.plan import make_plan
from emoboost.runners import new_id
from emoboost.schema import is_reserved
from emoboost.storage import Folder
from emoboost.task import Task
from jobs.annotate import AnnotateOptions
from jobs.planning import describe_plan, row_options
from jobs.rows import EXCUSE
from jobs.stages import LabelWithCare, NetworkWork, PrepareWork, prepare_shard

Reader = Callable[[PrepareWork, NetworkWork], pa.Table]


@pytest.fixture
def options(tmp_path: Path, tiny_model: ModelFolder) -> AnnotateOptions:
    """Two recordings in a store at which nothing listens; reading one may take a second, its store three."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    (tmp_path / "m.csv").write_text("path\ns3://archive/a.wav\ns3://archive/b.wav\n")
    store = {"key": "k", "secret": "s", "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}
    access = Access(storage_options={"s3": store}, max_decode_seconds=1, retry_seconds=3)
    output = str(tmp_path / "out")
    return AnnotateOptions(manifest=str(tmp_path / "m.csv"), output=output, model=str(tiny_model.path), access=access)


def test_is_found_before_the_work(options: AnnotateOptions) -> None:
    begun = time.monotonic()
    with pytest.raises(StorageStop, match=r"s3://archive/a\.wav: the store cannot be used \(.*; check the network"):
        describe_plan(options)
    assert time.monotonic() - begun < 20


@pytest.fixture
def alarms() -> Iterator[None]:
    """An alarm that would end the process fails the test."""

    def ring(*_: object) -> None:
        raise TimeoutError("the alarm rang")

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarms")
@pytest.mark.parametrize(
    "read",
    [
        lambda prepare, network: prepare_shard(pa.table({"id": [0]}), prepare),
        lambda prepare, network: LabelWithCare(prepare, network)(pa.table({"id": [0]})),
    ],
    ids=["many at once", "one at a time"],
)
def test_stops_the_job(read: Reader, options: AnnotateOptions, tiny_model: ModelFolder, tmp_path: Path) -> None:
    rows = row_options(options, tiny_model)
    plan = make_plan(options.manifest, tmp_path / "planned", rows, reserved=is_reserved)
    ledger = Ledger.create(Folder.at(str(options.output)), plan, tmp_path / "planned")
    task, attempts = Task(ledger), Attempts(new_id())
    prepare = PrepareWork(task, tiny_model.config, options.max_duration, options.access, np.array([0]), attempts)
    (row,) = read(prepare, NetworkWork(task, str(tiny_model.path), "cpu", "fp32", attempts)).to_pylist()
    assert row[EXCUSE] == "stop"
    assert "the store cannot be used" in str(row)
    assert not ledger.finished()


def test_only_a_store_is_waited_for() -> None:
    access = Access(retry_seconds=60)
    assert seconds_for(["/a.wav", "file:///b.wav"], 5, access) == 5
    assert seconds_for(["/a.wav", "s3://b/c.wav"], 5, access) == 105
