"""Results come in order, from several threads, and no more of them than were asked for."""

import threading

import pytest

from emoboost.ahead import ahead


def test_in_order() -> None:
    assert list(ahead(str, range(100), threads=3)) == [str(number) for number in range(100)]
    assert list(ahead(str, [])) == []


def test_works_in_several_threads_at_once() -> None:
    together = threading.Barrier(4, timeout=20)
    assert len(list(ahead(lambda _: together.wait(), range(4), threads=4))) == 4


def test_holds_no_more_than_the_threads() -> None:
    taken = iter(range(1_000))
    results = ahead(lambda number: number, taken, threads=5)
    assert [next(results) for _ in range(10)] == list(range(10))
    assert next(taken) <= 15


def test_an_error_comes_in_its_turn() -> None:
    results = ahead(lambda number: 1 // number, [1, 1, 0, 1], threads=2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []
