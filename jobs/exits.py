"""Exit codes, the same in every command, and the one place where an error becomes a message."""

import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

from emoboost.errors import EmoboostError
from emoboost.printable import printable_lines
from emoboost.redaction import redacted


class Exit(IntEnum):
    """What a command's exit code says."""

    COMPLETE = 0
    """Done; error rows, if any, are within `--max-errors`."""
    FAILURE = 1
    """Something went wrong that is not listed here."""
    USAGE = 2
    """A bad argument, manifest, model or output folder; nothing was done."""
    ERRORS = 3
    """Every utterance has its row, more than `--max-errors` of them are errors."""
    INCOMPLETE = 4
    """Something is not done yet; the same command continues."""
    WRONG = 5
    """Something is wrong with an output; verify says what."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the same command continues."""


def run(command: Callable[[], Exit], *, debug: bool, go_on: str = "the same command continues") -> NoReturn:
    """Run a command and leave with its exit code.

    Args:
        command: what to do.
        debug: show an error's traceback beside its one or two lines.
        go_on: what continues an interrupted command.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = command()
    except (Exception, KeyboardInterrupt) as error:
        code = _told(error, debug=debug, go_on=go_on)
    sys.stdout.flush()
    sys.exit(int(code))


def _told(error: BaseException, *, debug: bool, go_on: str) -> Exit:
    """Say what ended the command; its exit code."""
    # What is being closed after Ctrl-C may fail in its turn, Ray above all; that is not why the command ended.
    if any(isinstance(cause, KeyboardInterrupt) for cause in _with_causes(error)):
        print(f"Interrupted. What is finished stays; {go_on}.", file=sys.stderr)
        _say_no_more()
        return Exit.INTERRUPTED
    if isinstance(error, EmoboostError):
        _show(str(error), debug=debug)
        return Exit(error.exit_code)
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        return Exit.FAILURE
    _show(f"{type(error).__name__}: {error}\n(an error of the program; --debug shows where)", debug=debug)
    return Exit.FAILURE


def _say_no_more() -> None:
    """What Python takes down from here on may fail, objects of a Ray that is gone above all; that is no news."""
    sys.unraisablehook = lambda unraisable: None
    threading.excepthook = lambda arguments: None


def _with_causes(error: BaseException) -> list[BaseException]:
    """All that led to it; an error may be among its own causes."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        cause = left.pop()
        if cause is not None and all(cause is not known for known in found):
            found.append(cause)
            left += [cause.__cause__, cause.__context__]
    return found


def _interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _show(message: str, *, debug: bool) -> None:
    if debug:
        print(printable_lines(redacted(traceback.format_exc())), end="", file=sys.stderr)
    print(printable_lines(redacted(f"Error: {message}")), file=sys.stderr, flush=True)
