"""The folder that a private Ray keeps its files in."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from emoboost.temporary import temporary_folder

OF_RAY = "r"
"""Ray opens the folder that it is given to everybody (0777), so it gets one in ours, which nobody else can enter."""
LONGEST_PARENT = 23
"""Characters of the temporary folder's path: with our folder, Ray's, its session and its sockets it gets 84 longer, and
the system allows 107."""


@contextlib.contextmanager
def session_folder() -> Iterator[Path]:
    """A folder for Ray to make, with a short path in a folder of this user's own, for as long as the context lasts."""
    usual = tempfile.gettempdir()
    with temporary_folder(Path(usual if len(usual) <= LONGEST_PARENT else "/tmp")) as folder:
        yield folder / OF_RAY
