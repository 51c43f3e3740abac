"""A manifest may carry columns that Arrow does not filter and Python has no values for."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished import annotated, planned
from hypothesis import given, settings
from hypothesis import strategies as st

from emoboost.access import Access
from emoboost.carried import rows_at, unknown_time_zone, values_of
from emoboost.checkpoint import ModelFolder
from emoboost.corpora.generic import read
from emoboost.corpus import read_corpus
from emoboost.errors import ManifestError
from emoboost.export import export
from emoboost.reuse import OldRows
from emoboost.verify import Findings, Sample, verify

FAR = 2**60
"""Seconds or milliseconds: after the last year that Python knows."""


def odd(count: int) -> dict[str, pa.Array]:
    """Columns of so many rows, NaN among them: it makes verify compare value by value."""
    return {
        "view": pa.array(["ä"] * count, pa.string_view()),
        "bytes": pa.array([b"\xff"] * count, pa.binary_view()),
        "when": pa.array([FAR] * count, pa.timestamp("ms")),
        "length": pa.array([FAR] * count, pa.duration("s")),
        "times": pa.array(
            [[(FAR, float("nan"))]] * count, pa.list_(pa.struct([("at", pa.timestamp("ms")), ("x", pa.float64())]))
        ),
    }


def written(folder: Path, paths: Sequence[object], **columns: object) -> Path:
    table = pa.table({"path": list(map(str, paths)), **odd(len(paths)), **columns})
    pq.write_table(table, folder / "m.parquet")
    return folder / "m.parquet"


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=20))
def test_rows_in_any_order(places: list[int]) -> None:
    table = pa.table({"row": range(10), "view": pa.array(map(str, range(10)), pa.string_view())})
    assert rows_at(table, places).to_pylist() == [{"row": place, "view": str(place)} for place in places]


def test_values() -> None:
    assert values_of(pa.array([1, None, 2])) == [1, None, 2]
    two = pa.chunked_array([pa.array([FAR, 0], pa.timestamp("s")), pa.array([None], pa.timestamp("s"))])
    far, first, nothing = values_of(two)
    assert "1152921504606846976" in far
    assert first.year == 1970
    assert nothing is None


@pytest.mark.parametrize(
    "kind",
    [
        pa.timestamp("us", "Nowhere/City"),
        pa.list_(pa.struct([("at", pa.timestamp("s", "Nowhere/City"))])),
        pa.map_(pa.string(), pa.timestamp("ns", "Nowhere/City")),
        pa.dictionary(pa.int8(), pa.timestamp("s", "Nowhere/City")),
    ],
)
def test_a_time_zone_that_nobody_knows(kind: pa.DataType, tmp_path: Path) -> None:
    assert unknown_time_zone(kind) == "Nowhere/City"
    if pa.types.is_dictionary(kind):  # Parquet keeps no such dictionary
        return
    pq.write_table(pa.table({"path": ["a.wav"], "when": pa.nulls(1, kind)}), tmp_path / "m.parquet")
    with pytest.raises(
        ManifestError, match=r"m\.parquet: column 'when' is in the time zone 'Nowhere/City', which this machine"
    ):
        read_corpus(str(tmp_path / "m.parquet"))


@pytest.mark.parametrize("zone", [None, "UTC", "+05:30", "Europe/Berlin"])
def test_time_zones_that_are_known(zone: str | None) -> None:
    assert unknown_time_zone(pa.timestamp("us", zone)) is None


def test_problems_of_rows_are_told(tmp_path: Path, tiny_model: ModelFolder) -> None:
    manifest = written(tmp_path, ["a.wav", "", "b.wav", "c.wav"], start=[0.0, 0.0, -1.0, 0.0])
    with pytest.raises(ManifestError, match=r"2 problems:\n.*row 2, column 'path'.*\n.*row 3, column 'start'"):
        planned(manifest, tmp_path / "out", tiny_model)
    assert not (tmp_path / "out").exists()


def test_text_that_is_not_utf8_is_told(tmp_path: Path, tiny_model: ModelFolder) -> None:
    latin_1 = pa.array([b"a", b"M\xfcller", b"c"]).view(pa.string())
    manifest = written(tmp_path, ["a.wav", "b.wav", "c.wav"], speaker=latin_1)
    with pytest.raises(ManifestError, match=r"1 problem:\n.*row 2, column 'speaker'"):
        planned(manifest, tmp_path / "out", tiny_model)


def test_an_output_with_them(tmp_path: Path, clips: list[Path], tiny_model: ModelFolder) -> None:
    """It is labelled, verified, exported, and reused."""
    truths = pa.array(["anger", "sad"] * 2, pa.string_view())
    ledger = annotated(written(tmp_path, clips[:4], label=truths), tmp_path / "out", tiny_model)
    findings, sample = Findings(), Sample(2, 0)
    verify(ledger, findings, sample)
    assert [str(finding) for finding in findings.first] == []
    assert len(sample.rows) == 2
    assert export(ledger, "csv", tmp_path / "out.csv") == 4
    assert "1152921504606846976" in (tmp_path / "out.csv").read_text(encoding="utf-8")
    found = OldRows.read(ledger, ledger.plan.base, Access()).rows_for(ledger.shard_table(0)).table
    assert found["view"].to_pylist() == ["ä"] * 4


def test_a_corpus_with_them(tmp_path: Path, clips: list[Path]) -> None:
    words = pa.array(["anger", "sadness", "fear", "joy"], pa.string_view())
    manifest = written(tmp_path, clips[:4], label=words, speaker=words)
    corpus = read_corpus(str(manifest), {"anger": "anger", "fear": "fear"})
    assert list(corpus.speakers) == ["anger", "fear"]
    assert [row.speaker for row in read(manifest).rows] == words.to_pylist()
