"""The result's columns: their names, types and order, and what an error row holds."""

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest

from emoboost.errors import FIXES, AudioErrorType
from emoboost.schema import (
    COLUMNS,
    Outcome,
    Status,
    is_reserved,
    labels_schema,
    labels_table,
    probability_column,
)

CLASSES = ("anger", "neutral")
CARRIED = pa.schema(
    [
        pa.field("speaker", pa.dictionary(pa.int8(), pa.string()), metadata={"source": "manifest"}),
        pa.field("taken", pa.timestamp("us", "Europe/Berlin")),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("score", pa.decimal128(5, 2)),
        pa.field("number", pa.uint16(), nullable=False),
    ]
)
ERROR = Outcome(error_type=AudioErrorType.TRUNCATED, error_message="b.wav: ends early")
OUTCOMES = [Outcome(3.5, 2.5, 1, version="size=7"), ERROR, Outcome(10.0, 10.0, 4)]
PROBABILITIES = np.array([[0.75, 0.25], [0.0, 0.0], [0.125, 0.875]], np.float32)


@pytest.fixture
def planned() -> pa.Table:
    columns = {
        "plan_index": pa.array([0, 1, 2], pa.int64()),
        "utterance_id": ["a", "b", "c"],
        "uri": ["a.wav", "b.wav", "c.wav"],
        "channel": pa.array([None, 1, 0], pa.int32()),
        "start": [1.0, 2.0, 0.0],
        "end": pa.array([None, 4.0, None], pa.float64()),
        "plan_length": pa.array([None, 2.0, None], pa.float64()),
        "speaker": pa.array(["x", "y", "x"]).dictionary_encode().cast(CARRIED.field("speaker").type),
        "taken": pa.array([0, None, 2], pa.timestamp("us", "Europe/Berlin")),
        "tags": pa.array([["p", "q"], [], None], pa.list_(pa.string())),
        "score": pa.array(["1.25", None, "3.00"]).cast(pa.decimal128(5, 2)),
        "number": pa.array([7, 8, 9], pa.uint16()),
    }
    names = ("plan_index", "utterance_id", "uri", "channel", "start", "end", "plan_length")
    fields = [pa.field(name, pa.table({name: columns[name]}).schema.field(name).type) for name in names]
    return pa.Table.from_arrays([pa.array(v) for v in columns.values()], schema=pa.schema([*fields, *CARRIED]))


@pytest.fixture
def table(planned: pa.Table) -> pa.Table:
    return labels_table(planned, OUTCOMES, PROBABILITIES, CLASSES, CARRIED.names, {"emoboost.plan": "abc"})


def test_names_types_and_order() -> None:
    schema = labels_schema(CLASSES, CARRIED)
    assert [(field.name, field.type) for field in schema][:15] == [
        ("utterance_id", pa.string()),
        ("uri", pa.string()),
        ("channel", pa.int32()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("duration", pa.float64()),
        ("status", pa.string()),
        ("error_type", pa.string()),
        ("error_message", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("prob_anger", pa.float32()),
        ("prob_neutral", pa.float32()),
        ("n_segments", pa.int32()),
        ("audio_version", pa.string()),
    ]
    assert schema.names[15:] == CARRIED.names
    assert all(meaning for _, _, meaning in COLUMNS)


def test_rows(table: pa.Table) -> None:
    table.validate(full=True)
    rows = table.drop_columns(CARRIED.names).to_pylist()
    assert rows[0] == {
        **{"utterance_id": "a", "uri": "a.wav", "channel": None, "start": 1.0, "end": 3.5, "duration": 2.5},
        **{"status": "ok", "error_type": None, "error_message": None, "label": "anger", "confidence": 0.75},
        **{"prob_anger": 0.75, "prob_neutral": 0.25, "n_segments": 1, "audio_version": "size=7"},
    }
    assert rows[2]["label"] == "neutral"
    assert rows[2]["end"] == 10.0


def test_an_error_row_has_its_reason_and_nulls(table: pa.Table) -> None:
    row = table.drop_columns(CARRIED.names).to_pylist()[1]
    assert row == {
        **{"utterance_id": "b", "uri": "b.wav", "channel": 1, "start": 2.0, "end": 4.0, "duration": None},
        **{"status": "error", "error_type": "truncated", "error_message": "b.wav: ends early", "label": None},
        **{"confidence": None, "prob_anger": None, "prob_neutral": None, "n_segments": 0, "audio_version": None},
    }


def test_nothing_of_an_error_row_s_probabilities_gets_through(planned: pa.Table) -> None:
    rubbish = PROBABILITIES.copy()
    rubbish[1] = np.nan
    table = labels_table(planned, OUTCOMES, rubbish, CLASSES, CARRIED.names, {})
    assert table["prob_anger"].to_pylist() == [0.75, None, 0.125]
    assert table["confidence"].null_count == table["label"].null_count == 1


def test_carried_columns_keep_type_values_and_metadata(table: pa.Table, planned: pa.Table) -> None:
    for field in CARRIED:
        assert table.schema.field(field.name).equals(field, check_metadata=True)
        assert table[field.name].equals(planned[field.name])


def test_schema_metadata_is_the_runs(table: pa.Table) -> None:
    assert table.schema.metadata == {b"emoboost.plan": b"abc"}
    assert table.schema.equals(labels_schema(CLASSES, CARRIED))


def test_all_rows_in_error(planned: pa.Table) -> None:
    table = labels_table(planned, [ERROR] * 3, np.zeros((3, 2), np.float32), CLASSES, CARRIED.names, {})
    assert table["status"].to_pylist() == ["error"] * 3
    assert table["label"].null_count == table["prob_anger"].null_count == 3
    assert table.schema.equals(labels_schema(CLASSES, CARRIED))


def test_one_outcome_for_each_row(planned: pa.Table) -> None:
    with pytest.raises(ValueError, match="shorter"):
        labels_table(planned, OUTCOMES[:2], PROBABILITIES[:2], CLASSES, CARRIED.names, {})


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        *((name, True) for name in ("label", "Label", "prob_anything", "PROB_X", "n_segments")),
        *((name, False) for name in ("labels", "probability", "speaker", "plan_index")),
    ],
)
def test_reserved_names(name: str, reserved: bool) -> None:
    assert is_reserved(name) is reserved


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_outcome_survives_its_dict(outcome: Outcome) -> None:
    assert Outcome.from_dict(asdict(outcome)) == outcome
    assert outcome.status is (Status.ERROR if outcome is ERROR else Status.OK)


def test_every_error_has_a_fix() -> None:
    assert set(FIXES) == set(AudioErrorType)
    assert probability_column("anger") == "prob_anger"
