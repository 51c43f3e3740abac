"""A clock that is set back in mid-run: only the times that the disk puts on files count, and only as advice."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import libfaketime
import pyarrow as pa
import pytest

from chaos.test_runners import finish, published, wait_until_asleep
from chaos.world import Host, assert_same
from emoboost.checkpoint import ModelFolder

LIBRARY = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


@pytest.fixture
def wrong_clock(host: Host, tiny_model: ModelFolder, tmp_path: Path) -> Iterator[tuple[Host, Path]]:
    """A host whose processes have the clock that a file says."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    with Host(tmp_path, host.manifest, tiny_model.path, environment=environment) as faked:
        yield faked, clock


def test_set_back_by_two_days(host: Host, wrong_clock: tuple[Host, Path], reference: pa.Table, tmp_path: Path) -> None:

    faked, clock = wrong_clock
    output = tmp_path / "out"
    _, whole = faked.run(tmp_path / "counted")
    assert whole is not None
    step = next(number for number, name in enumerate(whole["steps"], 1) if published(name))
    first = faked.start(output, at=step, action="stop")
    wait_until_asleep(first)
    clock.write_text("-2d")
    second = faked.start(output)
    os.kill(first.process, signal.SIGCONT)
    finish([first, second])
    assert_same(output, reference)
    clock.write_text("+3d")
    (output / "_SUCCESS.json").unlink()
    finish([faked.start(output), host.start(output)])
    assert_same(output, reference)
