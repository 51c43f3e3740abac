"""Lost machines interrupt work that stands still, and no other."""

import contextlib
import queue
import time
from collections.abc import Set

import pytest

from cluster.lost_nodes import LostNodesError, loss_noticed

ALL, FEWER, MORE, OTHERS = {"a", "b"}, {"a"}, {"a", "b", "c"}, {"a", "c"}


def wait() -> None:
    """As the main thread waits for Ray: in a lock, without an end of its own within the test's."""
    queue.Queue[int]().get(timeout=20)


@pytest.mark.parametrize("left", [FEWER, OTHERS, set[str]()])
def test_interrupts_a_wait(left: Set[str]) -> None:
    begin = time.monotonic()
    with pytest.raises(LostNodesError), loss_noticed(ALL, lambda: left, stall=0.2, look=0.05):
        wait()
    assert 0.2 < time.monotonic() - begin < 10


@pytest.mark.parametrize("now", [ALL, MORE])
def test_nothing_is_lost(now: Set[str]) -> None:
    with loss_noticed(ALL, lambda: now, stall=0.05, look=0.02):
        time.sleep(0.5)


def test_work_that_moves_is_not_interrupted() -> None:
    with loss_noticed(ALL, lambda: FEWER, stall=0.4, look=0.02) as moved:
        for _ in range(10):
            time.sleep(0.1)
            moved()


def test_a_cluster_that_does_not_answer_is_someone_elses_business() -> None:
    def gone() -> Set[str]:
        raise ConnectionError

    with loss_noticed(ALL, gone, stall=0.05, look=0.02):
        time.sleep(0.3)


def test_a_look_that_fails_is_not_the_last() -> None:
    looks = iter([ConnectionError(), None])

    def now() -> Set[str]:
        if (failure := next(looks, None)) is not None:
            raise failure
        return FEWER

    with pytest.raises(LostNodesError), loss_noticed(ALL, now, stall=0.1, look=0.02):
        wait()


def test_it_is_heard_where_exceptions_are_ignored() -> None:
    def ignoring() -> None:
        with contextlib.suppress(Exception):
            wait()
        raise AssertionError("ignored")

    with pytest.raises(LostNodesError), loss_noticed(ALL, lambda: FEWER, stall=0.1, look=0.02):
        ignoring()


def test_nothing_is_left_of_it() -> None:
    for _ in range(3):
        with pytest.raises(LostNodesError), loss_noticed(ALL, lambda: FEWER, stall=0.05, look=0.02):
            wait()
    with loss_noticed(ALL, lambda: FEWER, stall=0.3, look=0.02):
        pass
    time.sleep(0.5)
