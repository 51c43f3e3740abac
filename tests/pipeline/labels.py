"""Reading a result in tests, and comparing it with what the library says of each recording alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.predict import EmotionModel

Row = dict[str, Any]


class Heard(NamedTuple):
    """What a row should have been labelled from."""

    path: Path
    start: float = 0.0
    end: float | None = None
    channel: int | None = None


def parts(output: Path) -> list[Path]:
    """All that lies in the folder of labels, in the order of shards."""
    return sorted((output / "labels").iterdir())


def read(output: Path) -> pa.Table:
    """Part after part, read without the code under test and without unifying schemas."""
    return pa.concat_tables([pq.ParquetFile(part).read() for part in parts(output)])


def rows_of(output: Path) -> list[Row]:
    found: list[Row] = read(output).to_pylist()
    return found


def probabilities(row: Mapping[str, Any]) -> dict[str, float]:
    return {name.removeprefix("prob_"): value for name, value in row.items() if name.startswith("prob_")}


def assert_labelled_alone(rows: Sequence[Row], heard: Sequence[Heard], model: EmotionModel) -> None:
    """Every row holds what `model.predict` gives for its span, in a batch of its own, within 1e-5."""
    for row, span in zip(rows, heard, strict=True):
        alone = model.predict(span.path, start=span.start, end=span.end, channel=span.channel)
        assert row["status"] == "ok", row
        assert row["label"] == alone.label, span
        found = probabilities(row)
        assert list(found) == list(model.classes)
        assert max(abs(found[name] - alone.probabilities[name]) for name in found) <= 1e-5, span
        assert abs(row["confidence"] - alone.confidence) <= 1e-5
        assert row["n_segments"] == len(alone.segments)
        assert row["duration"] == alone.duration
        assert row["start"] == span.start
        assert row["end"] == span.start + alone.duration if span.end is None else row["end"] == span.end
        assert row["channel"] == span.channel
        assert row["error_type"] is None
        assert row["error_message"] is None


def error_rows(output: Path) -> list[Row]:
    return [row for row in rows_of(output) if row["status"] != "ok"]


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Name -> time of change and bytes of every file below a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
