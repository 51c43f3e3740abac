"""Finished rows as CSV, read back by another reader."""

import csv
import json
import os
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoboost.errors import AudioErrorType, OutputError
from emoboost.export import WRITERS, export
from emoboost.formulas import guarded, guarded_column, unguarded
from emoboost.ledger import Ledger
from emoboost.plan import make_plan
from emoboost.schema import Outcome, is_reserved, labels_table
from emoboost.storage import Folder

CLASSES = ("anger", "neutral")
NOTES = ['plain, with a "quote"', "two\nlines", "Größe", None]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """20 utterances in three shards with carried columns of every kind, none finished."""
    count = range(20)
    manifest = pa.table(
        {
            "path": [f"{number}.wav" for number in count],
            "duration": [2.5 for _ in count],
            "note": [NOTES[number % 4] for number in count],
            "tags": pa.array([["a", "ö"][: number % 3] for number in count], pa.list_(pa.string())),
            "place": pa.array([{"x": number, "y": None} for number in count]),
            "taken": pa.array(count, pa.timestamp("s")),
            "kind": pa.array(["p", "q"] * 10).dictionary_encode(),
        }
    )
    pq.write_table(manifest, tmp_path / "m.parquet")
    plan = make_plan(str(tmp_path / "m.parquet"), tmp_path / "plan", {}, reserved=is_reserved)
    return Ledger.create(Folder.at(tmp_path / "out"), plan, tmp_path / "plan")


def fill(ledger: Ledger, shards: list[int]) -> None:
    for shard in shards:
        planned = ledger.shard_table(shard)
        outcomes = [Outcome(2.5, 2.5, 1) for _ in range(len(planned))]
        outcomes[0] = Outcome(error_type=AudioErrorType.EMPTY, error_message="it said: 'a', \"b\"")
        probabilities = np.tile(np.array([[0.25, 0.75]], np.float32), (len(planned), 1))
        ledger.commit(shard, labels_table(planned, outcomes, probabilities, CLASSES, ledger.plan.carried.names, {}))


def test_equals_the_parts(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, ledger.missing())
    destination = tmp_path / "out.csv"
    assert export(ledger, "csv", destination) == 20
    expected = pq.read_table(tmp_path / "out/labels").to_pylist()
    with destination.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == list(expected[0])
    for row, truth in zip(found, expected, strict=True):
        assert row["utterance_id"] == truth["utterance_id"]
        assert row["note"] == (truth["note"] or "")
        assert row["error_message"] == (truth["error_message"] or "")
        assert row["label"] == (truth["label"] or "")
        assert row["kind"] == truth["kind"]
        assert datetime.fromisoformat(row["taken"]) == truth["taken"]
        assert json.loads(row["tags"]) == truth["tags"]
        assert json.loads(row["place"]) == truth["place"]
        assert (float(row["prob_neutral"]) if row["prob_neutral"] else None) == truth["prob_neutral"]


def test_pandas_reads_it(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, ledger.missing())
    export(ledger, "csv", tmp_path / "out.csv")
    frame = pd.read_csv(tmp_path / "out.csv")
    assert frame["status"].value_counts().to_dict() == {"ok": 17, "error": 3}
    assert frame["n_segments"].sum() == 17
    assert frame["confidence"].isna().sum() == 3


def test_types_that_csv_has_not(tmp_path: Path) -> None:
    """Whatever a Parquet manifest may carry."""
    carried = {
        "view": pa.array(["ä", None] * 4, pa.string_view()),
        "bytes": pa.array([b"\xff\x00", None] * 4),
        "bytes_view": pa.array([b"\x01", None] * 4, pa.binary_view()),
        "struct": pa.array([{"a": [1], "b": b"\x02"}, None] * 4),
        "map": pa.array([[("k", 1)], None] * 4, pa.map_(pa.string(), pa.int64())),
        "dictionary": pa.array(["x", "y"] * 4).dictionary_encode(),
        "length": pa.array([61, None] * 4, pa.duration("s")),
    }
    pq.write_table(pa.table({"path": [f"{n}.wav" for n in range(8)], **carried}), tmp_path / "m.parquet")
    plan = make_plan(str(tmp_path / "m.parquet"), tmp_path / "planned", {})
    ledger = Ledger.create(Folder.at(tmp_path / "typed"), plan, tmp_path / "planned")
    fill(ledger, ledger.missing())
    assert export(ledger, "csv", tmp_path / "out.csv") == 8
    found = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False).to_dict("records")
    assert {name: found[0][name] for name in carried} == {
        **{"view": "ä", "bytes": "ff00", "bytes_view": "01", "dictionary": "x", "length": "0:01:01"},
        **{"struct": '{"a": [1], "b": "02"}', "map": '[["k", 1]]'},
    }
    assert {found[1][name] for name in carried if name != "dictionary"} == {""}


def test_unfinished_output_gives_what_is_there(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, [2, 0])
    assert export(ledger, "csv", tmp_path / "out.csv") == 12
    uris = pd.read_csv(tmp_path / "out.csv")["uri"].tolist()
    assert uris == [f"{number}.wav" for number in [*range(8), *range(16, 20)]]


def test_nothing_finished(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="out: no part is finished yet; run annotate first"):
        export(ledger, "csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_destination_that_cannot_be_written(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, [0])
    with pytest.raises(OutputError, match=r"missing/out\.csv: cannot be written \(.*No such file or directory\)"):
        export(ledger, "csv", tmp_path / "missing/out.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder: is a folder or a device; name a file"):
        export(ledger, "csv", tmp_path / "folder")


def test_an_older_file_stays_until_the_new_one_is_whole(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, [0, 1])
    (tmp_path / "out.csv").write_text("older")
    ledger.folder.replace(ledger.part_name(1), b"PAR1 broken PAR1")
    with pytest.raises((OutputError, pa.ArrowException)):
        export(ledger, "csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "older"
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []


def test_kinds() -> None:
    assert set(WRITERS) == {"csv"}


FORMULAS = [
    *("=1+1", "+49 30 1", "-5", "@SUM(A1)", "\t=1", "\r=1", "'=1+1", "''@x"),
    *("\n=1", "＝1", "＋1", "－1", "＠x"),
    *("it's = 1", "'quoted'", "", "1-2", " =1"),
]


def formulas_ledger(tmp_path: Path) -> Ledger:
    """One shard whose text columns hold what a spreadsheet runs, beside numbers below zero."""
    count = len(FORMULAS)
    columns = {
        "path": [f"={number}.wav" for number in range(count)],
        "note": FORMULAS,
        "=name": pa.array(FORMULAS, pa.large_string()),
        "kind": pa.array(FORMULAS).dictionary_encode(),
        "view": pa.array(FORMULAS, pa.string_view()),
        "score": pa.array([-1.5] * count),
        "balance": pa.array([-7] * count),
        "nothing": pa.array([None] * count, pa.string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    plan = make_plan(str(tmp_path / "m.parquet"), tmp_path / "planned", {}, reserved=is_reserved)
    ledger = Ledger.create(Folder.at(tmp_path / "out"), plan, tmp_path / "planned")
    fill(ledger, ledger.missing())
    return ledger


def cells(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_no_text_is_a_formula(tmp_path: Path) -> None:
    export(formulas_ledger(tmp_path), "csv", tmp_path / "out.csv")
    found = cells(tmp_path / "out.csv")
    numbers = ("score", "balance")
    texts = [text for row in found for name, text in row.items() if name not in numbers]
    assert not [text for text in (*found[0], *texts) if text[:1] and text[0] in "=+-@\t\r\n＝＋－＠"]
    assert [row["uri"] for row in found][:2] == ["'=0.wav", "'=1.wav"]
    for name in ("note", "'=name", "kind", "view"):
        assert [row[name] for row in found] == [
            *("'=1+1", "'+49 30 1", "'-5", "'@SUM(A1)", "'\t=1", "'\r=1", "''=1+1", "'''@x"),
            *("'\n=1", "'＝1", "'＋1", "'－1", "'＠x"),
            *("it's = 1", "'quoted'", "", "1-2", " =1"),
        ]


def test_numbers_below_zero_stay_numbers(tmp_path: Path) -> None:
    export(formulas_ledger(tmp_path), "csv", tmp_path / "out.csv")
    frame = pd.read_csv(tmp_path / "out.csv")
    assert set(frame["score"]) == {-1.5}
    assert set(frame["balance"]) == {-7}
    assert frame["nothing"].isna().all()


def test_raw_text(tmp_path: Path) -> None:
    export(formulas_ledger(tmp_path), "csv", tmp_path / "out.csv", raw=True)
    for name in ("note", "=name", "kind", "view"):
        assert [row[name] for row in cells(tmp_path / "out.csv")] == FORMULAS


@given(st.text(st.sampled_from("'=+-@\t\r\n＝ab ")))
def test_one_apostrophe_less_is_what_was_there(text: str) -> None:
    cell = guarded(text)
    assert guarded_column(pa.array([text, None])).to_pylist() == [cell, None]
    assert re.sub(r"\A'('*[=+\-@\t\r\n＝＋－＠])", r"\1", cell) == text
    assert unguarded(cell) == text


def test_a_device_is_not_replaced(ledger: Ledger, tmp_path: Path) -> None:
    """As root a rename over it would."""
    fill(ledger, [0])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is a folder or a device; name a file"):
        export(ledger, "csv", tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
