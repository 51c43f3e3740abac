"""Versions of a part stand in one line, whoever writes them."""

import hashlib
from pathlib import Path

import pytest

from emoboost.errors import OutputError
from emoboost.history import HISTORY, History
from emoboost.storage import Folder

PART, OTHER = "labels/part-01234567-0000001.parquet", "labels/part-01234567-0000002.parquet"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Folder.at(tmp_path))


def test_one_line(history: History) -> None:
    first, second, third = (history.keep(PART, content) for content in (b"1", b"2", b"3"))
    assert first == hashlib.sha256(b"1").hexdigest()
    assert history.line(PART, first) == []
    assert history.follow(PART, first, second)
    assert not history.follow(PART, first, third), "one was faster"
    assert history.follow(PART, first, second), "the same again"
    assert history.follow(PART, second, third)
    assert history.line(PART, first) == [second, third]
    assert history.line(PART, third) == []
    assert history.line(OTHER, first) == []
    assert history.has_next(PART, second, history.names())
    assert not history.has_next(PART, third, history.names())
    assert history.version(PART, third) == b"3"


def test_a_ring_that_somebody_has_made_ends(history: History) -> None:
    first, second = (history.keep(PART, content) for content in (b"1", b"2"))
    history.follow(PART, first, second)
    history.follow(PART, second, first)
    assert history.line(PART, first) == [second, first]


@pytest.mark.parametrize("content", [b"", b"half", None])
def test_a_damaged_version(history: History, content: bytes | None) -> None:
    version = history.keep(PART, b"whole")
    (name,) = history.names()
    if content is None:
        history.folder.remove(f"{HISTORY}/{name}")
    else:
        history.folder.replace(f"{HISTORY}/{name}", content)
    with pytest.raises(OutputError, match=r"_history/part-01234567-0000001-.*missing or damaged, .*; delete labels/p"):
        history.version(PART, version)
