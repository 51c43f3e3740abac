"""When a job stops because most recordings fail alike; against a loop that counts every window anew."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoboost.errors import AudioErrorType
from emoboost.storm import FIRST, IN_A_ROW, STORAGE_ERRORS, Storm

MISSING, DENIED, CUT = AudioErrorType.NOT_FOUND, AudioErrorType.PERMISSION, AudioErrorType.TRUNCATED


def stops_at(errors: list[AudioErrorType | None], share: float) -> int | None:
    """How many utterances are enough, by the definition."""
    for seen in range(1, len(errors) + 1):
        if seen == FIRST or seen >= IN_A_ROW:
            window = errors[max(0, seen - IN_A_ROW) : seen]
            if any(window.count(kind) >= share * len(window) for kind in STORAGE_ERRORS):
                return seen
    return None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([None, MISSING, DENIED, CUT]), st.integers(1, 700)), max_size=8),
    st.sampled_from([0.1, 0.5, 0.9]),
    st.integers(1, 128),
)
def test_equals_the_definition(runs: list[tuple[AudioErrorType | None, int]], share: float, shard: int) -> None:
    errors = [error for error, count in runs for _ in range(count)]
    storm, expected = Storm(share), stops_at(errors, share)
    edges = [*range(0, len(errors), shard), len(errors)]
    stopped = next((last for first, last in pairwise(edges) if storm.add(errors[first:last])), None)
    if expected is None:
        assert stopped is None
    else:
        assert stopped is not None
        assert expected <= stopped < expected + shard


def test_says_what_it_found() -> None:
    errors = [MISSING, None] * (FIRST // 2)
    assert Storm(0.5).add(errors) == (MISSING, FIRST // 2, FIRST)
    assert Storm(0.5).add(errors[1:]) is None
    assert Storm(0.6).add(errors) is None


@pytest.mark.parametrize("error", [CUT, None, AudioErrorType.UNSUPPORTED_FORMAT])
def test_recordings_that_are_bad_themselves_are_no_storm(error: AudioErrorType | None) -> None:
    assert Storm(0.5).add([error] * 5_000) is None


def test_one_never_stops() -> None:
    assert Storm(1).add([MISSING] * 5_000) is None


def test_different_errors_do_not_add_up() -> None:
    assert Storm(0.5).add([MISSING, DENIED, CUT] * 1_000) is None
