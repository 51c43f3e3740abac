"""What many tests share: the example clips, a tiny model, the bundled model, an object store."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_audio import Difficult, make_bad_audio
from reading import CLIP, REPOSITORY, samples_of
from s3_server import S3, reached, serve
from threadpoolctl import threadpool_limits
from tiny_model import save_tiny_model
from xdist.scheduler import LoadScopeScheduling

from emoboost.checkpoint import ModelFolder
from emoboost.predict import EmotionModel, load_model

ONE_AT_A_TIME = (
    *("tests/pipeline/test_annotate", "tests/pipeline/test_security", "tests/pipeline/test_signals"),
    *("tests/pipeline/test_gpu", "tests/pipeline/test_wheel"),
    *("tests/chaos/test_poison", "tests/chaos/test_workers", "tests/chaos/test_nodes"),
)
"""Files of which each run starts a Ray of its own, some with a look at the time."""


class OneWithRay(LoadScopeScheduling):
    """How two processes share the tests: those that start much of Ray run one after the other, beside all others.

    With `--no-loadscope-reorder` they begin early; xdist would begin with the files that hold most tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return "Ray" if file.startswith(ONE_AT_A_TIME) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWithRay:
    """Called by pytest-xdist where several processes are asked for."""
    return OneWithRay(config, log)


LEFT_OUT = pytest.StashKey[int]()
"""How many slow tests were not asked for."""


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Each of xdist's processes finds the same ones, and says so to the one that prints."""
    config = items[0].config
    slow = sum(item.get_closest_marker("slow") is not None for item in items)
    config.stash[LEFT_OUT] = config.stash.get(LEFT_OUT, 0) + slow
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Called by pytest-xdist when one of its processes ends."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What passed is not all there is."""
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{count} slow tests left out; -m '' runs them, too")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """With tensors as small as the tests', threads wait for each other longer than they work, on a busy machine most.

    Workers of the job run with one thread each, too.
    """
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def clips() -> list[Path]:
    """The example recordings, sorted: 8 of EMO-DB (2 s), 8 of LibriSpeech (1 to 3 segments)."""
    found = sorted((REPOSITORY / "examples/audio").glob("*/*.flac"))
    assert len(found) == 16
    return found


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """The samples of `CLIP`."""
    samples = samples_of(CLIP)
    samples.setflags(write=False)
    return samples


@pytest.fixture(scope="session")
def difficult(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Difficult]:
    """Recordings made from `CLIP` in every bad and unusual condition; not to be written to."""
    return make_bad_audio(tmp_path_factory.mktemp("difficult"), CLIP)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model folder with random weights and the real input shapes; not to be written to."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def bundled() -> EmotionModel:
    """The bundled model, loaded once; not to be changed."""
    return load_model()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real object store on this machine, which the environment's credentials reach while the session lasts."""
    with serve(tmp_path_factory.mktemp("s3")) as store, reached(store):
        yield store
