"""Whether a part holds the rows that the plan gives its shard, in the form that the schema says."""

import functools
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.carried import values_of
from emoboost.ledger import METADATA_PREFIX, Ledger
from emoboost.plan import RELABEL
from emoboost.schema import FORMAT_VERSION, classes_of, labels_schema
from emoboost.verify.findings import Findings
from emoboost.verify.row_check import problems_of


class PartCheck:
    """Takes the parts one after the other; all must have the model's classes."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self._ledger = ledger
        self._findings = findings
        # As the plan has them: a part may be damaged, the first like any other.
        classes: Any = ledger.plan.options.get("classes", ())
        self._classes: tuple[str, ...] = tuple(classes)

    def see(self, shard: int, part: pa.Table, planned: pa.Table) -> bool:
        """Check the part of a shard; returns whether its columns are such that its rows can be counted."""
        if not (self._is_valid(shard, part) and self._has_the_schema(shard, part.schema)):
            return False
        self._compare_metadata(shard, part.schema.metadata or {})
        if len(part) != len(planned):
            self._add(shard, f"holds {len(part)} rows, the plan gives this shard {len(planned)}")
            return True
        ids = part["utterance_id"].to_pylist()
        for name in ("utterance_id", "uri", "channel", "start", *self._ledger.plan.carried.names):
            self._compare_column(shard, name, part[name], planned[name], ids)
        self._check_rows(shard, part, planned)
        return True

    def _is_valid(self, shard: int, part: pa.Table) -> bool:
        """Whether the values are what Arrow says they are; text, for one, need not be UTF-8."""
        try:
            part.validate(full=True)
        except pa.ArrowException as error:
            self._add(shard, f"holds damaged values ({str(error).splitlines()[0]})")
            return False
        return True

    def _has_the_schema(self, shard: int, schema: pa.Schema) -> bool:
        plan, classes = self._ledger.plan, classes_of(schema.names)
        if classes != self._classes:
            ours = f"the model's are {', '.join(self._classes)}"
            self._add(shard, f"the classes are {', '.join(classes) or 'none'}, {ours}")
            return False
        expected = _as_stored(labels_schema(classes, plan.carried, relabelled=RELABEL in plan.options))
        if not classes or schema != expected:
            self._add(shard, _difference(schema, expected) if classes else "has no column prob_<class>")
            return False
        return True

    def _compare_metadata(self, shard: int, metadata: dict[bytes, bytes]) -> None:
        plan = self._ledger.plan
        expected = {"format": FORMAT_VERSION, "plan": plan.hash}
        expected |= {name: str(plan.options[name]) for name in ("model", "precision") if name in plan.options}
        for name, wanted in expected.items():
            key = METADATA_PREFIX + name
            found = metadata.get(key.encode(), b"nothing").decode(errors="replace")
            if found != wanted:
                self._add(shard, f"the schema's {key} is {found}, must be {wanted}")

    def _compare_column(
        self, shard: int, name: str, found: pa.ChunkedArray, planned: pa.ChunkedArray, ids: Sequence[str]
    ) -> None:
        if found.equals(planned):
            return
        for row, (value, wanted) in enumerate(zip(values_of(found), values_of(planned), strict=True)):
            # Not by ==, because a manifest may carry NaN.
            if repr(value) != repr(wanted):
                self._add(shard, f"{name} is {value!r}, the plan says {wanted!r}", ids[row])

    def _check_rows(self, shard: int, part: pa.Table, planned: pa.Table) -> None:
        carried = set(self._ledger.plan.carried.names)
        rows = part.select([name for name in part.column_names if name not in carried]).to_pylist()
        for row, planned_end in zip(rows, planned["end"].to_pylist(), strict=True):
            for problem in problems_of(row, planned_end, self._classes):
                self._add(shard, problem, row["utterance_id"])

    def _add(self, shard: int, what: str, utterance_id: str | None = None) -> None:
        self._findings.add(self._ledger.part_name(shard), what, shard, utterance_id)


@functools.lru_cache(maxsize=1)
def _as_stored(schema: pa.Schema) -> pa.Schema:
    """The schema as it comes back from a file; Parquet does not keep every type, for example of dictionaries."""
    file = io.BytesIO()
    pq.write_table(schema.empty_table(), file)
    return pq.read_schema(pa.BufferReader(file.getvalue())).remove_metadata()


def _difference(found: pa.Schema, expected: pa.Schema) -> str:
    for position in range(max(len(found), len(expected))):
        ours = _told(found, position)
        theirs = _told(expected, position)
        if ours != theirs:
            return f"column {position} is {ours}, must be {theirs}"
    return f"the columns are {found.names}, must be {expected.names}"


def _told(schema: pa.Schema, position: int) -> str:
    if position >= len(schema):
        return "missing"
    field = schema.field(position)
    return f"{field.name!r} ({field.type})"
