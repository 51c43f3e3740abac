"""How a command ends: its exit code and its last line."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from emoboost.errors import EmoboostError, ManifestError, ModelError, UsageError
from jobs.exits import Exit, run

INTERRUPTED = "Interrupted. What is finished stays; the same command continues.\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handler, unraisable, threads = signal.getsignal(signal.SIGTERM), sys.unraisablehook, threading.excepthook
    yield
    signal.signal(signal.SIGTERM, handler)
    sys.unraisablehook, threading.excepthook = unraisable, threads


def ended(command: Callable[[], Exit], *, debug: bool = False) -> int:
    with pytest.raises(SystemExit) as caught:
        run(command, debug=debug)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def raising(error: BaseException, while_closing: Exception | None = None) -> Callable[[], Exit]:
    """A command that ends by an error, and perhaps fails in its turn while it puts things away."""

    def command() -> Exit:
        try:
            raise error
        finally:
            if while_closing is not None:
                raise while_closing

    return command


def test_the_codes_are_a_promise() -> None:
    assert {code.name: int(code) for code in Exit} == {
        **{"COMPLETE": 0, "FAILURE": 1, "USAGE": 2, "ERRORS": 3, "INCOMPLETE": 4, "WRONG": 5, "INTERRUPTED": 130}
    }


@pytest.mark.parametrize("code", list(Exit))
def test_a_commands_own_code(code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(lambda: code) == code
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (ManifestError("m.csv: line 3"), 2, "Error: m.csv: line 3\n"),
        (ModelError("x"), 2, "Error: x\n"),
        (EmoboostError("no room"), 1, "Error: no room\n"),
        (ValueError("what"), 1, "Error: ValueError: what\n(an error of the program; --debug shows where)\n"),
        (KeyboardInterrupt(), 130, INTERRUPTED),
    ],
)
def test_an_error_is_a_line_or_two(
    error: BaseException, code: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(raising(error)) == code
    assert capsys.readouterr() == ("", shown)


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(ModelError("x")), debug=True) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("Error: x\n")


@pytest.mark.parametrize("while_closing", [ValueError("owner is unknown"), UsageError("no such shard")])
def test_ctrl_c_is_an_interruption_whatever_fails_after_it(
    capsys: pytest.CaptureFixture[str], while_closing: Exception
) -> None:
    assert ended(raising(KeyboardInterrupt(), while_closing)) == Exit.INTERRUPTED
    assert capsys.readouterr().err == INTERRUPTED


def test_an_error_that_follows_another_is_said_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(ValueError("first"), UsageError("second"))) == Exit.USAGE
    assert capsys.readouterr().err == "Error: second\n"


def test_an_error_that_is_its_own_cause(capsys: pytest.CaptureFixture[str]) -> None:
    error, other = UsageError("no such user"), ValueError("other")
    error.__cause__, other.__context__ = other, error
    assert ended(raising(error)) == Exit.USAGE
    assert capsys.readouterr().err == "Error: no such user\n"


HELD = """
import threading, time
from jobs.exits import run

class Held:
    def __del__(self):
        raise ValueError("its owner is unknown")

held = Held()

def late():
    time.sleep(0.2)
    raise ValueError("too late")

def command():
    threading.Thread(target=late).start()
    raise INTERRUPTION

run(command, debug=False)
"""


@pytest.mark.parametrize(("error", "told"), [("KeyboardInterrupt", 0), ("OSError", 2)])
def test_the_last_line_of_an_interruption_is_the_last(error: str, told: int) -> None:
    """What Python takes down after it may fail; after another end that is shown as ever."""
    words = [sys.executable, "-c", HELD.replace("INTERRUPTION", error)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == (130 if error == "KeyboardInterrupt" else 1)
    assert ended.stderr.count("ValueError") == told
    assert (ended.stderr == INTERRUPTED) == (told == 0)


def test_sigterm_is_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> Exit:
        signal.raise_signal(signal.SIGTERM)
        return Exit.COMPLETE

    assert ended(command) == Exit.INTERRUPTED
    assert capsys.readouterr().err == INTERRUPTED
