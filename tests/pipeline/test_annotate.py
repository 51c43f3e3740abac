"""`annotate` on the example, with the model that comes with the product."""

import csv
import json
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.session_folder import LONGEST_PARENT
from emoboost.plan import Plan
from emoboost.predict import EmotionModel
from pipeline.conftest import Annotated
from pipeline.labels import assert_labelled_alone, content, parts, rows_of
from pipeline.recordings import EMODB
from pipeline.shell import RAY_STARTED, Shell


class TestExample:
    def test_exits_with_0_and_says_where_it_runs_and_writes(self, example: Annotated) -> None:
        assert example.result.code == 0, example.result.stderr
        lines = example.result.stderr.splitlines()
        assert lines[0] == "Output: manifest.emotions"
        assert re.match(r"Running on this machine \(private Ray\): 1 node, [\d.]+ CPUs, \d+ GPUs: ", lines[1])
        assert all("utterances" in line for line in lines[2:]), "only progress follows"
        assert "16 of 16 utterances" in lines[-1]

    def test_every_row_once_in_the_manifests_order(self, example: Annotated) -> None:
        with example.manifest.open(newline="") as file:
            wanted = list(csv.DictReader(file))
        found = rows_of(example.output)
        assert [row["uri"] for row in found] == [row["path"] for row in wanted]
        assert len({row["utterance_id"] for row in found}) == len(wanted)
        for name in ("corpus", "speaker", "emotion", "seen_in_training"):
            assert [row[name] for row in found] == [row[name] for row in wanted]

    def test_equals_predict(self, example: Annotated, bundled: EmotionModel) -> None:
        assert_labelled_alone(rows_of(example.output), example.heard, bundled)

    def test_knows_the_clips_it_was_trained_on(self, example: Annotated) -> None:
        """A model that is loaded wrongly gives well-formed nonsense: this is real speech with a known emotion."""
        rows = [row for row in rows_of(example.output) if row["corpus"] == "emodb"]
        assert len(rows) == len(EMODB)
        assert [row["label"] for row in rows] == [row["emotion"] for row in rows]

    def test_one_schema_in_all_parts(self, example: Annotated, bundled: EmotionModel) -> None:
        first, *others = [pq.read_schema(part) for part in parts(example.output)]
        assert others, "the example has several shards"
        assert all(other.equals(first, check_metadata=True) for other in others)
        text, seconds, probability = pa.string(), pa.float64(), pa.float32()
        expected = pa.schema(
            [
                *(("utterance_id", text), ("uri", text), ("channel", pa.int32()), ("start", seconds), ("end", seconds)),
                *(("duration", seconds), ("status", text), ("error_type", text), ("error_message", text)),
                *(("label", text), ("confidence", probability)),
                *((f"prob_{name}", probability) for name in bundled.classes),
                *(("n_segments", pa.int32()), ("audio_version", text)),
                *(("corpus", text), ("speaker", text), ("emotion", text), ("seen_in_training", text)),
            ]
        )
        assert first.equals(expected)
        facts = {name.decode(): value.decode() for name, value in first.metadata.items()}
        plan = Plan.from_json((example.output / "_plan/plan.json").read_text())
        assert facts["emoboost.model"] == bundled.identity
        assert facts["emoboost.plan"] == plan.hash
        assert facts["emoboost.precision"] == "fp32"
        assert set(facts) >= {"emoboost.format", "emoboost.device", "emoboost.torch", "emoboost.transformers"}

    def test_probabilities_are_a_distribution(self, example: Annotated, bundled: EmotionModel) -> None:
        for row in rows_of(example.output):
            values = [row[f"prob_{name}"] for name in bundled.classes]
            assert all(0 <= value <= 1 for value in values)
            assert sum(values) == pytest.approx(1, abs=1e-6)
            assert row["confidence"] == max(values) == row[f"prob_{row['label']}"]

    def test_only_parts_lie_among_the_labels(self, example: Annotated) -> None:
        plan = Plan.from_json((example.output / "_plan/plan.json").read_text())
        names = [f"part-{plan.hash[:8]}-{shard:07d}.parquet" for shard in range(plan.shards)]
        assert [part.name for part in parts(example.output)] == names
        folders = {"labels", "_plan", "_tmp", "_runners", "_logs"}
        assert {path.name for path in example.output.iterdir()} == {*folders, "_SUCCESS.json"}
        assert not list((example.output / "_tmp").iterdir())
        assert not list((example.output / "_runners").iterdir())

    def test_success_marker_holds_the_totals(self, example: Annotated) -> None:
        totals = json.loads((example.output / "_SUCCESS.json").read_text())
        rows = rows_of(example.output)
        assert totals["complete"]
        assert totals["utterances"] == totals["planned"] == len(rows) == 16
        assert totals["status"] == {"ok": 16}
        assert totals["segments"] == sum(row["n_segments"] for row in rows)
        assert totals["labels"] == {
            label: sum(row["label"] == label for row in rows) for label in {row["label"] for row in rows}
        }

    def test_summary_says_what_a_person_asks(self, example: Annotated, bundled: EmotionModel) -> None:
        text = example.result.stdout
        assert text.startswith("Complete: 16 of 16 utterances, ")
        assert "16 labelled, 0 with an error" in text
        labels = [row["label"] for row in rows_of(example.output)]
        for label in set(labels):
            assert re.search(rf"^  {label} +[█·]+ +{labels.count(label)} ", text, re.MULTILINE), label
        provenance = str(bundled.config.training["summary"])
        assert re.match(r"trained on emo-?db", provenance, re.IGNORECASE)
        assert f"Model    {bundled.identity} ({provenance})" in text
        assert "Output   manifest.emotions/labels" in text
        (log,) = re.findall(r"^Log +(.+)$", text, re.MULTILINE)
        assert (example.cwd / log).is_file()
        assert (example.cwd / log).is_relative_to(example.output / "_logs")

    def test_leaves_nothing_behind_elsewhere(self, example: Annotated, empty_home: Path, shell: Shell) -> None:
        assert [path.name for path in example.cwd.iterdir()] == ["manifest.emotions"]
        assert not list(empty_home.iterdir()), "a token or a cache was written into the home"
        assert not [path.name for path in shell.temporary.iterdir() if path.name.startswith("emoboost")]

    def test_again_is_quick_and_changes_nothing(self, example: Annotated, shell: Shell) -> None:
        labels, plan = content(example.output / "labels"), content(example.output / "_plan")
        logs = content(example.output / "_logs")
        again = shell.run("annotate", example.manifest, cwd=example.cwd)
        assert again.code == 0
        assert RAY_STARTED not in again.stderr
        assert again.seconds < 10
        assert again.stdout.startswith("Complete: 16 of 16 utterances, ")
        assert content(example.output / "labels") == labels
        assert content(example.output / "_plan") == plan
        assert content(example.output / "_logs") == logs

    def test_a_run_that_labelled_nothing_claims_no_speed(self, example: Annotated, shell: Shell) -> None:
        assert "x real time" in example.result.stdout
        assert "x real time" not in shell.run("annotate", example.manifest, cwd=example.cwd).stdout

    def test_json_holds_the_same_totals(self, example: Annotated, shell: Shell) -> None:
        facts = json.loads(shell.run("annotate", example.manifest, "--json", cwd=example.cwd).stdout)
        marker = json.loads((example.output / "_SUCCESS.json").read_text())
        assert {name: facts[name] for name in marker} == marker
        assert "log" in facts
        assert facts["seconds"] == pytest.approx(sum(row["duration"] for row in rows_of(example.output)))


class TestJson:
    def test_standard_output_is_one_json_object(self, archive: Annotated, small: EmotionModel) -> None:
        facts = json.loads(archive.result.stdout)
        assert facts["complete"]
        assert facts["model"] == small.identity
        assert facts["utterances"] == 24
        assert facts["log"].startswith(str(archive.output / "_logs"))
        assert facts["seconds"] > 0
        assert "24 of 24 utterances" in archive.result.stderr


class TestLimit:
    def test_has_a_folder_of_its_own(self, example: Annotated, joined: Shell, small: EmotionModel) -> None:
        before = content(example.output)
        result = joined.run("annotate", example.manifest, "--limit", "3", "--model", small.folder.path, cwd=example.cwd)
        assert result.code == 0, result.stderr
        assert f"Running on Ray cluster at {joined.variables['RAY_ADDRESS']}: 1 node, 2 CPUs, 0 GPUs" in result.stderr
        assert "Output: manifest.emotions-limit3" in result.stderr
        output = example.cwd / "manifest.emotions-limit3"
        assert_labelled_alone(rows_of(output), example.heard[:3], small)
        assert content(example.output) == before


class TestDryRun:
    def test_says_what_it_would_do_and_writes_nothing(self, example: Annotated, shell: Shell, tmp_path: Path) -> None:
        result = shell.run("annotate", example.manifest, "--dry-run", cwd=tmp_path)
        assert result.code == 0
        assert re.search(r"^output +manifest\.emotions$", result.stdout, re.MULTILINE)
        assert re.search(r"^utterances +16$", result.stdout, re.MULTILINE)
        assert re.search(r"^carried columns +corpus, speaker, emotion, seen_in_training$", result.stdout, re.MULTILINE)
        assert RAY_STARTED not in result.stderr
        assert not list(tmp_path.iterdir())
        facts = json.loads(shell.run("annotate", example.manifest, "--dry-run", "--json", cwd=tmp_path).stdout)
        assert facts["utterances"] == 16
        assert not list(tmp_path.iterdir())


class TestTemporaryFolder:
    @pytest.mark.parametrize("length", [LONGEST_PARENT, pytest.param(100, marks=pytest.mark.slow)])
    def test_its_path_may_be_long(
        self, example: Annotated, shell: Shell, small: EmotionModel, tmp_path: Path, length: int
    ) -> None:
        """Batch systems give each job a TMPDIR of its own; a socket's path may only have 107 bytes."""
        with tempfile.TemporaryDirectory(prefix="long-", dir="/tmp") as folder:
            long = Path(folder, "x" * (length - len(folder) - 1))
            long.mkdir()
            words = ("annotate", example.manifest, "--model", small.folder.path, "--limit", "1", "--output", "out")
            result = shell.run(*words, cwd=tmp_path, TMPDIR=str(long))
            assert result.code == 0, result.stderr
            assert not list(long.glob("emoboost-*"))
