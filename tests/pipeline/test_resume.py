"""The same command completes its output; another command is told how to get what it wants."""

import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emoboost.predict import EmotionModel
from pipeline.conftest import Annotated
from pipeline.labels import content, parts, read
from pipeline.shell import EXAMPLES, RAY_STARTED, Shell


def words(run: Annotated, model: EmotionModel, *more: str) -> list[str]:
    """The command that made the archive's output."""
    return ["annotate", str(run.manifest), "--output", run.output.name, "--model", str(model.folder.path), *more]


class TestSameCommand:
    def test_writes_the_missing_parts_only(
        self, archive: Annotated, joined: Shell, small: EmotionModel, tmp_path: Path
    ) -> None:
        run = archive.copied_to(tmp_path)
        whole, (first, second, third) = read(run.output), parts(run.output)
        (run.output / "_SUCCESS.json").unlink()
        first.unlink()
        third.unlink()
        kept = content(run.output / "labels")
        # What a run that was killed leaves behind.
        (run.output / "_tmp" / f"{third.name}.0123").write_bytes(b"half a part")
        result = joined.run(*words(run, small), cwd=tmp_path)
        assert result.code == 0, result.stderr
        assert "16 of 16 utterances" in result.stderr, "progress counts what was left"
        assert result.stdout.startswith("Complete: 24 of 24 utterances, ")
        assert parts(run.output) == [first, second, third]
        assert content(run.output / "labels")[second.name] == kept[second.name]
        assert read(run.output).equals(whole)
        for part in (first, third):
            assert read_columns(part) == read_columns(archive.output / "labels" / part.name)
        assert (run.output / "_SUCCESS.json").is_file()

    def test_restores_a_lost_success_marker_without_ray(
        self, archive: Annotated, shell: Shell, small: EmotionModel, tmp_path: Path
    ) -> None:
        run = archive.copied_to(tmp_path)
        marker = (run.output / "_SUCCESS.json").read_text()
        (run.output / "_SUCCESS.json").unlink()
        result = shell.run(*words(run, small), cwd=tmp_path)
        assert result.code == 0
        assert RAY_STARTED not in result.stderr
        assert (run.output / "_SUCCESS.json").read_text() == marker

    def test_accepts_an_empty_folder_and_a_failed_start(
        self, archive: Annotated, joined: Shell, small: EmotionModel, tmp_path: Path
    ) -> None:
        """A plan without plan.json was never finished: the next run plans again, and here it does all of the work."""
        output = tmp_path / "labelled"
        (output / "_plan").mkdir(parents=True)
        (output / "_plan/shards-00000.parquet").write_bytes(b"PAR1 half a plan")
        run = Annotated(archive.result, tmp_path, archive.manifest, output, archive.heard)
        result = joined.run(*words(run, small), cwd=tmp_path)
        assert result.code == 0, result.stderr
        again, before = read(output), read(archive.output)
        assert again.equals(before), "two runs of one command are equal in every column"
        assert [read_columns(part) for part in parts(output)] == [read_columns(part) for part in parts(archive.output)]


class TestAnotherCommand:
    @pytest.mark.parametrize(
        ("option", "message"),
        [
            (["--channel", "0"], r"channel was 'mix' and is now 0"),
            (["--limit", "20"], r"limit was None and is now 20"),
            (["--max-duration", "20"], r"max_duration was 3600\.0 and is now 20\.0"),
            (["--precision", "bf16"], r"precision was 'fp32' and is now 'bf16'"),
        ],
    )
    def test_another_option(
        self, archive: Annotated, shell: Shell, small: EmotionModel, option: list[str], message: str
    ) -> None:
        before = content(archive.output)
        refused = shell.run(*words(archive, small, *option), cwd=archive.cwd).refused()
        assert matches(refused, rf"^labelled: was made by another run: {message}\.$")
        assert content(archive.output) == before

    def test_another_model(self, archive: Annotated, shell: Shell, small: EmotionModel, bundled: EmotionModel) -> None:
        command = ["annotate", str(archive.manifest), "-o", "labelled"]
        refused = shell.run(*command, cwd=archive.cwd).refused()
        assert f"model was {small.identity!r} and is now {bundled.identity!r}" in refused

    def test_another_manifest(self, archive: Annotated, shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
        run = archive.copied_to(tmp_path)
        command = ["annotate", str(EXAMPLES / "manifest.csv"), *words(run, small)[2:]]
        refused = shell.run(*command, cwd=tmp_path).refused()
        assert matches(refused, r"the manifest has changed \(SHA-256 was [0-9a-f]{12}…, is now [0-9a-f]{12}…\)")

    def test_the_command_that_is_named_works(
        self, archive: Annotated, joined: Shell, small: EmotionModel, tmp_path: Path
    ) -> None:
        """With an option that changes no row here, so that both outputs must hold the same."""
        run = archive.copied_to(tmp_path)
        before = content(run.output)
        refused = joined.run(*words(run, small, "--max-duration", "50"), cwd=tmp_path).refused()
        name, *suggested = shlex.split(refused.splitlines()[-1].partition(": ")[2])
        assert name == "emoboost-batch"
        result = joined.run(*suggested, cwd=tmp_path)
        assert result.code == 0, result.stderr
        (new,) = {path for path in tmp_path.iterdir() if path.is_dir()} - {run.output}
        assert read(new).equals(read(archive.output))
        assert content(run.output) == before

    def test_the_command_with_a_short_flag_and_equals_sign(
        self, archive: Annotated, shell: Shell, small: EmotionModel
    ) -> None:
        """Every spelling of --output is replaced, so that the named command does not write to the old place again."""
        common = ["annotate", str(archive.manifest), "--model", str(small.folder.path), "--limit", "3"]
        for spelling in (["-o", "labelled"], ["--output=labelled"], ["-olabelled"]):
            refused = shell.run(*common, *spelling, cwd=archive.cwd).refused()
            suggested = shlex.split(refused.splitlines()[-1].partition(": ")[2])[1:]
            assert [*suggested, "--dry-run"][: len(common)] == common
            planned = shell.run(*suggested, "--dry-run", cwd=archive.cwd)
            assert planned.code == 0, planned.stderr
            assert matches(planned.stdout, r"^output +labelled-2$"), spelling


class TestForeignFolder:
    def test_is_refused(self, archive: Annotated, shell: Shell, small: EmotionModel, tmp_path: Path) -> None:
        (tmp_path / "labelled").mkdir()
        (tmp_path / "labelled/thesis.docx").write_text("mine")
        run = Annotated(archive.result, tmp_path, archive.manifest, tmp_path / "labelled", archive.heard)
        refused = shell.run(*words(run, small), cwd=tmp_path).refused()
        assert matches(
            refused, r"^labelled: holds 'thesis\.docx' and is not an output of emoboost-batch; name one that is"
        )
        assert [path.name for path in run.output.iterdir()] == ["thesis.docx"]

    def test_a_plan_that_was_edited_is_refused(
        self, archive: Annotated, shell: Shell, small: EmotionModel, tmp_path: Path
    ) -> None:
        run = archive.copied_to(tmp_path)
        file = run.output / "_plan/plan.json"
        file.write_text(file.read_text().replace('"limit": null', '"limit": 7'))
        refused = shell.run(*words(run, small), cwd=tmp_path).refused()
        assert "plan.json: was changed after it was written; choose a new folder" in refused


def matches(text: str, pattern: str) -> bool:
    return re.search(pattern, text, re.MULTILINE) is not None


def read_columns(part: Path) -> list[bytes]:
    """The bytes of every column of a part, uncompressed, validity bitmaps included."""
    table = pq.ParquetFile(part).read().combine_chunks()
    return [
        b"|".join(b"-" if buffer is None else buffer.to_pybytes() for buffer in column.chunk(0).buffers())
        for column in table.columns
    ]
