"""How often and how long something is tried: on a clock that only the pauses move."""

import pytest

from emoboost.patience import LONGEST_PAUSE, OutOfPatienceError, retrying


class Clock:
    """Time that passes only in pauses and in the attempts themselves."""

    def __init__(self, takes: float = 0.0) -> None:
        self.now = 0.0
        self.takes = takes
        self.pauses: list[float] = []
        self.attempts = 0

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def fails(self, times: int, error: Exception) -> int:
        """Fails so often; then gives the number of attempts."""
        self.attempts += 1
        self.now += self.takes
        if self.attempts <= times:
            raise error
        return self.attempts


def tried(clock: Clock, times: int, seconds: float, drawn: float = 1.0) -> int:
    return retrying(
        lambda: clock.fails(times, TimeoutError("no answer")),
        lambda error: isinstance(error, TimeoutError),
        seconds,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        random=lambda: drawn,
    )


def test_pauses_double_up_to_a_bound() -> None:
    clock = Clock()
    assert tried(clock, 8, seconds=60) == 9
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, LONGEST_PAUSE, LONGEST_PAUSE]


def test_chance_shortens_them() -> None:
    clock = Clock()
    assert tried(clock, 3, seconds=60, drawn=0.5) == 4
    assert clock.pauses == [0.1, 0.2, 0.4]


def test_no_attempt_begins_after_the_time() -> None:
    clock = Clock()
    with pytest.raises(OutOfPatienceError, match=r"^12 attempts in 52\.6 s$") as caught:
        tried(clock, 1_000, seconds=60)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert clock.now <= 60


def test_attempts_that_hang_count() -> None:
    clock = Clock(takes=25)
    with pytest.raises(OutOfPatienceError, match=r"^3 attempts in 75\.6 s$"):
        tried(clock, 1_000, seconds=60)


def test_pauses_of_no_length_end_too() -> None:
    clock = Clock(takes=0.001)
    with pytest.raises(OutOfPatienceError):
        tried(clock, 10**6, seconds=2, drawn=0.0)
    assert clock.attempts > 1_500


def test_no_time_is_one_attempt() -> None:
    clock = Clock()
    with pytest.raises(OutOfPatienceError, match=r"^1 attempt in 0\.0 s$"):
        tried(clock, 1, seconds=0)


def test_what_does_not_pass_is_raised_as_it_is() -> None:
    clock = Clock()
    error = PermissionError("no")
    with pytest.raises(PermissionError) as caught:
        retrying(lambda: clock.fails(5, error), lambda _: False, 60, clock=lambda: clock.now, sleep=clock.sleep)
    assert caught.value is error
    assert clock.attempts == 1
    assert not clock.pauses
