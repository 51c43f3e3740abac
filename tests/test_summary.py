"""The summary counts what the parts hold, and notices what the plan does not explain."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from finished import summarise

from emoboost.errors import AudioErrorType
from emoboost.ledger import METADATA_PREFIX, Ledger
from emoboost.plan import make_plan
from emoboost.schema import FORMAT_VERSION, Outcome, is_reserved, labels_table
from emoboost.storage import Folder
from emoboost.summary import FIRST_ERRORS, Counts

CLASSES = ("anger", "happiness", "neutral")
UTTERANCES = 30
TRUTHS = ("Happy", "anger", "", "NEU")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    manifest = tmp_path / "m.csv"
    rows = [f"u{number},{number}.wav,2.5,{TRUTHS[number % 4]}" for number in range(UTTERANCES)]
    manifest.write_text("\n".join(["utterance_id,path,duration,label", *rows]) + "\n")
    plan = make_plan(
        str(manifest), tmp_path / "plan", {"model": "tiny@0", "classes": list(CLASSES)}, reserved=is_reserved
    )
    return Ledger.create(Folder.at(tmp_path / "out"), plan, tmp_path / "plan")


def outcome_of(number: int) -> Outcome:
    """Every seventh is missing, every eleventh is long."""
    if number % 7 == 3:
        return Outcome(error_type=AudioErrorType.NOT_FOUND, error_message=f"{number}.wav: no such file")
    segments = 11 if number % 11 == 5 else 1 + number % 10
    return Outcome(3.0 * segments, 3.0 * segments, segments, version="size=9")


def fill(ledger: Ledger, shards: list[int]) -> None:
    facts = {"format": FORMAT_VERSION, "plan": ledger.plan.hash, "model": "tiny@0"}
    metadata = {METADATA_PREFIX + name: value for name, value in facts.items()}
    for shard in shards:
        planned = ledger.shard_table(shard)
        numbers = [int(name[1:]) for name in planned["utterance_id"].to_pylist()]
        probabilities = np.eye(3, dtype=np.float32)[[number % 3 for number in numbers]]
        outcomes = [outcome_of(number) for number in numbers]
        ledger.commit(
            shard, labels_table(planned, outcomes, probabilities, CLASSES, ledger.plan.carried.names, metadata)
        )


def test_equals_a_plain_count(ledger: Ledger) -> None:
    fill(ledger, ledger.missing())
    summary = summarise(ledger)
    outcomes = {number: outcome_of(number) for number in range(UTTERANCES)}
    ok = {number: outcome for number, outcome in outcomes.items() if outcome.error_type is None}
    counts = summary.counts
    assert counts.utterances == summary.planned == UTTERANCES
    assert counts.seconds == sum(outcome.duration or 0 for outcome in ok.values())
    assert counts.segments == sum(outcome.n_segments for outcome in ok.values())
    assert counts.many_segments == sum(outcome.n_segments > 10 for outcome in ok.values()) > 0
    assert counts.status == {"ok": len(ok), "error": UTTERANCES - len(ok)}
    assert counts.error_types == {"not_found": UTTERANCES - len(ok)}
    assert counts.labels == Counter(CLASSES[number % 3] for number in ok)
    assert summary.complete
    assert (summary.output, summary.model, summary.shards) == (ledger.folder.display, "tiny@0", 3)
    assert summary.renames == {"label": "manifest_label"}


def test_agreement_with_the_manifests_label(ledger: Ledger) -> None:
    fill(ledger, ledger.missing())
    counts = summarise(ledger).counts
    canonical = {"Happy": "happiness", "anger": "anger", "NEU": "neutral"}
    pairs = [
        (canonical[TRUTHS[number % 4]], CLASSES[number % 3])
        for number in range(UTTERANCES)
        if TRUTHS[number % 4] and outcome_of(number).error_type is None
    ]
    assert counts.compared == len(pairs)
    assert counts.agreed == sum(truth == label for truth, label in pairs) > 0


def test_the_first_errors_in_the_manifests_order(ledger: Ledger) -> None:
    fill(ledger, list(reversed(ledger.missing())))
    errors = summarise(ledger).counts.first_errors
    assert [error["utterance_id"] for error in errors] == ["u3", "u10", "u17", "u24"]
    assert errors[0] == {"utterance_id": "u3", "error_type": "not_found", "error_message": "3.wav: no such file"}


def test_no_more_than_the_first_errors() -> None:
    counts = Counts()
    part = pa.table(
        {
            "utterance_id": [str(number) for number in range(4)],
            "status": ["error"] * 4,
            "error_type": ["empty"] * 4,
            "error_message": ["why"] * 4,
            "label": pa.nulls(4, pa.string()),
            "duration": pa.nulls(4, pa.float64()),
            "n_segments": [0] * 4,
        }
    )
    for _ in range(3):
        counts.add(part)
    assert [error["utterance_id"] for error in counts.first_errors] == ["0", "1", "2", "3", "0"]
    assert len(counts.first_errors) == FIRST_ERRORS
    assert (counts.utterances, counts.seconds, counts.compared) == (12, 0.0, 0)


def test_unfinished(ledger: Ledger) -> None:
    fill(ledger, [0, 2])
    summary = summarise(ledger)
    assert summary.missing_shards == [1]
    assert summary.counts.utterances == 22
    assert not summary.complete


def test_nothing_finished(ledger: Ledger) -> None:
    summary = summarise(ledger)
    assert summary.counts == Counts()
    assert not summary.complete


def test_a_part_with_other_utterances_is_a_problem(ledger: Ledger) -> None:
    fill(ledger, [0, 1])
    ledger.commit(2, ledger.read_part(0))
    summary = summarise(ledger)
    assert not summary.missing_shards
    assert not summary.complete
    assert all(problem.startswith(ledger.part_name(2)) for problem in summary.problems)


def test_the_hash_of_the_parts(ledger: Ledger, tmp_path: Path) -> None:
    """What `sha256sum` says of each file, hashed once more."""
    fill(ledger, [2, 0])
    files = sorted((tmp_path / "out/labels").iterdir())
    assert len(files) == 2
    lines = [f"labels/{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    assert summarise(ledger).parts_sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_as_json(ledger: Ledger) -> None:
    fill(ledger, [0])
    values = json.loads(json.dumps(summarise(ledger).to_dict()))
    assert values["complete"] is False
    assert values["planned"] == UTTERANCES
    assert values["missing_shards"] == 2
    assert values["status"] == {"ok": 7, "error": 1}
    assert values["renamed_columns"] == {"label": "manifest_label"}
