"""The process that hostile inputs are read in: what goes wrong there is told, and the next input is read."""

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from hostile.isolation import MIB, End, Isolated

SECONDS = 2.0
MEMORY = 512 * MIB


def _call(work: Callable[[], Any]) -> Any:
    return work()


def _answer() -> int:
    return 42


def _raise() -> None:
    raise LookupError("on purpose")


def _crash() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    os._exit(7)


def _hang() -> None:
    time.sleep(60)


def _ask_for_too_much() -> None:
    bytearray(MEMORY * 2)


def _use_much() -> None:
    bytearray(b"x") * (MEMORY // 2)


@pytest.fixture(scope="module")
def isolated() -> Any:
    with Isolated(_call, seconds=SECONDS, memory=MEMORY) as isolated:
        yield isolated


@pytest.mark.parametrize(
    ("work", "end", "detail"),
    [
        (_raise, End.RAISED, "LookupError: on purpose"),
        (_crash, End.CRASHED, "SIGSEGV"),
        (_exit, End.CRASHED, "exit code 7"),
        (_hang, End.HUNG, "no answer after 2 s"),
        (_ask_for_too_much, End.RAISED, "MemoryError"),
    ],
)
def test_what_goes_wrong_is_told(isolated: Isolated, work: Callable[[], Any], end: End, detail: str) -> None:
    ending = isolated(work)
    assert ending.end is end
    assert detail in ending.detail
    again = isolated(_answer)
    assert (again.end, again.value) == (End.RETURNED, 42)


def test_the_peak_of_memory_is_that_of_one_piece_of_work(isolated: Isolated) -> None:
    before, much, after = isolated(_answer).peak, isolated(_use_much).peak, isolated(_answer).peak
    assert much - before > MEMORY // 2 - 8 * MIB
    assert after < before + 8 * MIB
