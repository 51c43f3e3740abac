"""Marks that outlive the process that made them."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from emoboost.attempts import Attempts

DIES = """
import os, signal, sys
from emoboost.attempts import Attempts
with Attempts(sys.argv[1]).attempt("shard-3") as died:
    print(died, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def die(run: str) -> str:
    ended = subprocess.run([sys.executable, "-c", DIES, run], check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL
    return ended.stdout.strip()


def test_counts_processes_that_died() -> None:
    assert [die("a"), die("a"), die("b")] == ["0", "1", "0"]
    with Attempts("a").attempt("shard-3") as died:
        assert died == 2
    with Attempts("a").attempt("shard-3") as died:
        assert died == 0


def test_an_exception_is_not_a_death(temporary: Path) -> None:
    with pytest.raises(ValueError, match="x"), Attempts("a").attempt("shard-3"):
        raise ValueError("x")
    assert list(temporary.iterdir()) == []


def test_other_work_is_not_blamed() -> None:
    die("a")
    with Attempts("a").attempt("shard-4") as died:
        assert died == 0


def test_forget(temporary: Path) -> None:
    die("a")
    die("b")
    Attempts("a").forget()
    (left,) = temporary.iterdir()
    assert "-b-" in left.name
    assert left.stat().st_mode & 0o077 == 0
