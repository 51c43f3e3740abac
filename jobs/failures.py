"""What a worker raised, told as if it had happened here."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from emoboost.errors import EmoboostError
from emoboost.redaction import redacted

RESUME = "the same command with --resume continues"


@contextlib.contextmanager
def told_plainly(output: Path, go_on: str) -> Iterator[None]:
    """Turn what Ray raises into an error for people; an error of ours that a worker raised keeps its words.

    Args:
        output: folder for a file with the traceback.
        go_on: what the user can do, as the end of a sentence.

    Raises:
        EmoboostError: in place of anything that is not one of ours.
    """
    try:
        yield
    except EmoboostError as error:
        ours = _ours(error)
        if ours is error:
            raise
        raise ours from error
    except Exception as error:
        ours = _ours(error)
        if isinstance(ours, EmoboostError):
            raise ours from error
        log = output / "failure.log"
        with contextlib.suppress(OSError):  # the disk may be full
            output.mkdir(parents=True, exist_ok=True)
            text = redacted("".join(traceback.format_exception(error)))
            log.write_text(text, encoding="utf-8", errors="backslashreplace")
        raise EmoboostError(f"{output}: the job failed ({reason_of(error)}); {go_on}. Details: {log}") from error


def reason_of(error: BaseException) -> str:
    """The cause in one line; Ray wraps what a worker raised into pages of text, whose last line is the cause."""
    if not str(error).strip():
        return type(error).__name__
    # Ray Data puts hints of its own behind it.
    if ours := re.findall(r"^\s*emoboost\.errors\.\w+: (.+)", str(error), re.MULTILINE):
        return str(ours[-1])
    last = str(error).strip().splitlines()[-1].strip()
    return last if "Error" in last.split(":", 1)[0] else f"{type(error).__name__}: {last}"


def _ours(error: BaseException) -> BaseException:
    """The innermost error of ours that this one stands for, or itself."""
    found, seen = error, error
    for _ in range(10):
        inner = getattr(seen, "cause", None) or seen.__cause__
        if not isinstance(inner, BaseException):
            return found
        seen = inner
        if isinstance(seen, EmoboostError):
            found = seen
    return found
