"""How far an output is, by what lies in it: parts, the marker, and the runners' own words."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from finished import label, planned
from reading import CLIP

from emoboost.checkpoint import ModelFolder
from emoboost.ledger import SUCCESS, Ledger
from emoboost.runners import DEAD_SECONDS, RUNNERS, Runner
from emoboost.status import status_of
from jobs.status import status_text

UTTERANCES = 20


@pytest.fixture
def ledger(tmp_path: Path, tiny_model: ModelFolder) -> Ledger:
    """20 utterances without a part."""
    rows = [f"{CLIP},{number}" for number in range(UTTERANCES)]
    (tmp_path / "calls.csv").write_text("\n".join(["path,utterance_id", *rows]) + "\n")
    return planned(tmp_path / "calls.csv", tmp_path / "out", tiny_model)


def say(ledger: Ledger, name: str, content: str, silent: float) -> None:
    file = Path(ledger.folder.path(f"{RUNNERS}/{name}.json"))
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    then = time.time() - silent
    os.utime(file, (then, then))


def at_work(utterances: int, seconds: float) -> str:
    """Of this process, which lives."""
    return json.dumps(vars(Runner("a", utterances=utterances, running_seconds=seconds, errors=1, seconds=90.0)))


def test_nothing_done(ledger: Ledger) -> None:
    status = status_of(ledger)
    assert (status.utterances, status.finished_utterances, status.finished_shards) == (UTTERANCES, 0, 0)
    assert (status.complete, status.seconds_left, list(status.workers)) == (False, None, [])
    assert "Nobody works on it" in status_text(status)


def test_half_done_by_two_of_whom_one_is_silent(ledger: Ledger, tiny_model: ModelFolder) -> None:
    label(ledger, tiny_model, [0])
    done = len(ledger.read_part(0))
    assert 0 < done < UTTERANCES
    say(ledger, "alive", at_work(utterances=done, seconds=4.0), silent=1)
    say(ledger, "dead", at_work(utterances=1_000, seconds=1.0), silent=DEAD_SECONDS + 5)
    status = status_of(ledger)
    assert (status.finished_utterances, status.finished_shards) == (done, 1)
    alive, dead = status.workers
    assert (alive.alive, dead.alive) == (True, False)
    assert alive.silent_seconds == pytest.approx(1, abs=1)
    assert status.seconds_left == pytest.approx((UTTERANCES - done) / (done / 4.0)), (
        "the dead one's speed does not count"
    )
    text = status_text(status)
    assert f"{done} of {UTTERANCES} utterances, 1 of {status.shards} shards" in text
    assert "at work" in text
    assert "silent, probably dead" in text
    assert "Nobody" not in text


def test_of_this_machine_and_gone(ledger: Ledger) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    say(ledger, "killed", json.dumps(vars(Runner("a", pid=gone.pid))), silent=1)
    (worker,) = status_of(ledger).workers
    assert not worker.alive
    assert "ended without a word" in status_text(status_of(ledger))


def test_a_marker_beside_missing_parts(ledger: Ledger) -> None:
    ledger.succeed({})
    assert not status_of(ledger).complete


def test_a_clock_that_was_ahead(ledger: Ledger) -> None:
    say(ledger, "dead", at_work(utterances=5, seconds=1.0), silent=-7_200)
    (worker,) = status_of(ledger).workers
    assert not worker.alive
    assert "silent, probably dead" in status_text(status_of(ledger))


def test_all_parts_without_the_marker_and_with_it(ledger: Ledger, tiny_model: ModelFolder) -> None:
    label(ledger, tiny_model, ledger.missing())
    assert not status_of(ledger).complete
    assert "give the annotate command again" in status_text(status_of(ledger))
    ledger.succeed({})
    assert ledger.folder.exists(SUCCESS)
    assert status_of(ledger).complete
    assert status_text(status_of(ledger)).endswith("Complete.")


ODD = [
    "",
    "[]",
    "{",
    '{"pid": "x", "utterances": null, "host": 3}',
    '{"pid": 1e999, "utterances": NaN, "errors": -Infinity, "running_seconds": true}',
    f'{{"pid": {10**40}}}',
    "[" * 5_000,
    "\x00\xff",
]


@pytest.mark.parametrize("words", ODD)
def test_whatever_lies_in_the_runners_folder(ledger: Ledger, words: str) -> None:
    say(ledger, "odd", words, silent=0)
    say(ledger, "sound", at_work(utterances=2, seconds=1.0), silent=0)
    workers = status_of(ledger).workers
    assert 2 in [worker.utterances for worker in workers]
    status_text(status_of(ledger))
    json.dumps(status_of(ledger).to_dict(), allow_nan=False)


def test_for_programs(ledger: Ledger) -> None:
    say(ledger, "alive", at_work(utterances=2, seconds=1.0), silent=0)
    found = json.loads(json.dumps(status_of(ledger).to_dict()))
    assert found["seconds_left"] == pytest.approx(UTTERANCES / 2)
    assert found["workers"][0]["alive"] is True
