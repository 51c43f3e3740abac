"""The folder that a private Ray keeps its files in."""

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from emoboost.temporary import temporary_folder

LONGEST_PARENT = 25
"""Characters of the temporary folder's path: with our folder, Ray's session and its sockets it gets 82 longer, and the
system allows 107."""


def session_folder() -> AbstractContextManager[Path]:
    """A new temporary folder with a short path, for as long as the context lasts."""
    usual = tempfile.gettempdir()
    return temporary_folder(Path(usual if len(usual) <= LONGEST_PARENT else "/tmp"))
