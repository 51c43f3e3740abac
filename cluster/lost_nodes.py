"""Noticing that machines of a cluster are gone and that the work stands still because of it.

Ray starts the actors of a lost machine on the others. There they take the processors that the tasks which feed them
need, or they wait for room for as long as no machine comes back, and with them the shards that they had in hand
(ray-project/ray#26991). Most work goes on all the same, and often nothing is amiss; so only both together count.
"""

import contextlib
import signal
import threading
import time
import types
from collections.abc import Callable, Iterator, Set

STALL_SECONDS = 120.0
"""More than most shards take. If one takes longer, it is done twice, once for each lost machine."""
LOOK_SECONDS = 5.0


class LostNodesError(Exception):
    """The work stands still, and machines are gone that were there when it began."""


@contextlib.contextmanager
def loss_noticed(
    present: Set[str], now_present: Callable[[], Set[str]], stall: float = STALL_SECONDS, look: float = LOOK_SECONDS
) -> Iterator[Callable[[], None]]:
    """Raise an exception in the main thread, wherever it waits, when its work needs to begin anew on fewer machines.

    Call it in the main thread; it uses SIGUSR1.

    Args:
        present: the machines that the work began with.
        now_present: asks for those that are there.
        stall: seconds without a move that count as standing still.
        look: seconds between two looks.

    Yields:
        To be called at every move.

    Raises:
        LostNodesError: as said.
    """
    moved = [time.monotonic()]
    ended = threading.Event()
    main = threading.get_ident()

    def watch() -> None:
        # When nobody knows which machines are there, the cluster is gone: Ray ends the process by itself.
        with contextlib.suppress(Exception):
            while not ended.wait(look):
                if time.monotonic() - moved[0] > stall and not present <= now_present():
                    signal.pthread_kill(main, signal.SIGUSR1)
                    return

    def move() -> None:
        moved[0] = time.monotonic()

    previous = signal.signal(signal.SIGUSR1, _raise)
    thread = threading.Thread(target=watch, name="lost nodes", daemon=True)
    thread.start()
    try:
        yield move
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGUSR1, previous)


def _raise(number: int, frame: types.FrameType | None) -> None:
    raise LostNodesError
