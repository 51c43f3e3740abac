"""Paths as people type them: every command says at once which of them cannot be, and writes nothing."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finished import annotated
from reading import REPOSITORY
from typer.testing import CliRunner

from emoboost.checkpoint import ModelFolder
from emoboost.errors import OutputError, UsageError
from emoboost.store_options import parse_storage_options
from emoboost.user_path import user_path
from jobs.cli import app
from jobs.outputs import refuse_unwritable

EXAMPLE = str(REPOSITORY / "examples/manifest.csv")
NOBODY = 65534
NO_HOME = "~no-such-user/x"
LONG = "a" * 5_000
TOO_LONG = r"aaa…: is longer than the name of a file can be"
NO_STORES = ("nosuch://x", "zip://x")
TRAIN = ("train", EXAMPLE, "-o", "new", "--licence", "x", "--description", "x")
DEEP = "here/deep.yaml"
"""Lists in lists without end."""
ON_OUTPUTS = (["status"], ["verify"], ["export", "--to", "csv"], ["retry", "--errors"])
UTF8 = {**os.environ, "PYTHONUTF8": "1", "PYTHONPATH": str(REPOSITORY)}

Refused = Callable[[list[str]], str]


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


@pytest.mark.parametrize("path", [LONG, "a" * 300, "~/" + "a" * 300])
def test_longer_than_a_name_can_be(path: str) -> None:
    with pytest.raises(UsageError, match=TOO_LONG) as caught:
        user_path(path)
    assert len(str(caught.value)) < 200


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Refused:
    """The message of a command that is refused for its words, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    Path(DEEP).write_text("[" * 100_000)

    def run(words: list[str]) -> str:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert sorted(tmp_path.rglob("*")) == [tmp_path / "here", tmp_path / DEEP]
        return " ".join(result.stderr.split())

    return run


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
def test_the_home_of_nobody(words: list[str], refused: Refused) -> None:
    assert f"{NO_HOME}: there is no user 'no-such-user'" in refused(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["annotate", LONG], TOO_LONG),
        (["annotate", EXAMPLE, "-o", LONG], TOO_LONG),
        (["annotate", EXAMPLE, "--root", LONG], f"'--root': a+{TOO_LONG[3:]}"),
        (["annotate", EXAMPLE, "--model", LONG], TOO_LONG),
        (["annotate", EXAMPLE, "--limit", "99999999999999999999999"], "'--limit': "),
        (["annotate", EXAMPLE, "--channel", "1" * 5_000], "--channel 1+: no recording has so many channels"),
        (["annotate", EXAMPLE, "--channel", "x" * 5_000], "--channel x+: give a channel number"),
        (["predict", EXAMPLE, "--channel", "1" * 5_000], "--channel 1+: no recording has so many channels"),
        (["predict", "x.wav", "-o", LONG], f"'--output' / '-o': a+{TOO_LONG[3:]}"),
        (["predict", "x.wav", "-o", "here"], "here: is a folder; name a file in it"),
        (["predict", "x.wav", "-o", "nowhere/x.csv"], "nowhere/x.csv: cannot be written, because there is no folder"),
        (["train", EXAMPLE, "-o", "new", "--licence", "x", "--description", "x", "--recipe", LONG], TOO_LONG),
        (["train", EXAMPLE, "-o", "new", "--licence", "x", "--description", "x", "--label-map", LONG], TOO_LONG),
        (
            ["train", EXAMPLE, "-o", LONG, "--licence", "x", "--description", "x"],
            f"'--output' / '-o': a+{TOO_LONG[3:]}",
        ),
        ([*TRAIN, "--seed", "9" * 30], "'--seed': "),
        ([*TRAIN, "--loso-seeds", "9" * 30], "--loso-seeds 9+: give different whole numbers"),
        ([*TRAIN, "--recipe", DEEP], r"deep\.yaml: not a recipe in YAML"),
        ([*TRAIN, "--label-map", DEEP], r"deep\.yaml: not YAML"),
        (["evaluate", EXAMPLE, "-o", LONG], f"'--output' / '-o': a+{TOO_LONG[3:]}"),
        *((["annotate", EXAMPLE, "-o", url], f"{url}: there is no such store") for url in NO_STORES),
        *((["annotate", EXAMPLE, "--reuse", url], f"{url}: there is no such store") for url in NO_STORES),
        *(([*words, url], f"{url}: there is no such store") for words in ON_OUTPUTS for url in NO_STORES),
        *(([*words, LONG], TOO_LONG) for words in ON_OUTPUTS),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_words_that_cannot_be(words: list[str], message: str, refused: Refused) -> None:
    assert re.search(message, refused(words))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach, with a file and a folder that may not be written."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "locked.csv").touch(mode=0o444)
        (folder / "locked").mkdir(mode=0o555)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("name", ["locked.csv", "locked/new.csv"])
def test_what_may_not_be_written(place: Path, name: str) -> None:
    with without_root(), pytest.raises(OutputError, match=f"{name}: may not be written by this user"):
        refuse_unwritable(place / name)


@contextlib.contextmanager
def without_root() -> Iterator[None]:
    """As another user where this one may write everything."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(me)


def test_a_disk_that_is_full(clips: list[Path], tiny_model: ModelFolder) -> None:
    result = CliRunner().invoke(app, ["predict", str(clips[0]), "--model", str(tiny_model.path), "-o", "/dev/full"])
    assert result.exit_code == 1
    assert result.stderr == "Error: /dev/full: cannot be written (No space left on device); name another file\n"


def test_an_export_replaces_no_device(clips: list[Path], tiny_model: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"path\n{clips[0]}\n")
    annotated(tmp_path / "m.csv", tmp_path / "out", tiny_model)
    os.mkfifo(tmp_path / "pipe")
    for place, message in ((str(tmp_path / "pipe"), "is a folder or a device"), (str(tmp_path), "is a folder")):
        result = CliRunner().invoke(app, ["export", str(tmp_path / "out"), "--to", "csv", "-d", place])
        assert result.exit_code == 2
        assert f"{place}: {message}" in result.stderr


def test_names_that_are_not_utf8(refused: Refused, clips: list[Path], tiny_model: ModelFolder, tmp_path: Path) -> None:
    """No output has one; what is said of a recording with one is still UTF-8."""
    for words in (["annotate", EXAMPLE, "-o"], ["status"], ["predict", EXAMPLE, "-o"]):
        assert r"b'o\xff': is not UTF-8; rename the folder or the file" in refused([*words, "o\udcff"])
    shutil.copy(clips[0], tmp_path / "o\udcff.flac")
    words = ["predict", "o\udcff.flac", "--model", str(tiny_model.path), "-o", "out.csv"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert r"o\udcff.flac" in (tmp_path / "out.csv").read_text(encoding="utf-8")
    program = "from jobs.cli import main; main()"
    command = [sys.executable, "-c", program, *words[:-2]]
    shown = subprocess.run(command, check=False, capture_output=True, env=UTF8, timeout=120)
    assert (shown.returncode, rb"o\udcff.flac: " in shown.stdout) == (0, True), shown.stderr


@pytest.mark.parametrize("url", ["https://[", "zip://x", "nosuch://x"])
def test_a_model_at_no_place(url: str, refused: Refused) -> None:
    assert re.search(rf"^Error: {re.escape(url)}: ", refused(["model", "show", url]))


def test_an_output_at_no_place(refused: Refused) -> None:
    assert "https://[: is no place in its store (ValueError: Invalid IPv6" in refused(
        ["annotate", EXAMPLE, "-o", "https://["]
    )


def test_options_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is JSON without end"):
        parse_storage_options(f"@{tmp_path / 'deep.json'}")


def test_an_output_in_the_memory_of_one_process() -> None:
    result = CliRunner().invoke(app, ["annotate", str(REPOSITORY / "examples/manifest.csv"), "-o", "memory://x"])
    assert result.exit_code == 2
    assert "--output memory://x: only one process has it" in result.stderr


def test_a_recording_is_not_written_over(clips: list[Path], tiny_model: ModelFolder, tmp_path: Path) -> None:
    recording = Path(shutil.copy(clips[0], tmp_path / "a.flac"))
    words = ["predict", str(recording), "--model", str(tiny_model.path), "-o", str(tmp_path / "." / "a.flac")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "is one of the recordings" in result.stderr
    assert recording.read_bytes() == clips[0].read_bytes()


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    result = CliRunner().invoke(app, ["cache", "clear", "--cache", str(tmp_path / "notes.txt")])
    assert result.exit_code == 2
    assert (tmp_path / "notes.txt").read_text() == "x"
