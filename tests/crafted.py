"""Outputs whose every label a test chooses: real plans and Parquet parts over real recordings, without a network."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emoboost.access import Access
from emoboost.errors import AudioErrorType
from emoboost.ledger import Ledger
from emoboost.plan import make_plan, utterances_of
from emoboost.schema import Outcome, is_reserved, labels_table
from emoboost.storage import Folder

CLASSES = ("anger", "boredom", "happiness", "sadness")


def crafted(
    folder: Path,
    rows: Sequence[Mapping[str, object]],
    said: Mapping[str, Sequence[float] | None],
    shards: Sequence[int] | None = None,
    access: Access | None = None,
) -> Ledger:
    """The output `folder`/out.

    Args:
        folder: an existing one; gets the manifest, too.
        rows: of the manifest, with utterance_id and path.
        said: id -> probabilities of `CLASSES`; None is an error row.
        shards: that have a part; None is all.
        access: that annotate had.
    """
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    made = access or Access()
    options = {"max_duration": 60.0, "max_bytes": made.max_bytes, "root": made.root is not None}
    plan = make_plan(str(folder / "m.csv"), folder / "planned", options, reserved=is_reserved)
    ledger = Ledger.create(Folder.at(folder / "out"), plan, folder / "planned")
    for shard in range(plan.shards) if shards is None else shards:
        planned = ledger.shard_table(shard)
        outcomes, answers = [], []
        for utterance in utterances_of(planned):
            answer = said[utterance.utterance_id]
            path = folder / utterance.uri
            version = f"size={path.stat().st_size}" if path.exists() else None
            outcomes.append(
                Outcome(error_type=AudioErrorType.NOT_FOUND, error_message="gone")
                if answer is None
                else Outcome(utterance.end, 0.5, 1, version=version)
            )
            answers.append(answer or [0.0] * len(CLASSES))
        probabilities = np.array(answers, np.float32)
        ledger.commit(shard, labels_table(planned, outcomes, probabilities, CLASSES, plan.carried.names, {}))
    return ledger


def confident(label: str, confidence: float) -> list[float]:
    """Probabilities of `CLASSES` with this label."""
    rest = (1 - confidence) / (len(CLASSES) - 1)
    return [confidence if name == label else rest for name in CLASSES]


def spans(clips: Sequence[Path], count: int) -> list[dict[str, Any]]:
    """Rows of a manifest: stretches of half a second of the clips, with ids that tell nothing."""
    return [
        {
            "utterance_id": f"u{number:04d}",
            "path": str(clips[number % len(clips)]),
            "start": round(0.01 * (number // len(clips) % 50), 2),
            "end": round(0.01 * (number // len(clips) % 50) + 0.5, 2),
        }
        for number in range(count)
    ]


def table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, read without the code under test."""
    with file.open(newline="", encoding="utf-8-sig") as opened:
        return list(csv.DictReader(opened))
