"""Whatever is wrong with a recording becomes its row; whatever is wrong with the command ends it before any work."""

import csv
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_audio import MAX_SECONDS, PROTECTED, Difficult, make_bad_audio, obey_permissions

from emoboost.errors import FIXES
from emoboost.predict import EmotionModel
from pipeline.conftest import Annotated
from pipeline.labels import Heard, Row, assert_labelled_alone, error_rows, rows_of
from pipeline.recordings import LIBRISPEECH, call
from pipeline.shell import EXAMPLES, Result, Shell, in_a_namespace

CLIP = LIBRISPEECH[0]


@dataclass(frozen=True)
class Mixed:
    """A finished run over good and difficult recordings in turn."""

    result: Result
    cwd: Path
    words: list[str]
    prefix: list[str]
    difficult: dict[str, Difficult]
    rows: dict[str, Row]

    @property
    def broken(self) -> dict[str, Difficult]:
        return {name: case for name, case in self.difficult.items() if case.expected is not None}


@pytest.fixture(scope="module")
def mixed(shell: Shell, small: EmotionModel, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    prefix = obey_permissions()
    cwd = tmp_path_factory.mktemp("mixed")
    (cwd / "audio").mkdir()
    difficult = make_bad_audio(cwd / "audio", CLIP)
    with (cwd / "mixed.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "utterance_id", "start", "end"])
        for number, (name, case) in enumerate(difficult.items()):
            writer.writerow([case.path.relative_to(cwd), name, case.start or "", case.end or ""])
            writer.writerow([LIBRISPEECH[number % 8], f"good-{number}", "", ""])
    words = ["annotate", "mixed.csv", "--model", str(small.folder.path), "--max-duration", str(MAX_SECONDS)]
    result = shell.run(*words, cwd=cwd, prefix=prefix)
    rows = {row["utterance_id"]: row for row in rows_of(cwd / "mixed.emotions")}
    return Mixed(result, cwd, words, prefix, difficult, rows)


class TestDifficultRecordings:
    def test_every_unit_has_exactly_one_row(self, mixed: Mixed) -> None:
        assert len(rows_of(mixed.cwd / "mixed.emotions")) == 2 * len(mixed.difficult)
        assert mixed.rows.keys() == {*mixed.difficult, *(f"good-{n}" for n in range(len(mixed.difficult)))}

    def test_each_broken_one_says_why(self, mixed: Mixed) -> None:
        for name, case in mixed.broken.items():
            row = mixed.rows[name]
            assert (row["status"], row["error_type"]) == ("error", case.expected), name
            assert row["error_message"].startswith(f"{case.path}: "), name
            assert len(row["error_message"]) > len(str(case.path)) + 10, name
            assert row["n_segments"] == 0
            empty = [column for column in row if column.startswith("prob_")] + ["label", "confidence", "duration"]
            assert all(row[column] is None for column in empty), name

    def test_permission_is_among_them(self, mixed: Mixed) -> None:
        """Root reads everything: the run was started without that privilege."""
        assert mixed.rows[PROTECTED]["error_type"] == "permission"
        assert "may not be read by this user" in mixed.rows[PROTECTED]["error_message"]

    def test_each_unusual_one_equals_its_label_alone(self, mixed: Mixed, small: EmotionModel) -> None:
        fine = {name: case for name, case in mixed.difficult.items() if case.expected is None}
        assert len(fine) == 8
        assert_labelled_alone([mixed.rows[name] for name in fine], [Heard(case.path) for case in fine.values()], small)

    def test_the_good_ones_are_unharmed(self, mixed: Mixed, small: EmotionModel) -> None:
        numbers = range(len(mixed.difficult))
        heard = [Heard(LIBRISPEECH[number % 8]) for number in numbers]
        assert_labelled_alone([mixed.rows[f"good-{number}"] for number in numbers], heard, small)

    def test_exits_with_3_and_names_the_first_errors_and_the_fixes(self, mixed: Mixed) -> None:
        assert mixed.result.code == 3, mixed.result.stderr
        assert "Traceback" not in mixed.result.stderr
        assert f"{len(mixed.broken)} with an error" in mixed.result.stdout
        for case in mixed.broken.values():
            assert FIXES[case.expected] in mixed.result.stdout
        for row in error_rows(mixed.cwd / "mixed.emotions")[:5]:
            assert f"{row['utterance_id']}: {row['error_message']}" in mixed.result.stdout
        assert f"{len(mixed.broken)} errors" in mixed.result.stderr.splitlines()[-1]

    def test_exit_code_follows_max_errors(self, mixed: Mixed, shell: Shell) -> None:
        share = len(mixed.broken) / len(mixed.rows)
        for allowed, code in (("1", 0), (f"{share:.6f}", 0), (f"{share - 0.01:.6f}", 3), ("0", 3)):
            again = shell.run(*mixed.words, "--max-errors", allowed, "--json", cwd=mixed.cwd, prefix=mixed.prefix)
            assert again.code == code, allowed
            facts = json.loads(again.stdout)
            assert facts["complete"]
            assert sum(facts["error_types"].values()) == len(mixed.broken)


class TestManifest:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("path,speaker\n", r"bad\.csv: has a header but no rows"),
            ("", r"bad\.csv: is empty; the first line must name the columns"),
            (
                "speaker,emotion\n3,x\n",
                r"bad\.csv: no column names the audio; found 'speaker', 'emotion'; rename .*path",
            ),
            (
                "path,utterance_id\na.wav,x\nb.wav,y\nc.wav,x\n",
                r"bad\.csv, line 4, column 'utterance_id', value 'x': is also the id in line 2; change one of them",
            ),
            (
                "path,start,end\na.wav,5,2\n",
                r"bad\.csv, line 2, column 'end', value '2': leaves nothing to label: the end must lie",
            ),
            (
                "path,start,end\na.wav,-1,2\n",
                r"bad\.csv, line 2, column 'start', value '-1': is negative; give seconds",
            ),
            (
                "path,start,end\na.wav,1,2\nb.wav,half past,2\n",
                r"bad\.csv, line 3, column 'start', value 'half past': is not a number; give seconds",
            ),
            ("path,channel\na.wav,left\n", r"bad\.csv, line 2, column 'channel', value 'left': is not a channel"),
            ("path,start\na.wav\n", r"bad\.csv, line 2: has 1 field where the header has 2"),
        ],
    )
    def test_is_refused_before_any_work(self, shell: Shell, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "bad.csv").write_text(text)
        refused = shell.run("annotate", "bad.csv", cwd=tmp_path).refused()
        assert re.search(message, refused), refused
        assert len(refused.splitlines()) <= 3
        assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]

    def test_all_problems_at_once(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "bad.csv").write_text("path,start,end\n" + "a.wav,3,1\n,0,1\nc.wav,x,1\n" * 10)
        refused = shell.run("annotate", "bad.csv", cwd=tmp_path).refused()
        lines = refused.splitlines()
        assert lines[0] == "bad.csv cannot be used; 30 problems:"
        assert [line.split(",")[1] for line in lines[1:-1]] == [f" line {n}" for n in range(2, 22)]
        assert lines[-1].strip() == "and 10 more"

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("missing.csv", r"missing\.csv: no such file: /.*/missing\.csv"),
            ("missing/*.wav", r"no such folder"),
            ("notes.docx", r"notes\.docx: .*CSV \(\.csv\).*"),
        ],
    )
    def test_that_is_none(self, shell: Shell, tmp_path: Path, name: str, message: str) -> None:
        (tmp_path / "notes.docx").write_text("no manifest")
        refused = shell.run("annotate", name, cwd=tmp_path).refused()
        assert re.search(message, refused), refused
        assert len(refused.splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["notes.docx"]

    def test_announces_no_output_that_it_will_not_make(self, shell: Shell, tmp_path: Path) -> None:
        assert "Output:" not in shell.run("annotate", "missing.csv", cwd=tmp_path).stderr

    def test_whose_recordings_are_all_missing(self, shell: Shell, tmp_path: Path) -> None:
        paths = [f"takes/{number}.wav" for number in range(50)]
        (tmp_path / "moved.csv").write_text("\n".join(["path", *paths]) + "\n")
        refused = shell.run("annotate", "moved.csv", cwd=tmp_path).refused()
        assert re.search(r"none of the 20 recordings that were tried can be opened; the first: ", refused)
        assert f"the first: {tmp_path}/takes/0.wav: there is no such file" in refused
        assert "relative paths are relative to the manifest's folder" in refused
        assert [path.name for path in tmp_path.iterdir()] == ["moved.csv"]

    def test_parquet_with_times_that_are_no_numbers(self, shell: Shell, tmp_path: Path) -> None:
        pq.write_table(pa.table({"path": ["a.wav"], "start": [True]}), tmp_path / "bad.parquet")
        refused = shell.run("annotate", "bad.parquet", cwd=tmp_path).refused()
        assert re.search(r"bad\.parquet: column 'start' is of type bool; write it as a number", refused)


class TestArguments:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (
                ["--model", "gpt"],
                r"^gpt: no such model; give a model folder or one of: whisper-base-emodb, whisper-",
            ),
            (["--model", "."], r"\.: not a model folder, config\.json is missing"),
            (["--channel", "left"], r"^--channel left: give a channel number, counted from 0, or mix$"),
            (["--channel", "-1"], r"^--channel -1: give a channel number, counted from 0, or mix$"),
            (["--output", "file.txt/labels"], r"^file\.txt/labels: cannot be written .*choose another folder"),
            (["--output", "file.txt"], r"^file\.txt: is a file; name an output, or an empty or new folder$"),
            (["--output", ""], r"^--output is empty; give a path, or leave an option out$"),
            (["--model", ""], r"^--model is empty"),
            (
                ["--ray-address", "127.0.0.1:1"],
                r"^no Ray cluster answers at 127\.0\.0\.1:1 \(.*refused\); check",
            ),
        ],
    )
    @pytest.mark.parametrize("dry", [[], ["--dry-run"]])
    def test_are_refused_before_any_work(
        self, shell: Shell, tmp_path: Path, words: list[str], message: str, dry: list[str]
    ) -> None:
        (tmp_path / "file.txt").write_text("in the way")
        refused = shell.run("annotate", EXAMPLES / "manifest.csv", *words, *dry, cwd=tmp_path).refused()
        assert re.search(message, refused, re.MULTILINE), refused
        assert len(refused.splitlines()) <= 2
        assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
        assert (tmp_path / "file.txt").read_text() == "in the way"

    @pytest.mark.parametrize("dry", [[], ["--dry-run"]])
    def test_a_damaged_model(self, shell: Shell, small: EmotionModel, tmp_path: Path, dry: list[str]) -> None:
        shutil.copytree(small.folder.path, tmp_path / "damaged")
        with (tmp_path / "damaged/model.safetensors").open("ab") as file:
            file.write(b"x")
        words = ("annotate", EXAMPLES / "manifest.csv", "--model", "damaged", *dry)
        refused = shell.run(*words, cwd=tmp_path).refused()
        assert re.search(r"damaged/model\.safetensors: SHA-256 is .* copy the model again$", refused)
        assert [path.name for path in tmp_path.iterdir()] == ["damaged"]

    def test_a_dry_run_on_an_output_of_another_plan(
        self, archive: Annotated, shell: Shell, small: EmotionModel
    ) -> None:
        words = ("annotate", archive.manifest, "--output", archive.output, "--model", small.folder.path, "--dry-run")
        assert "finished shards      3" in shell.run(*words, cwd=archive.cwd).stdout
        refused = shell.run(*words, "--channel", "0", cwd=archive.cwd).refused()
        assert "was made by another run: channel was 'mix' and is now 0" in refused

    def test_a_read_only_output(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "archive").mkdir()
        prefix = in_a_namespace("-rm", f"mount -t tmpfs -o ro none '{tmp_path}/archive'")
        words = ("annotate", EXAMPLES / "manifest.csv", "--output", "archive/out")
        refused = shell.run(*words, cwd=tmp_path, prefix=prefix).refused()
        assert re.search(r"archive/out: cannot be written \(.*Read-only file system.*; choose another folder", refused)

    def test_debug_shows_the_traceback(self, shell: Shell, tmp_path: Path) -> None:
        result = shell.run("annotate", "missing.csv", "--debug", cwd=tmp_path)
        assert result.code == 2
        assert result.stderr.count("Traceback (most recent call last)") >= 1
        assert "ManifestError: missing.csv: no such file" in result.stderr


class TestCall:
    def test_asks_which_side(self, shell: Shell, tmp_path: Path) -> None:
        call(tmp_path / "call.wav", LIBRISPEECH[1], LIBRISPEECH[2])
        (tmp_path / "calls.csv").write_text("path\ncall.wav\n")
        refused = shell.run("annotate", "calls.csv", cwd=tmp_path).refused()
        assert re.search(r"^call\.wav: its two channels have little in common \(correlation -?0\.\d\d\)", refused)
        assert "Give --channel 0 or --channel 1, or --channel mix if they belong together" in refused
        assert {path.name for path in tmp_path.iterdir()} == {"call.wav", "calls.csv"}
        for channel in ("0", "1", "mix"):
            planned = shell.run("annotate", "calls.csv", "--channel", channel, "--dry-run", cwd=tmp_path)
            assert planned.code == 0, planned.stderr
