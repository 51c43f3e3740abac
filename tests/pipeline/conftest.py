"""Runs that several tests look at: starting Ray takes longer than labelling the example."""

import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from emoboost.checkpoint import ModelFolder
from emoboost.predict import EmotionModel, load_model
from pipeline.labels import Heard
from pipeline.processes import (
    Listening,
    Stopped,
    gcs_address,
    listening,
    name_of,
    paused,
    second_drivers,
    started,
    token_of,
)
from pipeline.recordings import EMODB, LIBRISPEECH, many_utterances, typed_archive
from pipeline.shell import EXAMPLES, Result, Shell


@dataclass(frozen=True)
class Annotated:
    """A finished run."""

    result: Result
    cwd: Path
    manifest: Path
    output: Path
    heard: list[Heard]
    """What each row of the manifest stands for."""

    def copied_to(self, folder: Path) -> "Annotated":
        """The same with a copy of the output that a test may change."""
        return Annotated(self.result, folder, self.manifest, _copy(self.output, folder / self.output.name), self.heard)


def _copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


@pytest.fixture(scope="session")
def temporary() -> Iterator[Path]:
    """In /tmp, because a command whose TMPDIR is long makes its folder elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Shell:
    return Shell(tmp_path_factory.mktemp("home"), temporary)


CLUSTER = """
import ray, sys
options = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 2**28, "log_to_driver": False}
context = ray.init(address="local", _temp_dir=sys.argv[1], _memory=3 * 2**30, **options)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def joined(shell: Shell) -> Iterator[Shell]:
    """A shell whose commands join a cluster that is there already, with the token it asks for.

    Its memory is enough for one network worker: each takes longer to import torch than to label a test's recordings.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    folder = shell.temporary / "cluster"
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(folder)],
        env=shell.environment(**token),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        assert address
        yield replace(shell, variables={**token, "RAY_ADDRESS": address})
        cluster.communicate()


@pytest.fixture(scope="session")
def small(tiny_model: ModelFolder) -> EmotionModel:
    """The tiny model, loaded; a mix-up of its answers would show."""
    model = load_model(tiny_model.path)
    answers = [model.predict(clip) for clip in [*EMODB, *LIBRISPEECH]]
    assert len({answer.label for answer in answers}) >= 2
    assert len({round(answer.confidence, 4) for answer in answers}) == len(answers)
    return model


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of nobody but `example`: other commands keep their caches at home."""
    return tmp_path_factory.mktemp("empty-home")


@pytest.fixture(scope="session")
def example(shell: Shell, empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Annotated:
    """The example with the bundled model, as the documentation says to call it."""
    cwd = tmp_path_factory.mktemp("example")
    manifest = EXAMPLES / "manifest.csv"
    result = replace(shell, home=empty_home).run("annotate", manifest, cwd=cwd)
    paths = [line.split(",")[0] for line in manifest.read_text().splitlines()[1:]]
    return Annotated(result, cwd, manifest, cwd / "manifest.emotions", [Heard(EXAMPLES / path) for path in paths])


@pytest.fixture(scope="session")
def archive(joined: Shell, small: EmotionModel, tmp_path_factory: pytest.TempPathFactory) -> Annotated:
    """Three shards of spans from a Parquet manifest with typed columns, labelled by the small model."""
    cwd = tmp_path_factory.mktemp("archive")
    manifest, heard = typed_archive(cwd)
    result = joined.run("annotate", manifest, "--output", "labelled", "--model", small.folder.path, "--json", cwd=cwd)
    assert result.code == 0, result.stderr
    return Annotated(result, cwd, manifest, cwd / "labelled", heard)


@dataclass(frozen=True)
class Terminated:
    """A long run that was looked at from outside once its first part was there, and then got SIGTERM."""

    run: Stopped
    manifest: Path
    names: list[str]
    """Of its processes."""
    ports: list[Listening]
    drivers: dict[str, tuple[int, str]]
    """Second drivers: exit code and output by the token they had."""
    code: int
    seconds: float
    """From the signal to the exit."""
    left: list[str]
    """Processes that were still there 5 s later."""
    folders: list[str]
    """Ours that were left in its temporary folder."""
    modes: list[str]
    """Of ours while it lasted; Ray's folder, with its sockets, lies inside."""


@pytest.fixture(scope="session")
def terminated(shell: Shell, small: EmotionModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminated]:
    cwd = tmp_path_factory.mktemp("terminated")
    manifest = many_utterances(cwd, 80)
    words = ["annotate", manifest.name, "--model", str(small.folder.path)]
    own = shell.temporary / "own"
    own.mkdir()
    with started(replace(shell, temporary=own), words, cwd) as run:
        run.wait_for("first part", lambda: bool(run.parts()))
        with paused(run.process.pid):
            names, ports = [name_of(process) for process in run.tree], listening(run.tree)
            tokens = {"none": None, "wrong": "0" * 64, "right": token_of(run.tree)}
            modes = [stat.filemode(path.stat().st_mode) for path in own.glob("emoboost*") if path.is_dir()]
            drivers = second_drivers(shell, gcs_address(run.tree), tokens)
        run.process.send_signal(signal.SIGTERM)
        code, seconds = run.end()
        folders = [path.name for path in own.glob("emoboost*") if path.is_dir()]
        yield Terminated(run, manifest, names, ports, drivers, code, seconds, run.left(), folders, modes)
