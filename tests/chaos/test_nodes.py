"""A cluster of several nodes that loses one, and then its head."""

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from chaos.kills import COMMAND, bury, family, is_a
from chaos.test_runners import wait_for
from chaos.world import PORTABLE, Host, assert_readable, assert_same, rows_of, write_manifest
from emoboost.checkpoint import ModelFolder

UTTERANCES = 400
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 2**27})
for _ in range(2):
    cluster.add_node(num_cpus=2, object_store_memory=2**27)
print(cluster.address, flush=True)
sys.stdin.read()
"""


@dataclass
class Nodes:
    """A head without processors and two nodes of two, on this machine."""

    address: str
    process: "subprocess.Popen[str]"
    environment: dict[str, str]

    def raylet_of(self, kind: str) -> psutil.Process:
        """The raylet of a node where a worker of this kind runs."""
        for raylet in family(self.process.pid):
            if is_a(raylet, "raylet") and any(is_a(child, kind) for child in raylet.children(recursive=True)):
                return raylet
        raise LookupError(kind)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment = {**PORTABLE, **token}
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address
    yield Nodes(address, process, environment)
    bury(family(process.pid))


@pytest.fixture(scope="module")
def archive(tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], pa.Table]:
    """A folder, the command, and the rows of an undisturbed run without Ray."""
    folder = tmp_path_factory.mktemp("nodes")
    manifest = write_manifest(folder, UTTERANCES)
    with Host(folder, manifest, tiny_model.path) as host:
        code, said = host.run(folder / "undisturbed")
    assert code == 0
    assert said is not None
    words = [str(COMMAND), "annotate", str(manifest), "--model", str(tiny_model.path), "--max-errors", "1"]
    return folder, [*words, "--stop-at", "1"], rows_of(folder / "undisturbed")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["reader", "actor"])
def test_a_node_is_lost(nodes: Nodes, archive: tuple[Path, list[str], pa.Table], kind: str) -> None:
    folder, words, reference = archive
    output = folder / f"lost-{kind}"
    command = subprocess.Popen(
        [*words, "--output", str(output), "--ray-address", nodes.address],
        env=nodes.environment,
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"{kind}.txt").open("w"),
    )
    wait_for("first part", lambda: (output / "labels").is_dir() and bool(list((output / "labels").iterdir())), 120)
    nodes.raylet_of(kind).send_signal(signal.SIGKILL)
    assert command.wait(timeout=600) == 0, (folder / f"{kind}.txt").read_text()
    assert_same(output, reference)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_head_is_lost(nodes: Nodes, archive: tuple[Path, list[str], pa.Table]) -> None:
    folder, words, reference = archive
    output = folder / "headless"
    command = subprocess.Popen(
        [*words, "--output", str(output), "--ray-address", nodes.address],
        env=nodes.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for("first part", lambda: (output / "labels").is_dir() and bool(list((output / "labels").iterdir())), 120)
    (head,) = [process for process in family(nodes.process.pid) if is_a(process, "gcs_server")]
    head.kill()
    begin = time.monotonic()
    assert command.wait(timeout=300) != 0, "a command whose cluster is gone says so"
    print(f"noticed after {time.monotonic() - begin:.0f} s")
    assert_readable(output, reference)
    # The same command, elsewhere: another cluster, or none.
    assert subprocess.run([*words, "--output", str(output)], env=PORTABLE, check=False, timeout=600).returncode == 0
    assert_same(output, reference)
