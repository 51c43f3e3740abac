"""Importing large libraries faster."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's garbage collector while torch, transformers or Ray is imported.

    An import makes hundreds of thousands of objects that live as long as the process, and the collector walks the
    growing heap again and again in vain: a seventh of the time of an import (docs/benchmarks.md). Nested uses and a
    collector that was off before are left as they were.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
