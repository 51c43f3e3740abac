"""Recordings that end the decoder's process, never end, or take all memory: each becomes a row, in minutes."""

import csv
import shutil
from pathlib import Path

import pyarrow as pa
from pipeline.shell import Shell

from chaos.world import CLIPS, rows_of
from emoboost.predict import EmotionModel

POISON = Path(__file__).with_name("poison")
LIMIT = 6
"""Seconds that reading one utterance may take."""
EXPECTED = {"segfault": "decoder_crash", "endless": "timeout", "greedy": "out_of_memory"}


def test_each_becomes_a_row(shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
    uris = [*CLIPS, *(shutil.copy(CLIPS[0], tmp_path / f"{name}.flac") for name in EXPECTED), *CLIPS]
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
        f"{name}-{number}": error for number, (name, error) in enumerate(EXPECTED.items(), len(CLIPS))
    }
    clean = shell.run(*words[:4], "--output", "clean", cwd=tmp_path)
    assert clean.code == 0, clean.stderr
    assert_equal_but(rows, rows_of(tmp_path / "clean"), set(found(rows)))


def found(rows: pa.Table) -> dict[str, str]:
    """Ids of error rows and their errors."""
    return {row["utterance_id"]: row["error_type"] for row in rows.to_pylist() if row["status"] == "error"}


def assert_equal_but(rows: pa.Table, clean: pa.Table, poisoned: set[str]) -> None:
    """Every other row is as it is without poison; probabilities within rounding, as segments had other neighbours."""
    for row, other in zip(rows.to_pylist(), clean.to_pylist(), strict=True):
        if row["utterance_id"] not in poisoned:
            assert {name for name in row if row[name] != other[name] and not close(row[name], other[name])} == set()


def close(one: object, other: object) -> bool:
    """Whether two probabilities are the same within rounding."""
    return isinstance(one, float) and isinstance(other, float) and abs(one - other) <= 1e-5
