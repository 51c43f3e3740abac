"""What is wrong with an output: all of it counted, the first few told."""

from dataclasses import dataclass, field

from emoboost.errors import OutputError
from emoboost.ledger import Ledger

SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be.

    >>> print(Finding("labels/part-0.parquet", "n_segments is 0, must be at least 1", 0, "call-7"))
    labels/part-0.parquet, shard 0, row 'call-7': n_segments is 0, must be at least 1
    """

    file: str
    """Its name within the output."""
    what: str
    """What was found and what should be there."""
    shard: int | None = None
    utterance_id: str | None = None

    def __str__(self) -> str:
        shard = "" if self.shard is None else f", shard {self.shard}"
        row = "" if self.utterance_id is None else f", row {self.utterance_id!r}"
        return f"{self.file}{shard}{row}: {self.what}"


@dataclass
class Findings:
    """Counts every finding and remembers the first few, however many there are."""

    first: list[Finding] = field(default_factory=list)
    count: int = 0
    files: dict[str, str] = field(default_factory=dict)
    """What was found first in each file."""
    unfinished: list[str] = field(default_factory=list)
    """What is not wrong, and annotate finishes."""

    def add(self, file: str, what: str, shard: int | None = None, utterance_id: str | None = None) -> None:
        """Note one; see `Finding` for the arguments."""
        self.count += 1
        self.files.setdefault(file, what)
        if len(self.first) < SHOWN:
            self.first.append(Finding(file, what, shard, utterance_id))

    def leave(self, what: str) -> None:
        """Note something that is left to do."""
        self.unfinished.append(what)


def reason_of(error: Exception, ledger: Ledger, file: str) -> str:
    """Why a file of an output cannot be read, without the file's name, which a finding tells already."""
    text = str(error) or type(error).__name__
    reason = text.splitlines()[0].removeprefix(f"{ledger.folder.display}: {file} ")
    return reason if isinstance(error, OutputError) else f"is damaged ({reason})"
