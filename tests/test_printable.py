"""No text from strangers commands a terminal, forges a line, or cannot be printed."""

import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from finished import annotated, summarise
from hypothesis import given
from hypothesis import strategies as st
from reading import CLIP, REPOSITORY

from emoboost.checkpoint import CARD, CONFIG, ModelFolder
from emoboost.errors import ManifestError, StorageStop, UsageError
from emoboost.printable import printable, printable_lines
from emoboost.status import Worker
from emoboost.verify import Finding, Findings
from jobs.console import label_lines, say, summary_text, tell
from jobs.exits import Exit, run
from jobs.model import show_command
from jobs.predict import predict_command
from jobs.status import worker_line
from jobs.verify import verified_text

EVIL = "a\x1b]0;owned\x07\x1b[2J\r\x9b1m\u202eb\u2028\udcfc"
SHOWN = r"a\x1b]0;owned\x07\x1b[2J\r\x9b1m\u202eb\u2028\udcfc"
FORGED = f"{EVIL}\nComplete: all is well"
FORGED_SHOWN = rf"{SHOWN}\nComplete: all is well"
DANGEROUS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text(st.characters(exclude_categories=[])))
def test_every_text_is_printable(text: str) -> None:
    for shown in (printable(text), printable_lines(text)):
        assert not DANGEROUS.search(shown)
        shown.encode()
        assert printable_lines(shown) == shown
    assert "\n" not in printable(text)
    assert printable_lines(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text", ["calls/Übung 7.wav", "呼叫\u3000七", "می\u200cخواهم", "👩\u200d🚀", "C:\\calls\\n.wav", "█··", "𝄞"]
)
def test_other_text_stays(text: str) -> None:
    assert printable(text) == text


def test_lines_on_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    say(FORGED)
    tell(f"{EVIL}\nsecond")
    assert capsys.readouterr() == (f"{SHOWN}\nsecond\n", f"{FORGED_SHOWN}\n")


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_keeps_its_own_lines(capsys: pytest.CaptureFixture[str], debug: bool) -> None:
    def command() -> Exit:
        raise UsageError(f"{EVIL}\n  second")

    with pytest.raises(SystemExit):
        run(command, debug=debug)
    err = capsys.readouterr().err
    assert err.endswith(f"Error: {SHOWN}\n  second\n")
    assert not DANGEROUS.search(err)


def test_a_store_that_cannot_be_used() -> None:
    assert str(StorageStop(FORGED, FORGED, "mend it")).count("\n") == 0


def test_a_worker() -> None:
    worker = Worker(FORGED, 7, FORGED, 1.0, False, 3, 2.0, 0, 9.0)
    assert worker_line(worker).startswith(f"  {FORGED_SHOWN}, process 7: at work since {FORGED_SHOWN}, last")


def test_labels() -> None:
    assert label_lines(Counter({FORGED: 1}))[0].startswith(f"  {FORGED_SHOWN}  █")


def test_findings() -> None:
    findings = Findings()
    findings.add(FORGED, FORGED, 0, FORGED)
    assert str(Finding("x", "y")) == "x: y"
    text = verified_text(None, None, None, findings, marker=False)
    assert text.startswith(f"WRONG: {FORGED_SHOWN}, shard 0, row ")
    assert len(text.splitlines()) == 2


def test_the_summary_of_a_run(tiny_model: ModelFolder, tmp_path: Path) -> None:
    name = "x\x1b[2J\u202e"
    rows = ["path,utterance_id", f'"{name}\nComplete.wav","{name}\nComplete"', f"{CLIP},fine"]
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    summary = summarise(annotated(tmp_path / "m.csv", tmp_path / "out", tiny_model))
    text = summary_text(summary, 1.0, None, FORGED)
    assert not DANGEROUS.search(text)
    assert rf"    x\x1b[2J\u202e\nComplete: {tmp_path}/x\x1b[2J\u202e\nComplete.wav: there is no such file" in text
    assert f"({FORGED_SHOWN})" in text


def test_a_look_before_the_work(tiny_model: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('path\n"x\nError: y.wav"\n')
    with pytest.raises(ManifestError, match=r"/x\\nError: y\.wav: there is no such file\n"):
        annotated(tmp_path / "m.csv", tmp_path / "out", tiny_model)


@pytest.fixture
def hostile_model(tiny_model: ModelFolder, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "model"))
    values = json.loads((folder / CONFIG).read_text())
    values["training"]["summary"] = FORGED.replace("\udcfc", "")
    values["name"] = "tiny\x1b[2J\n"
    values["classes"][0] = "anger\x1b[2J\n"
    (folder / CONFIG).write_text(json.dumps(values))
    (folder / CARD).write_text("# Card\n\n\x1b]0;owned\x07text\n", encoding="utf-8")
    return folder


def test_a_model(hostile_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_command(str(hostile_model), as_json=False)
    out = capsys.readouterr().out
    assert not DANGEROUS.search(out)
    assert "\nComplete" not in out
    assert out.endswith("\n# Card\n\n\\x1b]0;owned\\x07text\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_prediction(hostile_model: Path, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(CLIP), f"{tmp_path}/{EVIL}\nnone.wav"]
    predict_command(files, str(hostile_model), None, tmp_path / "p.csv", as_json=True)
    assert len(json.loads(capsys.readouterr().out)) == 2
    predict_command(files, str(hostile_model), None, None, as_json=as_json)
    out = capsys.readouterr().out
    assert not DANGEROUS.search(out)
    assert "\nnone.wav" not in out
    assert as_json or f"{SHOWN}\\nnone.wav\n  error: " in out


def test_whatever_is_printed_goes_through_it() -> None:
    """Other prints are of JSON, which is ASCII, and of what holds no text of strangers."""
    allowed = ("jobs/console.py", "jobs/exits.py", "jobs/progress.py")
    found = [
        f"{file.relative_to(REPOSITORY)}: {line.strip()}"
        for folder in ("jobs", "emoboost", "cluster")
        for file in sorted((REPOSITORY / folder).rglob("*.py"))
        if str(file.relative_to(REPOSITORY)) not in allowed
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"(?<![\w.>])print\(|ensure_ascii=False\)\)$", line)
        if not re.search(r"print\(json\.dumps\(|print\(f\"emoboost-batch \{version|>>> print", line)
    ]
    assert found == []
    assert sys.stdout.encoding
