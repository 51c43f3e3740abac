"""Where this program keeps what it can make or fetch again."""

import os
from pathlib import Path


def user_cache() -> Path:
    """The program's folder in the user's cache (XDG_CACHE_HOME, else ~/.cache); it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "emoboost-batch"
