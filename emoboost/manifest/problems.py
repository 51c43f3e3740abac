"""All that is wrong with a manifest, gathered into one error."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from emoboost.errors import ManifestError
from emoboost.printable import shown

SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing to mend.

    >>> Problem(7, "is negative; give seconds from the recording's start", "start", "-1").text("calls.csv", "line")
    "calls.csv, line 7, column 'start', value '-1': is negative; give seconds from the recording's start"
    """

    position: int
    """Line of a text file on which the row begins, or row, counted from 1."""
    what: str
    """What is wrong and what to do about it."""
    column: str | None = None
    value: object = None
    """As the manifest has it; told when a column is."""

    def text(self, manifest: str, unit: str) -> str:
        """One line for the user; `unit` is what `position` counts."""
        where = [manifest, f"{unit} {self.position}"]
        if self.column is not None:
            where += [f"column {shown(self.column)}", f"value {shown(self.value)}"]
        return f"{', '.join(where)}: {self.what}"


@dataclass
class Problems:
    """Counts every problem and remembers the first few, whatever the size of the manifest."""

    manifest: str
    unit: str
    first: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, problems: Iterable[Problem], more: int = 0) -> None:
        """Note the problems of the next stretch of the manifest, in any order, and how many `more` it has."""
        self.count += more
        for problem in sorted(problems, key=lambda problem: problem.position):
            self.count += 1
            if len(self.first) < SHOWN:
                self.first.append(problem)

    def raise_if_any(self) -> None:
        """End the reading of the manifest.

        Raises:
            ManifestError: something was noted; the message lists up to 20 problems, one a line.
        """
        if not self.count:
            return
        lines = [problem.text(self.manifest, self.unit) for problem in self.first]
        if more := self.count - len(lines):
            lines.append(f"and {more} more")
        heading = f"{self.manifest} cannot be used; {self.count} problem{'s' if self.count > 1 else ''}:"
        raise ManifestError("\n  ".join([heading, *lines]))
