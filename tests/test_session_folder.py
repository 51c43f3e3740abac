"""Ray's folder goes with its command, also when that was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cluster.session_folder import LOCK, LONGEST_PARENT, OF_RAY, PREFIX, remove_abandoned, session_folder

HOLDS = """
import os, signal, sys, tempfile
from cluster.session_folder import session_folder
with session_folder() as folder:
    (folder / "session").mkdir(parents=True)
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_is_gone_afterwards(parent: Path) -> None:
    with session_folder() as folder:
        assert folder.parent.parent == parent
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        folder.mkdir()
        folder.chmod(0o777)  # as Ray does
        (folder / "socket").touch()
    assert list(parent.iterdir()) == []


def test_sockets_below_the_longest_parent_have_names_that_the_system_allows() -> None:
    sockets = f"/{PREFIX}12345678/{OF_RAY}/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store"
    assert LONGEST_PARENT + len(sockets) == 107


def test_what_a_killed_command_left_goes_with_the_next(parent: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        left = Path(one.stdout.readline().strip())
        with session_folder():
            assert left.is_dir(), "its owner lives"
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        assert left.is_dir()
        with session_folder() as folder:
            assert list(parent.iterdir()) == [folder.parent]


def test_other_folders_stay(parent: Path) -> None:
    (parent / f"{PREFIX}plan-1").mkdir()
    (parent / f"{PREFIX}2").mkdir()
    (parent / f"{PREFIX}2" / LOCK).symlink_to("/dev/null")
    (parent / "other").mkdir()
    (parent / "other" / LOCK).touch()
    remove_abandoned(parent)
    assert len(list(parent.iterdir())) == 3
