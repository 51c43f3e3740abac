"""A limit on time that holds even in native code that never returns: the system ends the process."""

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[Callable[[], None]]:
    """SIGALRM, which ends a process that has no handler for it, unless the context ends or the clock is set anew.

    A thread of Python's could not do it: native code may hold the interpreter's lock for ever.

    Args:
        seconds: of time, counted from each call of what is yielded.

    Yields:
        Call it to start the clock, or to start it anew.
    """
    previous = signal.getitimer(signal.ITIMER_REAL)

    def restart() -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    try:
        yield restart
    finally:
        signal.setitimer(signal.ITIMER_REAL, *previous)
