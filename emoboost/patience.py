"""Asking again what failed in passing, with growing and random pauses, for a bounded time."""

import random as randomness
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

Answer = TypeVar("Answer")

RETRY_SECONDS = 60.0
"""How long a store is asked again when nobody says."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 8.0
"""Seconds, before chance shortens them."""


class OutOfPatienceError(OSError):
    """Something failed in passing for longer than anyone waits; its cause is the last failure."""


def retrying(
    action: Callable[[], Answer],
    passes: Callable[[Exception], bool],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    random: Callable[[], float] = randomness.random,
) -> Answer:
    """What `action` returns, tried until it succeeds.

    A pause is a random share of 0.2 s, 0.4 s, 0.8 s and so on up to 8 s: many workers whom a store turned away
    together do not come back together.

    >>> retrying(lambda: 7, lambda error: True, seconds=60)
    7

    Args:
        action: may be called any number of times.
        passes: whether this failure may be gone at the next try; any other is raised at once.
        seconds: no try begins later than so long after the first one; 0 is a single try.
        clock: seconds that only grow.
        sleep: waits so many seconds.
        random: a number in [0, 1).

    Raises:
        OutOfPatienceError: the time is over; the message says how often and how long it was tried.
        Exception: a failure that does not pass.
    """
    begun = clock()
    for attempt in count(1):
        try:
            return action()
        except Exception as error:
            if not passes(error):
                raise
            pause = random() * min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt - 1, 16))
            spent = clock() - begun
            if spent + pause > seconds:
                times = f"{attempt} attempt{'s' * (attempt > 1)} in {spent:.1f} s"
                raise OutOfPatienceError(times) from error
        sleep(pause)
    raise AssertionError("unreachable")
