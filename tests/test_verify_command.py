"""What `verify` prints, and its exit code."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from finished import annotated, label, planned

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder
from emoboost.errors import ModelError, UsageError
from emoboost.ledger import Ledger
from jobs.exits import Exit
from jobs.retry import RetryOptions, error_types, retry
from jobs.verify import verify_command


@pytest.fixture
def manifest(tmp_path: Path, clips: list[Path]) -> Path:
    """Ten rows, one without a recording; two shards."""
    rows = [f"u{number},{clip},1" for number, clip in enumerate([*clips[:9], tmp_path / "gone.wav"])]
    (tmp_path / "m.csv").write_text("\n".join(["utterance_id,path,end", *rows]) + "\n")
    return tmp_path / "m.csv"


@pytest.fixture
def output(manifest: Path, tiny_model: ModelFolder, tmp_path: Path) -> Ledger:
    return annotated(manifest, tmp_path / "out", tiny_model)


def run(ledger: Ledger, **options: Any) -> Exit:
    access = options.pop("access", Access())
    chosen: dict[str, Any] = {
        "access": access,
        "recompute": 0,
        "seed": 0,
        "model_name": None,
        "as_json": False,
        **options,
    }
    return verify_command(ledger.folder.display, **chosen)


def test_everything_holds(output: Ledger, tiny_model: ModelFolder, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(output, recompute=3, model_name=str(tiny_model.path)) is Exit.COMPLETE
    *lines, result = capfd.readouterr().out.splitlines()
    facts = {line[:12].strip(): line[13:] for line in lines}
    assert facts.pop("recomputed").startswith("3 of 3 rows; largest difference of a probability ")
    assert facts == {
        "output": output.folder.display,
        "model": tiny_model.identity,
        "plan": "10 utterances in 2 shards",
        "parts": "2 read, 0 missing",
        "rows": "10 (9 ok, 1 error), 9 s of audio",
        "marker": "there",
    }
    assert result == "Everything holds."


def test_unfinished(
    manifest: Path, tiny_model: ModelFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished = planned(manifest, tmp_path / "out", tiny_model)
    label(unfinished, tiny_model, [1])
    assert run(unfinished) is Exit.INCOMPLETE
    assert capsys.readouterr().out.endswith("Nothing is wrong; annotate makes the missing parts.\n")


def test_wrong(output: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(21):
        (tmp_path / f"out/labels/{number}.txt").write_text("")
    assert run(output) is Exit.WRONG
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("WRONG: labels/") for line in lines) == 20
    assert lines[-2:] == ["and 1 more", "21 findings."]


def test_a_lost_plan(output: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    output.folder.remove("_plan/plan.json")
    assert run(output) is Exit.WRONG
    assert capsys.readouterr().out.startswith("WRONG: _plan/plan.json: is missing")
    assert run(output, as_json=True) is Exit.WRONG
    assert json.loads(capsys.readouterr().out)["findings"] == 1


def test_json(output: Ledger, tiny_model: ModelFolder, capfd: pytest.CaptureFixture[str]) -> None:
    output.withdraw_success()
    assert run(output, recompute=2, model_name=str(tiny_model.path), as_json=True) is Exit.INCOMPLETE
    values = json.loads(capfd.readouterr().out)
    recomputed = values.pop("recomputed")
    assert values == {
        "output": output.folder.display,
        "result": "incomplete",
        "parts": 2,
        "missing_parts": 0,
        "rows": 10,
        "status": {"ok": 9, "error": 1},
        "success_marker": False,
        "unfinished": ["_SUCCESS.json is not written yet"],
        "findings": 0,
        "first_findings": [],
    }
    assert (recomputed["rows"], recomputed["compared"], recomputed["flipped"]) == (2, 2, 0)
    assert run(output) is Exit.INCOMPLETE
    text = capfd.readouterr().out
    assert text.endswith(
        "UNFINISHED: _SUCCESS.json is not written yet\nNothing is wrong; annotate, or retry, finishes it.\n"
    )
    output.folder.replace("_SUCCESS.json", b"{")
    assert run(output, as_json=True) is Exit.WRONG
    (finding,) = json.loads(capfd.readouterr().out)["first_findings"]
    assert (finding["file"], finding["shard"], finding["utterance_id"]) == ("_SUCCESS.json", None, None)


@pytest.mark.parametrize(
    ("made", "given", "message"),
    [
        ({"root": "/"}, {}, r"was made with --root; add --root DIR, as the annotate command had it$"),
        ({"http": True}, {}, r"was made with --allow-http; add --allow-http, as the annotate command had it$"),
        ({}, {"root": "/"}, r"was made without --root; leave it out$"),
        ({}, {"http": True}, r"was made without --allow-http; leave it out$"),
    ],
)
def test_recordings_are_read_under_the_rules_of_the_run(
    manifest: Path, tiny_model: ModelFolder, tmp_path: Path, made: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    ledger = annotated(manifest, tmp_path / "out", tiny_model, access=Access(**made))
    with pytest.raises(UsageError, match=message):
        run(ledger, recompute=1, model_name=str(tiny_model.path), access=Access(**given))
    options = RetryOptions(
        output=ledger.folder.display, types=error_types([]), model=str(tiny_model.path), access=Access(**given)
    )
    with pytest.raises(UsageError, match=message):
        retry(options, tmp_path / "log")
    assert run(ledger) is Exit.COMPLETE, "without recordings no rule is needed"


def test_recomputing_within_a_root(
    manifest: Path, tiny_model: ModelFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = annotated(manifest, tmp_path / "out", tiny_model, access=Access(root="/"))
    chosen = {"recompute": 9, "model_name": str(tiny_model.path)}
    assert run(ledger, **chosen, access=Access(root="/")) is Exit.COMPLETE
    assert "9 of 9 rows" in capfd.readouterr().out
    assert run(ledger, **chosen, access=Access(root=str(tmp_path / "out"))) is Exit.INCOMPLETE
    out = capfd.readouterr().out
    assert "0 of 9 rows" in out
    assert "9 cannot be read now" in out


def test_a_root_that_is_no_folder(output: Ledger, tiny_model: ModelFolder, tmp_path: Path) -> None:
    access = Access(root=str(tmp_path / "none"))
    for recompute in (0, 1):
        with pytest.raises(UsageError, match=f"^--root {tmp_path}/none: no such folder"):
            run(output, recompute=recompute, model_name=str(tiny_model.path), access=access)


def test_retry_wants_a_root_that_is_a_folder(manifest: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
    ledger = annotated(manifest, tmp_path / "out", tiny_model, access=Access(root="/"))
    access = Access(root=str(tmp_path / "none"))
    options = RetryOptions(output=ledger.folder.display, types=error_types([]), access=access)
    with pytest.raises(UsageError, match=f"^--root {tmp_path}/none: no such folder"):
        retry(options, tmp_path / "log")


def test_a_model_is_refused_before_the_work(output: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="is not a bundled model"):
        run(output, recompute=1)
    assert capsys.readouterr().out == ""


def test_a_moved_archive(
    tiny_model: ModelFolder, tmp_path: Path, clips: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Relative paths start from elsewhere now: nothing can be labelled again until one says from where."""
    archive = tmp_path / "archive"
    archive.mkdir()
    for clip in clips[:3]:
        shutil.copy(clip, archive)
    (archive / "m.csv").write_text("\n".join(["path", *(clip.name for clip in clips[:3]), ""]))
    output = annotated(archive / "m.csv", tmp_path / "out", tiny_model)
    archive.rename(tmp_path / "moved")
    words = {"recompute": 3, "model_name": str(tiny_model.path)}
    assert run(output, **words) is Exit.INCOMPLETE
    assert "no row could be labelled again; --base says" in capsys.readouterr().out
    assert run(output, **words, base=str(tmp_path / "moved")) is Exit.COMPLETE
    with pytest.raises(UsageError, match=f"--base {archive}: no such folder"):
        run(output, **words, base=str(archive))
