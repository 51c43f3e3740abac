"""How a command ends: its exit code and its last line."""

import signal
from collections.abc import Iterator

import pytest

from emoboost.errors import UsageError
from jobs.exits import Exit, run


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def left_by(error: BaseException, while_closing: Exception | None) -> int:
    """Exit code of a command that ends by an error, and fails in its turn while it puts things away."""

    def command() -> Exit:
        try:
            raise error
        finally:
            if while_closing is not None:
                raise while_closing

    with pytest.raises(SystemExit) as left:
        run(command, debug=False, go_on="it goes on")
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("while_closing", [None, ValueError("owner is unknown"), UsageError("no such shard")])
def test_ctrl_c_is_an_interruption_whatever_fails_after_it(
    capsys: pytest.CaptureFixture[str], while_closing: Exception | None
) -> None:
    assert left_by(KeyboardInterrupt(), while_closing) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "Interrupted. What is finished stays; it goes on.\n"


def test_sigterm_is_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> Exit:
        signal.raise_signal(signal.SIGTERM)
        return Exit.COMPLETE

    with pytest.raises(SystemExit) as left:
        run(command, debug=False)
    assert left.value.code == Exit.INTERRUPTED
    assert capsys.readouterr().err == "Interrupted. What is finished stays; the same command continues.\n"


def test_what_fails_after_an_error_is_said_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert left_by(ValueError("first"), UsageError("second")) == Exit.USAGE
    assert capsys.readouterr().err == "Error: second\n"


def test_a_program_error_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert left_by(ValueError("first"), None) == Exit.FAILURE
    assert capsys.readouterr().err == "Error: ValueError: first\n(an error of the program; --debug shows where)\n"
