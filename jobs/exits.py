"""Exit codes, the same in every command, and the one place where an error becomes a message."""

import signal
import sys
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
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
        print(f"Interrupted. What is finished stays; {go_on}.", file=sys.stderr)
    except EmoboostError as error:
        code = Exit(error.exit_code)
        _show(str(error), debug=debug)
    except BrokenPipeError:
        sys.stderr.close()
        code = Exit.FAILURE
    except Exception as error:
        code = Exit.FAILURE
        _show(f"{type(error).__name__}: {error}\n(an error of the program; --debug shows where)", debug=debug)
    sys.stdout.flush()
    sys.exit(int(code))


def _interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _show(message: str, *, debug: bool) -> None:
    if debug:
        print(printable_lines(redacted(traceback.format_exc())), end="", file=sys.stderr)
    print(printable_lines(redacted(f"Error: {message}")), file=sys.stderr, flush=True)
