"""Local files that are there and whole, or are as they were."""

import os
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Write a file in one step, safe from a crash of the machine too.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
