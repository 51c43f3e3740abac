"""Recordings that end the decoder's process, never end, or take all memory: each becomes a row, in minutes."""

import csv
import shutil
from pathlib import Path

import pyarrow as pa
from pipeline.labels import Heard, assert_labelled_alone
from pipeline.shell import Shell

from chaos.world import CLIPS, rows_of
from emoboost.predict import EmotionModel

POISON = Path(__file__).with_name("poison")
LIMIT = 6
"""Seconds that reading one utterance may take."""
EXPECTED = {"segfault": "decoder_crash", "endless": "timeout", "greedy": "out_of_memory"}


def test_each_becomes_a_row(shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
    good = CLIPS[6:11]
    uris = [*good, *(shutil.copy(CLIPS[0], tmp_path / f"{name}.flac") for name in EXPECTED), *good]
    with (tmp_path / "archive.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["path", "utterance_id"], *((uri, f"{Path(uri).stem}-{n}") for n, uri in enumerate(uris))])
    words = ("annotate", "archive.csv", "--model", small.folder.path, "--max-decode-seconds", LIMIT)
    environment = {"PYTHONPATH": str(POISON), "EMOBOOST_POISON": "1"}
    result = shell.run(*words, cwd=tmp_path, **environment)
    assert result.code == 3, result.stderr
    assert "again, each recording in a process of its own: a worker died while it read this shard" in result.stderr
    rows = rows_of(tmp_path / "archive.emotions")
    assert len(rows) == len(uris)
    assert found(rows) == {
        f"{name}-{number}": error for number, (name, error) in enumerate(EXPECTED.items(), len(good))
    }
    labelled = [row for row in rows.to_pylist() if row["status"] == "ok"]
    # As if alone; segments had other neighbours, which matters no more than rounding does.
    assert_labelled_alone(labelled, [Heard(Path(row["uri"])) for row in labelled], small)


def found(rows: pa.Table) -> dict[str, str]:
    """Ids of error rows and their errors."""
    return {row["utterance_id"]: row["error_type"] for row in rows.to_pylist() if row["status"] == "error"}
