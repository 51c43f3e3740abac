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


class LostNodesError(BaseException):
    """The work stands still, and machines are gone that were there when it began.

    Not an `Exception`: it comes wherever the main thread is, also where those are ignored.
    """


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
        while not ended.wait(look):
            # When nobody knows which machines are there, the cluster is gone: Ray ends the process by itself.
            with contextlib.suppress(Exception):
                if time.monotonic() - moved[0] > stall and not present <= now_present():
                    moved[0] = time.monotonic()  # so that it is said again, but not while it is being heard
                    signal.pthread_kill(main, signal.SIGUSR1)

    def move() -> None:
        moved[0] = time.monotonic()

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        if not ended.is_set():
            raise LostNodesError

    previous = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=watch, name="lost nodes", daemon=True)
    thread.start()
    try:
        yield move
    finally:
        ended.set()
        thread.join()
        signal.signal(signal.SIGUSR1, previous)
