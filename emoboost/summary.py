"""What an output holds, counted from its parts and checked against its plan."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from emoboost.carried import values_of
from emoboost.ledger import METADATA_PREFIX
from emoboost.schema import Status
from emoboost.vocabulary import canonical

MANY_SEGMENTS = 10
FIRST_ERRORS = 5
TRUTH = "manifest_label"
CALIBRATED_ON = f"{METADATA_PREFIX}calibrated_on".encode()


def calibration_of(part: pa.Table) -> str | None:
    """The speech that the model of a part was calibrated on, in its user's words; None where it was not."""
    words: bytes | None = (part.schema.metadata or {}).get(CALIBRATED_ON)
    return words.decode(errors="replace") if words else None


@dataclass
class Counts:
    """Running totals over parts."""

    utterances: int = 0
    seconds: float = 0.0
    segments: int = 0
    many_segments: int = 0
    status: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    error_types: Counter[str] = field(default_factory=Counter)
    first_errors: list[Mapping[str, str]] = field(default_factory=list)
    compared: int = 0
    agreed: int = 0
    calibrated_on: str | None = None
    """The user's own speech that the model of the parts was calibrated on; None: their numbers are scores."""

    def add(self, part: pa.Table) -> None:
        """Count one part's rows."""
        self.utterances += len(part)
        self.calibrated_on = calibration_of(part) or self.calibrated_on
        self.seconds += pc.sum(part["duration"]).as_py() or 0.0
        self.segments += pc.sum(part["n_segments"]).as_py() or 0
        self.many_segments += pc.sum(pc.greater(part["n_segments"], MANY_SEGMENTS)).as_py() or 0
        _tally(self.status, part["status"])
        _tally(self.labels, part["label"])
        _tally(self.error_types, part["error_type"])
        room = FIRST_ERRORS - len(self.first_errors)
        # Of these columns only: Arrow cannot filter every type that a manifest may carry.
        told = part.select(["utterance_id", "error_type", "error_message"])
        self.first_errors += told.filter(pc.equal(part["status"], Status.ERROR.value)).slice(0, room).to_pylist()
        if TRUTH in part.column_names:
            self._compare(values_of(part[TRUTH]), part["label"].to_pylist())

    def _compare(self, truths: Sequence[object], labels: Sequence[str | None]) -> None:
        told = ["" if truth is None else str(truth).strip() for truth in truths]
        for (truth, label), count in Counter(zip(told, labels, strict=True)).items():
            if truth and label is not None:
                self.compared += count
                self.agreed += count * (canonical(truth) == label)


def _tally(counter: Counter[str], column: pa.ChunkedArray) -> None:
    for entry in pc.value_counts(column.drop_null()):
        counter[entry["values"].as_py()] += entry["counts"].as_py()


@dataclass(frozen=True)
class Summary:
    """A finished or unfinished output in numbers."""

    output: str
    model: str
    planned: int
    counts: Counts
    shards: int
    missing_shards: list[int]
    renames: Mapping[str, str]
    """Columns of the manifest whose name is ours, and the name under which they are carried."""
    problems: list[str]
    """The first of what is wrong; empty in a healthy output."""
    parts_sha256: str
    """`FilesHash` of the parts that are there and right, in the order of shards; of names, too, up to ten million."""

    @property
    def complete(self) -> bool:
        """Whether every planned utterance has its row, and every check holds."""
        return not self.missing_shards and not self.problems

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        counts = {key: dict(value) if isinstance(value, Counter) else value for key, value in vars(self.counts).items()}
        return {
            "output": self.output,
            "model": self.model,
            "complete": self.complete,
            "planned": self.planned,
            "shards": self.shards,
            "missing_shards": len(self.missing_shards),
            "renamed_columns": dict(self.renames),
            "problems": self.problems,
            "parts_sha256": self.parts_sha256,
            **counts,
        }
