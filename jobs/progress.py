"""How far a run is: a live line on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PLAIN_EVERY_SECONDS = 10.0
SETTLED_SECONDS = 5.0
"""Until then the speed is that since the start, because a few shards say little."""


@dataclass
class Progress:
    """Counts of one run; `add` takes a finished shard."""

    utterances_total: int
    seconds_total: float | None
    """None when the length of some recordings is unknown; the share done is then told by utterances."""
    show: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    utterances: int = 0
    seconds: float = 0.0
    errors: int = 0

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._first: tuple[float, float, int] | None = None

    def add(self, *, utterances: int, errors: int, seconds: float) -> None:
        """Count one finished shard and show the line."""
        self.utterances += utterances
        self.errors += errors
        self.seconds += seconds
        if self._first is None:
            self._first = (self.clock(), self.seconds, self.utterances)
        self.show(self.line())

    @property
    def share(self) -> float:
        """Done of all, in [0, 1]."""
        if self.seconds_total:
            return min(1.0, self.seconds / self.seconds_total)
        return self.utterances / max(1, self.utterances_total)

    def line(self) -> str:
        """One line for people."""
        audio = f"{duration(self.seconds)} of audio"
        if self.seconds_total:
            audio = f"{duration(self.seconds)} of {duration(self.seconds_total)} of audio"
        elapsed, seconds, utterances = self._since_first()
        left = self.utterances_total - self.utterances
        parts = [
            audio,
            f"{self.utterances:,} of {self.utterances_total:,} utterances",
            f"{seconds / elapsed:.0f} x real time" if elapsed > 0 else "",
            f"{duration(left * elapsed / utterances)} left" if left and elapsed > 0 and utterances else "",
            f"{self.errors:,} error{'s' * (self.errors != 1)}",
        ]
        return " · ".join(part for part in parts if part)

    def _since_first(self) -> tuple[float, float, int]:
        """Time, audio and utterances since the first shard, so that start-up does not count as slowness."""
        now = self.clock()
        if self._first is None or now - self._first[0] < SETTLED_SECONDS:
            return now - self._started, self.seconds, self.utterances
        since, seconds, utterances = self._first
        return now - since, self.seconds - seconds, self.utterances - utterances


@contextlib.contextmanager
def progress(utterances_total: int, seconds_total: float | None) -> Iterator[Progress]:
    """Progress that is shown on standard error while the context lasts."""
    if sys.stderr.isatty():
        yield from _live(utterances_total, seconds_total)
        return
    lines = _PlainLines()
    yield Progress(utterances_total, seconds_total, lines.show)
    lines.finish()


class NowAndThen:
    """Says on standard error how far something is that may take a while: nothing for the first seconds."""

    def __init__(self, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._said = time.monotonic()

    def __call__(self, line: str) -> None:
        """Say this line, unless one was said just now."""
        if time.monotonic() - self._said >= self._seconds:
            self._said = time.monotonic()
            print(line, file=sys.stderr, flush=True)


def checking(what: str, shards: int) -> Callable[[int], None]:
    """Says now and then how many shards were looked at."""
    told = NowAndThen()
    return lambda done: told(f"{what}: {done:,} of {shards:,} shards")


@dataclass
class _PlainLines:
    """Prints at most one line in ten seconds, and the last one in any case."""

    printed: float = -PLAIN_EVERY_SECONDS
    waiting: str = ""

    def show(self, line: str) -> None:
        self.waiting = line
        if time.monotonic() - self.printed >= PLAIN_EVERY_SECONDS:
            self.finish()

    def finish(self) -> None:
        if self.waiting:
            print(self.waiting, file=sys.stderr, flush=True)
        self.printed, self.waiting = time.monotonic(), ""


def _live(utterances_total: int, seconds_total: float | None) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    # The text wraps on a narrow terminal: what it ends with is what people wait for.
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=12),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=False)),
    )
    console = Console(file=sys.stderr)
    # Standard output stays as it is: Ray's lines are kept out of it elsewhere.
    with Bar(*columns, console=console, redirect_stdout=False, redirect_stderr=False, expand=True) as bar:
        task = bar.add_task("starting workers", total=1.0)
        state = Progress(
            utterances_total,
            seconds_total,
            lambda line: bar.update(task, description=line, completed=state.share),
        )
        yield state


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(47.2), duration(600), duration(9000)
    ('47 s', '10.0 min', '2.50 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.2f} h"
