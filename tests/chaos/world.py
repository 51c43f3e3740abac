"""An archive, its undisturbed output, and whether another output holds the same."""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.ledger import LABELS, SUCCESS, Ledger
from emoboost.storage import TEMPORARY, Folder

REPOSITORY = Path(__file__).parents[2]
CLIPS = sorted((REPOSITORY / "examples/audio").glob("*/*.flac"))
PORTABLE = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'tests'}:{REPOSITORY}"}


def write_manifest(folder: Path, utterances: int) -> Path:
    """Real clips again and again, with a missing and a cut recording among them."""
    cut = folder / "cut.flac"
    cut.write_bytes(CLIPS[9].read_bytes()[:9_000])
    sources = itertools.cycle([*CLIPS[:5], folder / "missing.flac", *CLIPS[5:], cut])
    manifest = folder / "archive.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "utterance_id", "take"])
        writer.writerows([next(sources), f"u{number:04d}", number] for number in range(utterances))
    return manifest


def rows_of(output: str | Path) -> pa.Table:
    """Every row of an output in the order of ids, read without the code under test and with every column."""
    folder = Folder.at(output)
    parts = [pq.ParquetFile(pa.BufferReader(folder.read(f"{LABELS}/{name}"))).read() for name in folder.names(LABELS)]
    return pa.concat_tables(parts).sort_by("utterance_id").combine_chunks()


def assert_same(output: str | Path, reference: pa.Table) -> None:
    """The guarantee: every utterance exactly once, with the same content, marked as complete, and nothing half-done."""
    assert rows_of(output).equals(reference), output
    folder = Folder.at(output)
    ledger = Ledger.open(folder)
    assert ledger is not None
    assert len(folder.names(LABELS)) == ledger.plan.shards
    marker = json.loads(folder.read(SUCCESS))
    assert marker["complete"]
    assert marker["utterances"] == len(reference)
    assert folder.names(TEMPORARY) == []


def assert_readable(output: str | Path, reference: pa.Table) -> None:
    """At any moment: what is visible is whole, and holds rows of the undisturbed run and no other, each once."""
    folder = Folder.at(output)
    if not folder.names(LABELS):
        return
    found = rows_of(output)
    wanted = reference.filter(pa.compute.is_in(reference["utterance_id"], found["utterance_id"].combine_chunks()))
    assert found.equals(wanted)


@dataclass
class Run:
    """A run of the host's, while it goes or after it has ended."""

    host: "Host"
    process: int
    answer: Path

    def wait(self) -> int:
        """Its exit code; negative when a signal ended it."""
        return int(self.host.ask({"command": "wait", "process": self.process}))

    def said(self) -> dict[str, Any]:
        """What came of it."""
        found: dict[str, Any] = json.loads(self.answer.read_text())
        return found


@dataclass
class Host:
    """The other side of `host.py`."""

    folder: Path
    manifest: Path
    model: Path
    command: list[str] = field(default_factory=list)
    """In front of the interpreter, such as unshare."""
    environment: dict[str, str] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [*self.command, sys.executable, str(Path(__file__).with_name("host.py")), str(self.model), str(CLIPS[0])],
            env={**PORTABLE, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "host.txt").open("w"),
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def ask(self, request: dict[str, Any]) -> Any:
        """One request, one answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, (self.folder / "host.txt").read_text()
        return json.loads(line)

    def shell(self, *words: str | Path) -> None:
        """Run a command where the host sees the disks."""
        assert self.ask({"command": "shell", "words": [str(word) for word in words]}) == 0, words

    def start(self, output: str | Path, **request: Any) -> Run:
        """Begin a run."""
        answer = self.folder / f"answer-{next(self.numbers)}.json"
        values = {"manifest": str(self.manifest), "model": str(self.model), "output": str(output)}
        process = self.ask({"command": "start", "answer": str(answer), **values, **request})
        return Run(self, process, answer)

    def run(self, output: str | Path, **request: Any) -> tuple[int, dict[str, Any] | None]:
        """A run to its end: exit code, and what came of it unless it was killed."""
        run = self.start(output, **request)
        code = run.wait()
        return code, run.said() if code == 0 else None


def fresh(folder: Path) -> Path:
    """A folder that is not there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
