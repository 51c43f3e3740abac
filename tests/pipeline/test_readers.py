"""What goes in and how the result is read: every kind of manifest, and every reader that the documentation names."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from emoboost.predict import EmotionModel
from pipeline.conftest import Annotated
from pipeline.labels import Heard, assert_labelled_alone, read, rows_of
from pipeline.recordings import EMODB, LIBRISPEECH, call, long_recording, one_channel
from pipeline.shell import Shell

COLUMNS = ["utterance_id", "uri", "start", "end", "status", "label", "confidence", "n_segments", "speaker", "take"]


def by_id(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows in one order, nulls of every library as None."""
    plain = [
        {name: None if isinstance(row[name], float) and row[name] != row[name] else row[name] for name in COLUMNS}
        for row in rows
    ]
    return sorted(plain, key=lambda row: str(row["utterance_id"]))


class TestResult:
    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, archive: Annotated) -> list[dict[str, object]]:
        rows = by_id(rows_of(archive.output))
        assert len(rows) == 24
        return rows

    def test_pandas(self, archive: Annotated, expected: list[dict[str, object]]) -> None:
        frame = pd.read_parquet(archive.output / "labels")
        assert by_id(frame.to_dict("records")) == expected

    def test_pyarrow(self, archive: Annotated, expected: list[dict[str, object]]) -> None:
        table = pq.read_table(archive.output / "labels")
        assert table.schema.equals(read(archive.output).schema)
        assert by_id(table.to_pylist()) == expected
        assert pa.dataset.dataset(archive.output / "labels").count_rows() == 24

    def test_polars(self, archive: Annotated, expected: list[dict[str, object]]) -> None:
        assert by_id(pl.read_parquet(archive.output / "labels").to_dicts()) == expected
        scanned = pl.scan_parquet(archive.output / "labels").filter(pl.col("status") == "ok").collect()
        assert by_id(scanned.to_dicts()) == expected

    def test_duckdb(self, archive: Annotated, expected: list[dict[str, object]]) -> None:
        found = duckdb.sql(f"SELECT * FROM '{archive.output}/labels/*.parquet'")
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
        assert by_id(rows) == expected
        counted = duckdb.sql(f"SELECT label, count(*) FROM '{archive.output}/labels/*.parquet' GROUP BY label")
        labels = [row["label"] for row in expected]
        assert dict(counted.fetchall()) == {label: labels.count(label) for label in set(labels)}


class TestParquetManifest:
    def test_offset_and_duration_are_the_span(self, archive: Annotated, small: EmotionModel) -> None:
        assert_labelled_alone(rows_of(archive.output), archive.heard, small)

    def test_columns_keep_types_and_values(self, archive: Annotated) -> None:
        source, labelled = pq.read_table(archive.manifest), read(archive.output)
        for ours, theirs in {
            **{name: name for name in ("speaker", "take", "tags", "recorded")},
            "manifest_label": "label",
        }.items():
            assert labelled.schema.field(ours).type == source.schema.field(theirs).type
            assert labelled[ours].to_pylist() == source[theirs].to_pylist()
        assert labelled["uri"].to_pylist() == source["audio_filepath"].to_pylist()
        assert labelled["speaker"][7].as_py() == "007"
        assert labelled["recorded"][0].as_py() == datetime(2026, 1, 1, tzinfo=UTC)

    def test_summary_tells_renaming_and_agreement(self, archive: Annotated, shell: Shell, small: EmotionModel) -> None:
        words = ("annotate", archive.manifest, "-o", "labelled", "--model", small.folder.path)
        text = shell.run(*words, cwd=archive.cwd).stdout
        assert "Renamed: label is carried as manifest_label" in text
        pairs = [(row["manifest_label"], row["label"]) for row in rows_of(archive.output) if row["manifest_label"]]
        agreed = sum(truth == label for truth, label in pairs)
        assert len(pairs) == 8
        assert f"Agreement with manifest_label: {agreed} of 8 ({agreed / 8:.1%})" in text
        facts = json.loads(archive.result.stdout)
        assert (facts["compared"], facts["agreed"]) == (8, agreed)
        assert facts["renamed_columns"] == {"label": "manifest_label"}


class TestOtherManifests:
    def test_tsv_with_spans_and_channels(self, joined: Shell, small: EmotionModel, tmp_path: Path) -> None:
        recording = call(tmp_path / "Anruf 1.wav", LIBRISPEECH[1], LIBRISPEECH[2])
        header = "file\tstart\tend\tchannel\tnote\ttake"
        spans = [(0.0, 2.0, 0), (0.5, 3.0, 0), (3.0, 5.0, 1), (0.0, 4.5, None), (1.0, 2.5, 1)]
        lines = [
            f"Anruf 1.wav\t{start}\t{end}\t{'mix' if channel is None else channel}\tgrüß dich, {n}\t00{n}"
            for n, (start, end, channel) in enumerate(spans)
        ]
        (tmp_path / "calls.tsv").write_text("\n".join([header, *lines, ""]), encoding="utf-8-sig")
        # The manifest names the mix for one row, so the question which side is meant is answered by --channel.
        words = ("annotate", "calls.tsv", "--model", small.folder.path, "--channel", "mix")
        result = joined.run(*words, cwd=tmp_path)
        assert result.code == 0, result.stderr
        rows = rows_of(tmp_path / "calls.emotions")
        assert_labelled_alone(rows, [Heard(recording, *span) for span in spans], small)
        assert len({row["utterance_id"] for row in rows}) == 5
        assert [row["note"] for row in rows] == [f"grüß dich, {n}" for n in range(5)]
        assert [row["take"] for row in rows] == [f"00{n}" for n in range(5)], "leading zeros are text"

    def test_folder_with_a_long_recording(self, joined: Shell, small: EmotionModel, tmp_path: Path) -> None:
        folder = tmp_path / "Aufnahmen 2026" / "Frau Öztürk"
        folder.mkdir(parents=True)
        long = long_recording(folder / "ganzes Gespräch.flac")
        short = [folder / "b.flac", folder.parent / "z.flac"]
        for clip, path in zip(EMODB, short, strict=False):
            path.write_bytes(clip.read_bytes())
        (folder / "notes.txt").write_text("not audio")
        (folder / "._b.flac").write_text("what macOS leaves behind")
        result = joined.run("annotate", "Aufnahmen 2026", "--model", small.folder.path, cwd=tmp_path)
        assert result.code == 0, result.stderr
        assert "Output: Aufnahmen 2026.emotions" in result.stderr
        rows = rows_of(tmp_path / "Aufnahmen 2026.emotions")
        assert [row["uri"] for row in rows] == ["Frau Öztürk/b.flac", "Frau Öztürk/ganzes Gespräch.flac", "z.flac"]
        assert_labelled_alone(rows, [Heard(short[0]), Heard(long), Heard(short[1])], small)
        assert rows[1]["n_segments"] == 12
        assert re.search(r"Warning: 1 utterances? (was|were) averaged over more than 10 segments", result.stdout)

    def test_glob_of_calls_and_one_side_of_them(self, joined: Shell, small: EmotionModel, tmp_path: Path) -> None:
        (tmp_path / "calls").mkdir()
        recordings = [call(tmp_path / "calls" / f"{n}.wav", LIBRISPEECH[n], LIBRISPEECH[n + 1]) for n in range(3)]
        (tmp_path / "calls/2.wav").rename(tmp_path / "calls/2.flac.bak")
        words = ("annotate", "calls/*.wav", "--channel", "1", "--model", small.folder.path)
        result = joined.run(*words, cwd=tmp_path)
        assert result.code == 0, result.stderr
        rows = rows_of(tmp_path / "calls.emotions")
        assert [row["uri"] for row in rows] == ["calls/0.wav", "calls/1.wav"]
        assert_labelled_alone(rows, [Heard(path, channel=1) for path in recordings[:2]], small)
        for row, recording in zip(rows, recordings[:2], strict=True):
            side = small.predict(one_channel(tmp_path / "side.wav", recording, 1))
            assert row["label"] == side.label
            assert row["confidence"] == pytest.approx(side.confidence, abs=1e-5)
