"""Paths as people type them: where they lead."""

import errno
import os
from pathlib import Path

from emoboost.errors import UsageError

SHOWN = 60
"""Characters of a path that is too long to be shown."""


def user_path(given: str | Path) -> Path:
    """Where a path leads; it need not exist. A relative one stays relative.

    >>> user_path("calls/7.wav")
    PosixPath('calls/7.wav')

    Raises:
        UsageError: it begins with `~name` and there is neither such a user nor such a file, or it is longer than the
            name of a file can be, or no UTF-8.
    """
    # Not Path's: it raises for a file whose name begins with ~ and is no user's.
    text = os.path.expanduser(given)  # noqa: PTH111
    if any("\ud800" <= character <= "\udfff" for character in str(text)):
        raise UsageError(f"{os.fsencode(text)!r}: is not UTF-8; rename the folder or the file")
    try:
        os.lstat(text)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(
                f"{text[:SHOWN]}…: is longer than the name of a file can be; give a shorter one"
            ) from error
        if text.startswith("~"):
            name = text.partition("/")[0]
            raise UsageError(
                f"{given}: there is no user {name[1:]!r}; if it is a folder whose name begins so, write ./{given}"
            ) from error
    return Path(text)
