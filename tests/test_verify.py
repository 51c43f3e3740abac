"""An untouched output holds; whatever is done to it is found, and told with its place and both values."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from finished import annotated, copied, label, planned, summarise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_server import S3
from tiny_model import save_tiny_model

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder
from emoboost.errors import ModelError, OutputError
from emoboost.ledger import EDITED, SUCCESS, Ledger
from emoboost.plan import INDEX, PLAN_FILE
from emoboost.predict import load_model
from emoboost.storage import Folder
from emoboost.verify import Finding, Findings, Sample, Verified, check_marker, model_of, open_output, recompute, verify

ROWS = 20


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    """A manifest of 20 utterances in three shards; every seventh has no recording, every fifth is a span."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(ROWS):
        if number % 7 != 3:
            samples, rate = soundfile.read(clips[number % len(clips)])
            soundfile.write(folder / f"{number}.wav", samples[: 2 * rate], rate)
    rows = [
        f"u{number},{number}.wav,{'0.5,1.5' if number % 5 == 0 else ','},{'' if number == 17 else 2},{number / 8}"
        for number in range(ROWS)
    ]
    (folder / "m.csv").write_text("\n".join(["utterance_id,path,start,end,duration,level", *rows]) + "\n")
    return folder / "m.csv"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, archive: Path, tiny_model: ModelFolder) -> Path:
    """Not to be written to."""
    output = tmp_path_factory.mktemp("finished") / "out"
    annotated(archive, output, tiny_model)
    return output


@pytest.fixture
def ledger(finished: Path, tmp_path: Path) -> Ledger:
    return copied(finished, tmp_path / "out")


def checked(folder: Folder) -> tuple[Verified | None, Findings]:
    findings = Findings()
    ledger = open_output(folder, findings)
    if ledger is None:
        return None, findings
    verified = verify(ledger, findings)
    check_marker(ledger, verified, findings)
    return verified, findings


def found_in(ledger: Ledger) -> list[str]:
    """The findings, as lines, without that a part was edited."""
    return [line for line in all_found_in(ledger) if EDITED not in line]


def all_found_in(ledger: Ledger) -> list[str]:
    _, findings = checked(ledger.folder)
    assert findings.count == len(findings.first)
    return [str(finding) for finding in findings.first]


def rewritten(ledger: Ledger, shard: int, change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(ledger.read_part(shard))
    ledger.folder.remove(ledger.part_name(shard))
    ledger.commit(shard, table)


def with_values(table: pa.Table, row: int, **values: object) -> pa.Table:
    for name, value in values.items():
        at = table.schema.get_field_index(name)
        column = table[name].to_pylist()
        column[row] = value
        table = table.set_column(at, table.schema.field(at), pa.array(column, table.schema.field(at).type))
    return table


class TestUntouched:
    def test_holds(self, ledger: Ledger) -> None:
        verified, findings = checked(ledger.folder)
        assert findings == Findings()
        assert verified is not None
        assert (verified.wrong, verified.summary.complete) == ({}, True)
        assert verified.summary.counts.status == {"ok": 17, "error": 3}

    def test_an_unfinished_one(self, archive: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        unfinished = planned(archive, tmp_path / "out", tiny_model)
        label(unfinished, tiny_model, [0, 2])
        verified, findings = checked(unfinished.folder)
        assert findings.count == 0
        assert verified is not None
        assert (verified.summary.missing_shards, verified.summary.complete) == ([1], False)

    def test_progress(self, ledger: Ledger) -> None:
        told: list[int] = []
        verify(ledger, Findings(), progress=told.append)
        assert told == [1, 2, 3]

    def test_types_that_parquet_changes(self, archive: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        """Whatever a Parquet manifest may carry, NaN too."""
        count = range(9)
        carried = {
            "level": pa.array([float("nan"), None, 1.5] * 3),
            "kind": pa.array(["x", "y", None] * 3).dictionary_encode(),
            "small": pa.DictionaryArray.from_arrays(pa.array([0, 1, 1] * 3, pa.int8()), pa.array(["p", "q"])),
            "place": pa.array([{"a": [number, None]} for number in count]),
            "map": pa.array([[("k", number)] for number in count], pa.map_(pa.string(), pa.int64())),
            "taken": pa.array(count, pa.timestamp("s", "UTC")),
            "length": pa.array(count, pa.duration("s")),
            "view": pa.array(["ä", None, ""] * 3, pa.string_view()),
            "large": pa.array(["ä", None, ""] * 3, pa.large_string()),
            "half": pa.array(np.arange(9), pa.float16()),
            "byte": pa.array(count, pa.uint8()),
            "none": pa.nulls(9),
        }
        manifest = pa.table({"path": [f"{number}.wav" for number in count], **carried})
        pq.write_table(manifest, archive.with_name("typed.parquet"))
        typed = annotated(archive.with_name("typed.parquet"), tmp_path / "out", tiny_model)
        _, findings = checked(typed.folder)
        assert findings.first == []


class TestParts:
    def test_deleted(self, ledger: Ledger) -> None:
        ledger.folder.remove(ledger.part_name(1))
        verified, findings = checked(ledger.folder)
        assert verified is not None
        assert verified.summary.missing_shards == [1]
        assert list(map(str, findings.first)) == [
            "_SUCCESS.json: is there although 1 parts are missing; it must come last"
        ]

    def test_duplicate_rows(self, ledger: Ledger) -> None:
        rewritten(ledger, 1, lambda table: pa.concat_tables([table, table.slice(0, 2)]))
        assert found_in(ledger) == [f"{ledger.part_name(1)}, shard 1: holds 10 rows, the plan gives this shard 8"]

    def test_swapped_ids(self, ledger: Ledger) -> None:
        rewritten(ledger, 0, lambda table: with_values(table, 1, utterance_id="u2"))
        rewritten(ledger, 0, lambda table: with_values(table, 2, utterance_id="u1"))
        first, second = found_in(ledger)
        assert first == f"{ledger.part_name(0)}, shard 0, row 'u2': utterance_id is 'u2', the plan says 'u1'"
        assert second == f"{ledger.part_name(0)}, shard 0, row 'u1': utterance_id is 'u1', the plan says 'u2'"

    @pytest.mark.parametrize(
        ("column", "value", "told"),
        [
            ("uri", "x.wav", "uri is 'x.wav', the plan says '1.wav'"),
            ("channel", 1, "channel is 1, the plan says None"),
            ("level", 9.5, "level is 9.5, the plan says 0.125"),
            ("level", None, "level is None, the plan says 0.125"),
        ],
    )
    def test_a_column_of_the_plan(self, ledger: Ledger, column: str, value: object, told: str) -> None:
        rewritten(ledger, 0, lambda table: with_values(table, 1, **{column: value}))
        assert found_in(ledger) == [f"{ledger.part_name(0)}, shard 0, row 'u1': {told}"]

    def test_the_start(self, ledger: Ledger) -> None:
        rewritten(ledger, 0, lambda table: with_values(table, 1, start=0.25, end=2.25))
        assert found_in(ledger) == [f"{ledger.part_name(0)}, shard 0, row 'u1': start is 0.25, the plan says 0.0"]

    def test_truncated(self, ledger: Ledger) -> None:
        ledger.folder.replace(ledger.part_name(2), ledger.folder.read(ledger.part_name(2))[:-100])
        (finding,) = found_in(ledger)
        assert finding.startswith(f"{ledger.part_name(2)}, shard 2: is missing or damaged (")

    def test_a_foreign_file(self, ledger: Ledger, tmp_path: Path) -> None:
        (tmp_path / "out/labels/notes.txt").write_text("")
        (finding,) = found_in(ledger)
        assert finding.startswith("labels/notes.txt: is not a part of this output, whose parts are part-")

    @pytest.mark.parametrize("name", ["part-{}-0000003.parquet", "part-{}-1.parquet", "part-00000000-0000001.parquet"])
    def test_a_part_of_something_else(self, ledger: Ledger, tmp_path: Path, name: str) -> None:
        name = name.format(ledger.plan.hash[:8])
        shutil.copy(tmp_path / "out" / ledger.part_name(1), tmp_path / "out/labels" / name)
        (finding,) = found_in(ledger)
        assert finding.startswith(f"labels/{name}: is not a part of this output")

    @pytest.mark.parametrize(
        ("key", "told"),
        [("plan", "[0-9a-f]{64}"), ("model", "tiny@[0-9a-f]{12}"), ("precision", "fp32"), ("format", "1")],
    )
    def test_a_part_of_another_run_under_our_name(self, ledger: Ledger, key: str, told: str) -> None:
        def change(table: pa.Table) -> pa.Table:
            return table.replace_schema_metadata({**table.schema.metadata, f"emoboost.{key}".encode(): b"other"})

        rewritten(ledger, 1, change)
        (finding,) = found_in(ledger)
        assert re.search(rf"shard 1: the schema's emoboost\.{key} is other, must be {told}$", finding)

    def test_another_type(self, ledger: Ledger) -> None:
        rewritten(ledger, 1, lambda table: table.set_column(3, "start", table["start"].cast(pa.float32())))
        (finding,) = found_in(ledger)
        assert finding.endswith("column 3 is 'start' (float), must be 'start' (double)")

    def test_a_missing_column(self, ledger: Ledger) -> None:
        rewritten(ledger, 2, lambda table: table.drop_columns("level"))
        (finding,) = found_in(ledger)
        assert finding.endswith("column 17 is missing, must be 'level' (double)")

    def test_other_classes(self, ledger: Ledger) -> None:
        rewritten(ledger, 1, lambda table: table.drop_columns("prob_anger"))
        (finding,) = found_in(ledger)
        assert finding.endswith(
            "shard 1: the classes are happiness, neutral, sadness, the model's are anger, happiness, neutral, sadness"
        )


OK_ROW = [
    ({"status": "fine"}, "status is 'fine', must be 'ok' or 'error'"),
    ({"status": None}, "status is None, must be 'ok' or 'error'"),
    ({"label": "joy"}, r"label is 'joy', the highest probability is that of '\w+'"),
    ({"label": None}, r"label is None, the highest probability is that of '\w+'"),
    ({"confidence": 0.125}, r"confidence is 0\.125, the highest probability is 0\.\d+"),
    ({"prob_anger": float("nan")}, "prob_anger is nan, must be from 0 to 1"),
    ({"prob_anger": None}, "prob_anger is None, must be from 0 to 1"),
    ({"prob_anger": -0.5}, "prob_anger is -0.5, must be from 0 to 1"),
    ({"prob_anger": 1.5}, "prob_anger is 1.5, must be from 0 to 1"),
    ({"n_segments": 0}, "n_segments is 0, must be at least 1"),
    ({"n_segments": None}, "n_segments is None, must be at least 1"),
    ({"duration": 0.0}, "duration is 0.0, must be above 0"),
    ({"duration": float("nan")}, "duration is nan, must be above 0"),
    ({"duration": None}, "duration is None, must be above 0"),
    ({"end": 1.0}, "end is 1.0, start and duration give 2.0"),
    ({"end": None}, "end is None, start and duration give 2.0"),
    ({"error_type": "empty"}, "error_type is 'empty', must be null because status is 'ok'"),
    ({"error_message": "x"}, "error_message is 'x', must be null because status is 'ok'"),
    ({"audio_version": None}, "audio_version is None, must be there because status is 'ok'"),
]
ERROR_ROW = [
    ({"error_type": "bad_luck"}, r"error_type is 'bad_luck', must be one of the closed list \(docs/errors\.md\)"),
    ({"error_type": None}, r"error_type is None, must be one of the closed list \(docs/errors\.md\)"),
    ({"error_message": " "}, "error_message is ' ', must say what was wrong"),
    ({"error_message": None}, "error_message is None, must say what was wrong"),
    ({"label": "anger"}, "label is 'anger', must be null because status is 'error'"),
    ({"confidence": 0.5}, "confidence is 0.5, must be null because status is 'error'"),
    ({"prob_neutral": 0.5}, "prob_neutral is 0.5, must be null because status is 'error'"),
    ({"duration": 1.0}, "duration is 1.0, must be null because status is 'error'"),
    ({"n_segments": 1}, "n_segments is 1, must be 0 because status is 'error'"),
    ({"end": 4.5}, "end is 4.5, the plan says None"),
]


class TestRows:
    @pytest.mark.parametrize(("values", "told"), OK_ROW)
    def test_ok(self, ledger: Ledger, values: dict[str, object], told: str) -> None:
        rewritten(ledger, 0, lambda table: with_values(table, 1, **values))
        (finding,) = found_in(ledger)
        assert re.fullmatch(rf"{ledger.part_name(0)}, shard 0, row 'u1': {told}", finding)

    @pytest.mark.parametrize(("values", "told"), ERROR_ROW)
    def test_error(self, ledger: Ledger, values: dict[str, object], told: str) -> None:
        rewritten(ledger, 0, lambda table: with_values(table, 3, **values))
        (finding,) = found_in(ledger)
        assert re.fullmatch(rf"{ledger.part_name(0)}, shard 0, row 'u3': {told}", finding)

    def test_a_sum_that_is_not_one(self, ledger: Ledger) -> None:
        quarter = dict.fromkeys(["prob_anger", "prob_happiness", "prob_sadness"], 0.25)
        values = {**quarter, "prob_neutral": 0.2501, "confidence": 0.2501, "label": "neutral"}
        rewritten(ledger, 0, lambda table: with_values(table, 1, **values))
        (finding,) = found_in(ledger)
        assert finding.endswith("row 'u1': the probabilities sum to 1.000100, must be 1")

    def test_a_tie_may_go_either_way(self, ledger: Ledger) -> None:
        half = {"prob_anger": 0.5, "prob_happiness": 0.0, "prob_neutral": 0.5, "prob_sadness": 0.0, "confidence": 0.5}
        rewritten(ledger, 0, lambda table: with_values(table, 1, **half, label="neutral"))
        assert found_in(ledger) == []

    def test_more_than_are_shown(self, ledger: Ledger) -> None:
        for shard in range(3):
            rewritten(ledger, shard, lambda table: table.set_column(1, "uri", pa.array(["x"] * len(table))))
            rewritten(ledger, shard, lambda table: table.set_column(3, "start", pa.array([7.0] * len(table))))
        _, findings = checked(ledger.folder)
        assert len(findings.first) == 20
        assert findings.count > 2 * ROWS


TABLES = "_plan/plan.json: the plan's tables are not those that it was written with; copy the output again"


class TestPlan:
    def edited(self, ledger: Ledger, **values: object) -> None:
        name = f"_plan/{PLAN_FILE}"
        ledger.folder.replace(name, json.dumps({**json.loads(ledger.folder.read(name)), **values}).encode())

    def with_table(self, ledger: Ledger, change: Callable[[pa.Table], pa.Table]) -> None:
        """Change what shard 1 is planned to be."""
        name = ledger.plan_name("shards-00000.parquet")
        file = pq.ParquetFile(pa.BufferReader(ledger.folder.read(name)))
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, file.schema_arrow) as writer:
            for shard in range(ledger.plan.shards):
                table = file.read_row_group(shard)
                table = change(table) if shard == 1 else table
                writer.write_table(table, row_group_size=len(table))
        ledger.folder.replace(name, sink.getvalue().to_pybytes())

    def test_edited_options(self, ledger: Ledger) -> None:
        self.edited(ledger, options={**ledger.plan.options, "limit": 3})
        verified, findings = checked(ledger.folder)
        assert verified is None
        (finding,) = map(str, findings.first)
        assert finding.startswith("_plan/plan.json: plan.json: was changed after it was written")

    @pytest.mark.parametrize(
        "values",
        [
            {"utterances": 21},
            {"unknown_lengths": 0},
            {"known_seconds": 1.5},
            {"known_seconds": None},
            {"shards": 2},
            {"shards": 4},
            {"shards": "three"},
            {"shards_per_file": 0},
            {"tables_sha256": "00"},
        ],
    )
    def test_edited_numbers(self, ledger: Ledger, values: dict[str, object]) -> None:
        self.edited(ledger, **values)
        (finding,) = all_found_in(ledger)
        assert "was changed after it was written" in finding

    def test_a_moved_manifest_is_the_same_plan(self, ledger: Ledger) -> None:
        self.edited(ledger, base="/elsewhere", manifest="/elsewhere/m.csv")
        assert all_found_in(ledger) == []

    def test_a_table_with_a_shard_less(self, ledger: Ledger) -> None:
        """As many rows as plan.json says of the shards that are left, and parts for all of them."""
        name = ledger.plan_name("shards-00000.parquet")
        file = pq.ParquetFile(pa.BufferReader(ledger.folder.read(name)))
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, file.schema_arrow) as writer:
            for shard in range(ledger.plan.shards + 1):
                table = file.read_row_group(min(shard, ledger.plan.shards - 1))
                writer.write_table(table, row_group_size=len(table))
        ledger.folder.replace(name, sink.getvalue().to_pybytes())
        assert all_found_in(ledger) == [TABLES]

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}'])
    def test_damaged(self, ledger: Ledger, text: str) -> None:
        ledger.folder.replace(f"_plan/{PLAN_FILE}", text.encode())
        verified, findings = checked(ledger.folder)
        assert verified is None
        assert findings.count == 1

    def test_missing(self, ledger: Ledger) -> None:
        ledger.folder.remove(f"_plan/{PLAN_FILE}")
        assert checked(ledger.folder)[0] is None
        assert found_in(ledger)[0].startswith("_plan/plan.json: is missing")

    def test_a_missing_table(self, ledger: Ledger) -> None:
        """One finding, although three shards are in it."""
        ledger.folder.remove(ledger.plan_name("shards-00000.parquet"))
        (finding,) = all_found_in(ledger)
        assert finding.startswith(f"{ledger.plan_name('shards-00000.parquet')}, shard 0: is missing or damaged (")

    def test_an_id_twice(self, ledger: Ledger) -> None:
        self.with_table(ledger, lambda table: with_values(table, 4, utterance_id="u2"))
        rewritten(ledger, 1, lambda table: with_values(table, 4, utterance_id="u2"))
        assert found_in(ledger) == [
            TABLES,
            f"{ledger.plan_name('shards-00000.parquet')}, shard 1, row 'u2': "
            "the id is also that of a row in shard 0; ids must be unique",
        ]

    def test_rows_out_of_order(self, ledger: Ledger) -> None:
        self.with_table(ledger, lambda table: table.take(pa.array([0, 2, 1, 3, 4, 5, 6, 7])))
        first, *rest = found_in(ledger)
        assert first.endswith(f"shard 1, row 'u10': {INDEX} is 10, must be 9")
        assert any(line.endswith("utterance_id is 'u9', the plan says 'u10'") for line in rest)

    def test_not_an_output(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="not an output of annotate; give the folder that annotate wrote"):
            checked(Folder.at(tmp_path))


class TestMarker:
    def edited(self, ledger: Ledger, **values: object) -> list[str]:
        ledger.folder.replace(SUCCESS, json.dumps({**json.loads(ledger.folder.read(SUCCESS)), **values}).encode())
        return all_found_in(ledger)

    def test_missing(self, ledger: Ledger) -> None:
        ledger.withdraw_success()
        _, findings = checked(ledger.folder)
        assert findings == Findings(unfinished=["_SUCCESS.json is not written yet"])

    @pytest.mark.parametrize("text", ["", "[]", "{"])
    def test_damaged(self, ledger: Ledger, text: str) -> None:
        ledger.folder.replace(SUCCESS, text.encode())
        (finding,) = all_found_in(ledger)
        assert finding.startswith("_SUCCESS.json: is damaged; ")

    def test_wrong_totals(self, ledger: Ledger) -> None:
        assert self.edited(ledger, utterances=19, parts_sha256="00") == []
        assert checked(ledger.folder)[1].unfinished == [
            f"_SUCCESS.json is of other parts: parts_sha256 is '00', they give '{summarise(ledger).parts_sha256}'",
            "_SUCCESS.json is of other parts: utterances is 19, they give 20",
        ]

    def test_without_a_hash(self, ledger: Ledger) -> None:
        values = json.loads(ledger.folder.read(SUCCESS))
        del values["parts_sha256"]
        ledger.folder.replace(SUCCESS, json.dumps(values).encode())
        (unfinished,) = checked(ledger.folder)[1].unfinished
        assert unfinished.startswith("_SUCCESS.json is of other parts: parts_sha256 is None, they give '")

    def test_a_moved_output_still_holds(self, ledger: Ledger, tmp_path: Path) -> None:
        (tmp_path / "out").rename(tmp_path / "moved")
        assert checked(Folder.at(tmp_path / "moved"))[1].count == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shard=st.integers(0, 2), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(ledger: Ledger, shard: int, place: float, bit: int) -> None:
    name = ledger.part_name(shard)
    good = ledger.folder.read(name)
    broken = bytearray(good)
    broken[int(place * len(good))] ^= 1 << bit
    ledger.folder.replace(name, bytes(broken))
    _, findings = checked(ledger.folder)
    ledger.folder.replace(name, good)
    assert any(finding.file == name for finding in findings.first)


class TestRecompute:
    def redo(self, ledger: Ledger, model: ModelFolder, size: int, seed: int = 0) -> tuple[Any, Findings, list[str]]:
        findings, sample = Findings(), Sample(size, seed)
        verify(ledger, findings, sample)
        result = recompute(sample.rows, ledger, load_model(model.path), Access(), findings)
        return result, findings, [drawn.utterance.utterance_id for drawn in sample.rows]

    def test_all(self, ledger: Ledger, tiny_model: ModelFolder) -> None:
        result, findings, drawn = self.redo(ledger, tiny_model, 100)
        assert (result.rows, result.compared, result.flipped, result.on_other_hardware) == (17, 17, 0, 0)
        assert result.largest_difference <= 1e-6
        assert findings.count == 0
        assert drawn == [f"u{number}" for number in range(ROWS) if number % 7 != 3]

    def test_the_seed_chooses(self, ledger: Ledger) -> None:
        def drawn(size: int, seed: int) -> list[str]:
            sample = Sample(size, seed)
            verify(ledger, Findings(), sample)
            return [each.utterance.utterance_id for each in sample.rows]

        assert drawn(5, 1) == drawn(5, 1)
        assert len(set(drawn(5, 1))) == 5
        assert set(drawn(5, 1)) < set(drawn(9, 1))
        assert {name for seed in range(40) for name in drawn(5, seed)} == set(drawn(100, 0))

    def test_a_label_that_the_model_does_not_give(self, ledger: Ledger, tiny_model: ModelFolder) -> None:
        values = {f"prob_{name}": 0.0 for name in tiny_model.config.classes}
        (before,) = ledger.read_part(0).slice(1, 1).to_pylist()
        other = next(name for name in tiny_model.config.classes if name != before["label"])
        values = {**values, f"prob_{other}": 1.0, "label": other, "confidence": 1.0}
        rewritten(ledger, 0, lambda table: with_values(table, 1, **values))
        result, findings, _ = self.redo(ledger, tiny_model, 100)
        assert result.flipped == 1
        (told,) = [str(finding) for finding in findings.first if finding.what != EDITED]
        assert re.fullmatch(
            rf"{ledger.part_name(0)}, shard 0, row 'u1': prob_\w+ is \d\.\d{{6}} \(label '{other}'\), "
            rf"computed again it is 0\.\d{{6}} \(label '{before['label']}'\)",
            told,
        )

    def test_other_hardware_is_only_reported(self, ledger: Ledger, tiny_model: ModelFolder) -> None:
        def change(table: pa.Table) -> pa.Table:
            values = dict.fromkeys(["prob_anger", "prob_happiness", "prob_neutral", "prob_sadness"], 0.25)
            table = with_values(table, 1, **values, label="anger", confidence=0.25)
            return table.replace_schema_metadata({**table.schema.metadata, b"emoboost.device": b"NVIDIA H100"})

        rewritten(ledger, 0, change)
        result, findings, _ = self.redo(ledger, tiny_model, 100)
        assert result.on_other_hardware == 7
        assert result.largest_difference > 0.01
        assert all(finding.what == EDITED for finding in findings.first)

    def test_changed_and_lost_recordings(self, archive: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(archive.parent, tmp_path / "archive"))
        finished = annotated(folder / "m.csv", tmp_path / "out", tiny_model)
        (folder / "1.wav").unlink()
        shutil.copy(folder / "0.wav", folder / "2.wav")
        samples, rate = soundfile.read(folder / "2.wav")
        soundfile.write(folder / "2.wav", samples[:-rate], rate)
        result, findings, _ = self.redo(finished, tiny_model, 100)
        assert (result.rows, result.compared, result.changed, result.unreadable) == (17, 15, 1, 1)
        assert findings.count == 0
        lost, changed = result.notes
        assert lost.startswith("1.wav, row 'u1': not_found: ")
        assert re.fullmatch(r"2\.wav, row 'u2': the recording has changed: was size=\d+, is now size=\d+", changed)

    def test_the_model_is_found_by_its_identity(self, ledger: Ledger, tiny_model: ModelFolder, tmp_path: Path) -> None:
        assert model_of(ledger.plan, str(tiny_model.path), Access()).identity == tiny_model.identity
        with pytest.raises(ModelError, match=rf"{tiny_model.identity}: is not a bundled model; give the folder"):
            model_of(ledger.plan, None, Access())
        other = save_tiny_model(tmp_path / "other", seed=5)
        with pytest.raises(
            ModelError, match=rf"other: is {other.identity}, the labels were made with {tiny_model.identity}"
        ):
            model_of(ledger.plan, str(other.path), Access())


class TestOnS3:
    def test_whole_and_broken(self, s3: S3, archive: Path, tiny_model: ModelFolder) -> None:
        remote = annotated(archive, f"{s3.make_bucket('verify-tests')}/out", tiny_model)
        verified, findings = checked(remote.folder)
        assert verified is not None
        assert (verified.summary.complete, findings.first) == (True, [])
        remote.folder.replace(remote.part_name(1), remote.folder.read(remote.part_name(1))[:-9])
        remote.folder.replace("labels/notes.txt", b"")
        _, findings = checked(remote.folder)
        assert [finding.file for finding in findings.first] == ["labels/notes.txt", remote.part_name(1)]


def test_a_finding_names_its_place() -> None:
    assert str(Finding("a", "b")) == "a: b"
    assert str(Finding("a", "b", 3)) == "a, shard 3: b"
    assert str(Finding("a", "b", 3, "c")) == "a, shard 3, row 'c': b"
