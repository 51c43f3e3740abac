"""Paths as people type them: every command says at once which of them cannot be, and writes nothing."""

from pathlib import Path

import pytest
from reading import REPOSITORY
from typer.testing import CliRunner

from emoboost.errors import UsageError
from emoboost.user_path import user_path
from jobs.cli import app

EXAMPLE = str(REPOSITORY / "examples/manifest.csv")
NO_HOME = "~no-such-user/x"


def test_homes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/x") == tmp_path / "x"
    assert user_path("x/~") == Path("x/~")
    assert user_path(Path("~")) == tmp_path


def test_a_file_may_be_named_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~calls.csv").touch()
    assert user_path("~calls.csv") == Path("~calls.csv")
    with pytest.raises(UsageError, match=r"~new\.csv: there is no user 'new\.csv'; .* write \./~new\.csv"):
        user_path("~new.csv")


@pytest.mark.parametrize("path", ["a" * 5_000, "a" * 300, "~/" + "a" * 300])
def test_longer_than_a_name_can_be(path: str) -> None:
    with pytest.raises(UsageError, match=r"aaa…: is longer than the name of a file can be") as caught:
        user_path(path)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "words",
    [
        ["annotate", EXAMPLE, "-o", NO_HOME],
        ["annotate", EXAMPLE, "--model", NO_HOME],
        ["annotate", EXAMPLE, "--root", NO_HOME],
        ["annotate", EXAMPLE, "--reuse", NO_HOME],
        ["annotate", EXAMPLE, "--reuse", NO_HOME, "--dry-run"],
        ["annotate", EXAMPLE, "--storage-options", f"@{NO_HOME}"],
        ["annotate", NO_HOME],
        ["status", NO_HOME],
        ["verify", NO_HOME],
        ["export", NO_HOME, "--to", "csv"],
        ["retry", NO_HOME, "--errors"],
        ["predict", "x.wav", "--model", NO_HOME],
        ["model", "show", NO_HOME],
        ["train", EXAMPLE, "-o", "new", "--licence", "x", "--description", "x", "--encoder", NO_HOME],
        ["evaluate", EXAMPLE, "-o", "new", "--model", NO_HOME],
        ["evaluate", NO_HOME, "-o", "new"],
    ],
    ids=" ".join,
)
def test_the_home_of_nobody(words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    assert f"{NO_HOME}: there is no user 'no-such-user'" in result.stderr
    assert not list(tmp_path.iterdir())
