"""What can be done with an output: look at it, check it, try its error rows again, take its rows over into another."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from emoboost.predict import EmotionModel
from pipeline.labels import Heard, Row, assert_labelled_alone, content, rows_of
from pipeline.recordings import LIBRISPEECH
from pipeline.shell import RAY_STARTED, Result, Shell

TYPO = 11
"""Which row names a recording that is not there."""


@dataclass(frozen=True)
class Finished:
    """An output with one error row."""

    result: Result
    cwd: Path
    model: str

    def rows(self, output: str) -> dict[str, Row]:
        return {row["utterance_id"]: row for row in rows_of(self.cwd / output)}


def manifest(typo: str) -> str:
    names = [f"audio/{LIBRISPEECH[number % 8].name}" for number in range(20)]
    names[TYPO] = typo
    return "path,utterance_id\n" + "".join(f"{name},u{number:02d}\n" for number, name in enumerate(names))


@pytest.fixture(scope="module")
def finished(joined: Shell, small: EmotionModel, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    cwd = tmp_path_factory.mktemp("outputs")
    (cwd / "audio").mkdir()
    for clip in LIBRISPEECH:
        shutil.copy(clip, cwd / "audio")
    (cwd / "calls.csv").write_text(manifest("audio/typo.flac"))
    result = joined.run("annotate", "calls.csv", "--model", small.folder.path, "--output", "first", cwd=cwd)
    return Finished(result, cwd, str(small.folder.path))


def test_status_and_verify(finished: Finished, joined: Shell) -> None:
    assert finished.result.code == 3
    status = joined.run("status", "first", "--json", cwd=finished.cwd)
    facts = json.loads(status.stdout)
    assert (status.code, facts["complete"], facts["finished_utterances"], facts["workers"]) == (0, True, 20, [])
    verified = joined.run("verify", "first", "--recompute", "5", "--model", finished.model, cwd=finished.cwd)
    assert verified.code == 0, verified.stdout
    assert "5 of 5 rows" in verified.stdout
    part = sorted((finished.cwd / "first/labels").iterdir())[1]
    shutil.copytree(finished.cwd / "first", finished.cwd / "broken")
    (finished.cwd / "broken/labels" / part.name).unlink()
    assert joined.run("verify", "broken", cwd=finished.cwd).code == 5, "the marker claims what is not there"
    (finished.cwd / "broken/_SUCCESS.json").unlink()
    assert joined.run("verify", "broken", cwd=finished.cwd).code == 4, "annotate makes the part"
    status = joined.run("status", "broken", cwd=finished.cwd)
    assert status.code == 4
    assert "Nobody works on it" in status.stdout


def test_what_changed_is_labelled_and_nothing_else(finished: Finished, joined: Shell, small: EmotionModel) -> None:
    """The typo is corrected and a recording is added in front: one row of each is computed."""
    shutil.copy(LIBRISPEECH[3], finished.cwd / "audio/no-typo.flac")
    shutil.copy(LIBRISPEECH[5], finished.cwd / "audio/new.flac")
    mended = manifest("audio/no-typo.flac").splitlines()
    mended.insert(1, "audio/new.flac,new")
    (finished.cwd / "mended.csv").write_text("\n".join(mended) + "\n")
    words = ["annotate", "mended.csv", "--model", finished.model, "--output", "second"]
    refused = joined.run(*words[:-1], "first", cwd=finished.cwd)
    assert refused.code == 2
    assert refused.stderr.strip().endswith("--output first-2 --reuse first")
    result = joined.run(*words, "--reuse", "first", cwd=finished.cwd)
    assert result.code == 0, result.stderr
    assert "Reused 19 rows of first" in result.stderr
    assert "of 2 utterances" in result.stderr
    rows, before = finished.rows("second"), finished.rows("first")
    assert list(rows) == ["new", *before]
    assert_labelled_alone([rows["new"], rows[f"u{TYPO}"]], [Heard(LIBRISPEECH[5]), Heard(LIBRISPEECH[3])], small)
    assert {name: rows[name] for name in before if name != f"u{TYPO}"} == {
        name: row for name, row in before.items() if name != f"u{TYPO}"
    }
    assert joined.run("verify", "second", cwd=finished.cwd).code == 0
    other = joined.run(*words[:-1], "third", "--reuse", "first", "--max-duration", "50", cwd=finished.cwd).refused()
    assert "max_duration was 3600.0 and is now 50.0" in other


def test_error_rows_are_tried_again(finished: Finished, joined: Shell, small: EmotionModel) -> None:
    shutil.copytree(finished.cwd / "first", finished.cwd / "retried")
    before, kept = finished.rows("retried"), content(finished.cwd / "retried/labels")
    words = ["retry", "retried", "--errors", "--model", finished.model]
    assert "say which rows" in joined.run("retry", "retried", cwd=finished.cwd).refused()
    nothing = joined.run(*words, "--type", "empty", cwd=finished.cwd)
    assert RAY_STARTED not in nothing.stderr
    assert content(finished.cwd / "retried/labels") == kept
    shutil.copy(LIBRISPEECH[2], finished.cwd / "audio/typo.flac")
    result = joined.run(*words, "--type", "not_found", cwd=finished.cwd)
    (finished.cwd / "audio/typo.flac").unlink()
    assert result.code == 0, result.stderr
    assert "1 of 1 utterances" in result.stderr
    rows = finished.rows("retried")
    assert_labelled_alone([rows[f"u{TYPO}"]], [Heard(LIBRISPEECH[2])], small)
    assert {name for name in rows if rows[name] != before[name]} == {f"u{TYPO}"}
    versions = {path.read_bytes() for path in (finished.cwd / "retried/_history").glob("*.parquet")}
    (name,) = [name for name in kept if kept[name][1] in versions]
    assert len(versions) == 2
    changed = {name for name, value in content(finished.cwd / "retried/labels").items() if value != kept[name]}
    assert changed == {name}
    assert joined.run("verify", "retried", cwd=finished.cwd).code == 0
