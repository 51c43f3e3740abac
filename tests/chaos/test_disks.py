"""Disks that fill up, come back, or may not be written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pipeline.shell import in_a_namespace

from chaos.world import Host, assert_readable, assert_same
from emoboost.checkpoint import ModelFolder

KIB = 1024
SIZE = 8 * KIB
"""KiB of the disk; a whole output has about 36."""


@pytest.fixture(scope="module")
def small_disk(
    host: Host, tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Host, Path]]:
    """A host that sees a small disk of its own, which nobody else sees."""
    folder = tmp_path_factory.mktemp("small-disk")
    disk = folder / "disk"
    disk.mkdir()
    command = in_a_namespace("-rm", f"mount -t tmpfs -o size={SIZE}k none '{disk}'")
    with Host(folder, host.manifest, tiny_model.path, command) as inside:
        yield inside, disk


def leave_free(host: Host, disk: Path, kib: int) -> None:
    """Fill the disk until so much is free."""
    host.shell("sh", "-c", f"rm -f {disk}/ballast; sync; free=$(df -k --output=avail {disk} | tail -1); "
               f"head -c $(( (free - {kib}) * 1024 )) /dev/zero > {disk}/ballast")  # fmt: skip


def outside(host: Host, output: Path, place: Path) -> Path:
    """A copy that can be read from here."""
    shutil.rmtree(place, ignore_errors=True)
    host.shell("cp", "-a", output, place)
    return place


@pytest.mark.parametrize("kib", [0, 8, 20, *(pytest.param(kib, marks=pytest.mark.slow) for kib in (4, 12, 16, 24))])
def test_a_full_disk(small_disk: tuple[Host, Path], reference: pa.Table, tmp_path: Path, kib: int) -> None:
    host, disk = small_disk
    output = disk / f"out-{kib}"
    leave_free(host, disk, kib)
    code, said = host.run(output)
    assert code == 0
    assert said is not None
    assert not said["complete"]
    assert "No space left" in said["error"], said["error"]
    assert "Traceback" not in said["error"]
    host.shell("mkdir", "-p", output)
    assert_readable(outside(host, output, tmp_path / "seen"), reference)
    host.shell("rm", disk / "ballast")
    code, said = host.run(output)
    assert said is not None
    assert said["complete"], said["error"]
    assert_same(outside(host, output, tmp_path / "seen"), reference)


def test_a_disk_that_becomes_read_only(small_disk: tuple[Host, Path], reference: pa.Table, tmp_path: Path) -> None:
    host, disk = small_disk
    output = disk / "read-only"
    host.shell("rm", "-f", disk / "ballast")
    _, whole = host.run(disk / "counted")
    assert whole is not None
    for number in range(1, len(whole["steps"]), 12):
        host.shell("rm", "-rf", output)
        run = host.start(output, at=number, action="stop")
        host.shell("sh", "-c", f"until grep -q '^State:.*T' /proc/{run.process}/status; do sleep 0.01; done")
        # A file that is open for writing keeps a disk writable: the step is taken before it opens one.
        remounted = host.ask({"command": "shell", "words": ["mount", "-o", "remount,ro", str(disk)]}) == 0
        host.shell("kill", "-CONT", str(run.process))
        assert run.wait() == 0
        if remounted:
            assert not run.said()["complete"]
            assert "Read-only file system" in run.said()["error"], run.said()["error"]
            assert "Traceback" not in run.said()["error"]
            host.shell("mount", "-o", "remount,rw", disk)
        code, said = host.run(output)
        assert code == 0
        assert said is not None
        assert said["complete"], said["error"]
        assert_same(outside(host, output, tmp_path / "seen"), reference)
