"""How far many trainings are: a live table of those under way, read from the workers' JSON lines."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.console import say
from jobs.progress import duration

LOOK_EVERY = 0.5
PLAIN_EVERY_SECONDS = 10.0


@dataclass
class TrialProgress:
    """What the workers have said so far."""

    folder: Path
    """With one file for each worker."""
    total: int
    """Trials to do."""
    epochs: int
    """Of a trial, at most."""
    started: float = field(default_factory=time.time)
    running: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Trial -> its last epoch."""
    done: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Trial and reason."""
    _read: dict[Path, int] = field(default_factory=dict)

    def look(self) -> list[dict[str, Any]]:
        """Read what is new; lines of earlier runs are passed over."""
        news = []
        for file in sorted(self.folder.glob("*.jsonl")):
            with file.open("rb") as source:
                source.seek(self._read.get(file, 0))
                content = source.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read[file] = self._read.get(file, 0) + len(whole)
            news += [line for line in _lines_of(whole) if line["time"] >= self.started]
        for line in news:
            self._count(line)
        return news

    def _count(self, line: dict[str, Any]) -> None:
        trial, event = line["trial"], line["event"]
        if event == "done":
            self.done += 1
            self.running.pop(trial, None)
        elif event == "failed":
            self.failed.append((trial, line["reason"]))
            self.running.pop(trial, None)
        else:
            self.running[trial] = line

    def line(self) -> str:
        """One line for people."""
        return " · ".join([self.summary(), *(self._state_of(trial) for trial in sorted(self.running))])

    def summary(self) -> str:
        """How many are done, and how long the rest will take."""
        elapsed = time.time() - self.started
        done = f"{self.done:,} of {self.total:,} trainings"
        if not 0 < self.done < self.total:
            return done
        return f"{done} · {duration(elapsed / self.done * (self.total - self.done))} left"

    def _state_of(self, trial: str) -> str:
        line = self.running[trial]
        if line["event"] == "start":
            return f"{trial} starts"
        return f"{trial} epoch {line['epoch']} of {self.epochs}, loss {line['loss']:.3f}"

    def table(self) -> Any:
        """The same for a terminal."""
        from rich.table import Table

        table = Table("training", "epoch", "loss", box=None, pad_edge=False)
        for trial in sorted(self.running):
            line = self.running[trial]
            loss = f"{line['loss']:.3f}" if "loss" in line else ""
            table.add_row(trial, f"{line.get('epoch', 0)} of {self.epochs}", loss)
        table.caption = self.summary()
        return table


def _lines_of(content: bytes) -> Iterator[dict[str, Any]]:
    """A line that a killed process left half, and the next one wrote on, is no JSON: it is passed over."""
    for line in content.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


@contextlib.contextmanager
def trial_progress(folder: Path, total: int, epochs: int) -> Iterator[TrialProgress]:
    """Show the trials on standard error while the context lasts; a live table on a terminal, lines elsewhere."""
    state = TrialProgress(folder, total, epochs)
    ended = threading.Event()
    show = _live if sys.stderr.isatty() else _plain
    thread = threading.Thread(target=show, args=(state, ended), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        ended.set()
        thread.join()
        state.look()


def _plain(state: TrialProgress, ended: threading.Event) -> None:
    said = 0.0
    while not ended.wait(LOOK_EVERY):
        if state.look() and time.monotonic() - said >= PLAIN_EVERY_SECONDS:
            said = time.monotonic()
            say(state.line())
    state.look()
    say(state.line())


def _live(state: TrialProgress, ended: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=sys.stderr), refresh_per_second=4, transient=True) as live:
        while not ended.wait(LOOK_EVERY):
            state.look()
            live.update(state.table())
    state.look()
    say(state.line())
