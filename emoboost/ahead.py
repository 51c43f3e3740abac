"""Reading that waits for a disk or a store, done by a few threads ahead of whoever uses what was read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 8
"""A store answers a request in tens of milliseconds, whatever it is busy with."""


def ahead(function: Callable[[Item], Result], items: Iterable[Item], threads: int = THREADS) -> Iterator[Result]:
    """`function` of every item, in order; unlike `map` of an executor it holds no more than `threads` results.

    >>> list(ahead(len, ["a", "bc"]))
    [1, 2]

    Args:
        function: called from threads; what it raises is raised here, in the item's turn.
        items: taken only as far as threads are free.
        threads: how many.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                if len(waiting) == threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
