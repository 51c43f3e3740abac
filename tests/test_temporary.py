"""Temporary folders go with their command, also when that was killed; a log that stays is its user's."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from emoboost.errors import EmoboostError
from emoboost.storage import Folder
from emoboost.temporary import LOCK, PREFIX, open_log, remove_abandoned, temporary_folder
from jobs.conclusion import explained, log_file

HOLDS = """
import sys
from {module} import {function}
with {function}() as folder:
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
    with temporary_folder() as folder:
        assert folder.parent == parent
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "socket").touch()
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "function"), [("emoboost.temporary", "temporary_folder"), ("cluster.session_folder", "session_folder")]
)
def test_what_a_killed_command_left_goes_with_the_next(parent: Path, module: str, function: str) -> None:
    """Of whatever kind: a plan that was being made, the folder of its Ray."""
    program = HOLDS.format(module=module, function=function)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        left = Path(one.stdout.readline().strip())
        with temporary_folder():
            assert left.is_dir(), "its owner lives"
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        assert left.is_dir()
        with temporary_folder() as folder:
            assert list(parent.iterdir()) == [folder]


def test_other_folders_stay(parent: Path) -> None:
    (parent / f"{PREFIX}plan-1").mkdir()
    (parent / f"{PREFIX}2").mkdir()
    (parent / f"{PREFIX}2" / LOCK).symlink_to("/dev/null")
    (parent / "other").mkdir()
    (parent / "other" / LOCK).touch()
    remove_abandoned(parent)
    assert len(list(parent.iterdir())) == 3


def test_a_log_among_everybodys_files(parent: Path) -> None:
    log = log_file("annotate", Folder.at("memory://out"))
    assert log.parent == parent
    assert log != log_file("annotate", Folder.at("memory://out")), "nobody can guess its name"
    assert list(parent.iterdir()) == [], "not made before there is something to write"
    for line in (b"one\n", b"two\n"):
        with open_log(log) as file:
            file.write(line)
    assert log.read_bytes() == b"one\ntwo\n"
    assert log.stat().st_mode & 0o777 == 0o600
    (parent / "link").symlink_to(parent / "target")
    with pytest.raises(OSError, match="symbolic link"):
        open_log(parent / "link")
    assert not (parent / "target").exists()


def test_what_fails_before_there_is_an_output_makes_none(parent: Path, tmp_path: Path) -> None:
    output = Folder.at(tmp_path / "out")
    with pytest.raises(EmoboostError, match="the job failed") as caught, explained("out", log_file("annotate", output)):
        raise KeyError("nobody foresaw this")
    assert not (tmp_path / "out").exists()
    (log,) = parent.glob(f"{PREFIX}*")
    assert str(log) in str(caught.value)
    assert "nobody foresaw this" in log.read_text()
    (tmp_path / "out").mkdir()
    with pytest.raises(EmoboostError), explained("out", log_file("annotate", output)):
        raise KeyError("nobody foresaw this")
    assert len(list((tmp_path / "out/_logs").iterdir())) == 1
