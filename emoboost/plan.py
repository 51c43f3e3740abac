"""The plan: one pass over the manifest, stored with the output, immutable, the one table of utterances.

shards-00000.parquet, ...   one row group a shard, see emoboost.shards
plan.json                   written last: counts, identity, the schema of the carried columns
"""

import base64
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emoboost.access import Access
from emoboost.audio import resolve
from emoboost.errors import OutputError
from emoboost.files_hash import FilesHash
from emoboost.manifest import Manifest, open_manifest
from emoboost.manifest.column_types import TextTypes, typed
from emoboost.manifest.columns import LENGTH
from emoboost.manifest.kinds import open_source
from emoboost.redaction import redacted
from emoboost.shards import SHARDS_PER_FILE, ShardWriter, shard_file, shard_files
from emoboost.temporary import temporary_folder
from emoboost.utterance import Utterance

__all__ = [
    "INDEX",
    "LENGTH",
    "OF_THE_MANIFEST",
    "PLAN_FILE",
    "RELABEL",
    "Plan",
    "make_plan",
    "manifest_hash",
    "read_shard",
    "read_whole",
    "utterances_of",
]

PLAN_FILE = "plan.json"
FORMAT = 2
OF_THE_MANIFEST = ("channel", "limit")
"""Options that choose rows and channels; each row says for itself what it is."""
RELABEL = "relabel"
"""Option of an output that `relabel` made: of which output, and how."""
NOT_HASHED = ("manifest", "base", "carried")
INDEX = "plan_index"
"""Our column with the number of the row in the manifest, named so that a manifest's own `index` keeps its name."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `plan.json` holds; cheap to pickle."""

    manifest: str
    """As the user named it, without secrets."""
    base: str
    """Absolute folder or URL that relative uris start from; without secrets in plan.json."""
    manifest_hash: str
    """SHA-256 of the manifest's bytes, or of the sorted listing."""
    options: Mapping[str, object]
    """Those that change a row, as JSON values."""
    utterances: int
    shards: int
    known_seconds: float
    """Audio in the utterances whose length is known."""
    unknown_lengths: int
    """Utterances whose length is not known."""
    carried: pa.Schema
    """The manifest's own columns, under their names in the output, after the types of text columns were found."""
    renames: Mapping[str, str]
    """Name in the manifest -> name in the output, of carried columns whose name is the output's own."""
    tables_sha256: str
    """`FilesHash` of the plan's tables, in the order of shards."""
    shards_per_file: int = SHARDS_PER_FILE

    @property
    def hash(self) -> str:
        """Identity of the run: SHA-256 over plan.json without `manifest`, `base` and `carried`.

        So over its tables, too: what the recordings' headers say may differ between two looks at them, and with it how
        the utterances are cut into shards. Where an archive lies may change, and Arrow writes one schema in several
        ways.
        """
        values = {name: value for name, value in self._values().items() if name not in NOT_HASHED}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """The text of plan.json."""
        values = {"hash": self.hash, **self._values(), "base": redacted(self.base)}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def _values(self) -> dict[str, object]:
        carried = base64.b64encode(self.carried.serialize().to_pybytes()).decode()
        return {"format": FORMAT, **vars(self), "carried": carried}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse `to_json`'s text.

        Raises:
            OutputError: another format, or changed since it was written.
        """
        values = json.loads(text)
        if (found := values.pop("format", None)) != FORMAT:
            raise OutputError(
                f"{PLAN_FILE}: format is {found!r}, this release reads {FORMAT}; "
                "continue with the release that made it, or choose a new folder with --output"
            )
        stored_hash = values.pop("hash")
        carried = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(values.pop("carried"))))
        plan = cls(carried=carried, **values)
        if plan.hash != stored_hash:
            raise OutputError(f"{PLAN_FILE}: was changed after it was written; choose a new folder with --output")
        return plan


def manifest_hash(manifest: str) -> str:
    """SHA-256 of a manifest's bytes, or of the sorted listing of a folder or glob, in hex.

    Raises:
        ManifestError: it cannot be read.
    """
    return open_source(manifest).digest()


def make_plan(
    manifest: str,
    folder: Path,
    options: Mapping[str, object],
    *,
    default_channel: int | None = None,
    limit: int | None = None,
    reserved: Callable[[str], bool] = lambda name: False,
    probe: Callable[[Sequence[str]], Sequence[float | None]] | None = None,
    progress: Callable[[int], None] | None = None,
    access: Access | None = None,
) -> Plan:
    """Check a manifest and cut it into shards, in one pass and bounded memory (8 bytes an utterance).

    The hash is taken before the pass: a manifest that changes meanwhile does not match its plan when the run is
    continued, rather than passing for one that was wholly planned.

    Args:
        manifest: path or URL of a CSV, TSV or Parquet file or of a folder of audio, or a glob.
        folder: a local folder for the plan's files; made when missing.
        options: all that changes a row, JSON values; `default_channel` and `limit` belong into it.
        default_channel: of rows that name none; None is the mean of all channels.
        limit: plan only the first so many rows.
        reserved: whether a column's name belongs to the output.
        probe: seconds of the recordings at locations as `audio.resolve` gives them, None where it cannot be told;
            must not raise. Asked only where the manifest tells no length.
        progress: called with the number of utterances planned so far.
        access: how a store with the manifest is reached; None is `Access()`.

    Raises:
        ManifestError: the manifest cannot be used; the message lists what is wrong. No plan.json is written then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened = open_manifest(
        manifest,
        reserved=lambda name: name == INDEX or reserved(name),
        default_channel=default_channel,
        limit=limit,
        access=access,
    )
    identity = opened.source.digest()
    types = TextTypes(opened.columns.carried if opened.source.is_text else ())
    known_seconds, unknown_lengths = 0.0, 0
    with ShardWriter(folder, LENGTH) as writer:
        for table in opened.utterances():
            types.see(table)
            planned = _planned(table, writer.utterances, _lengths(table, opened.source.base, probe))
            known_seconds += pc.sum(planned[LENGTH]).as_py() or 0.0
            unknown_lengths += planned[LENGTH].null_count
            writer.add(planned)
            if progress is not None:
                progress(writer.utterances)
        writer.finish()
    plan = Plan(
        manifest=redacted(manifest),
        base=opened.source.base,
        manifest_hash=identity,
        options=json.loads(json.dumps(options)),
        utterances=writer.utterances,
        shards=writer.shards,
        known_seconds=known_seconds,
        unknown_lengths=unknown_lengths,
        carried=_carried_schema(opened, types),
        renames=opened.columns.renames,
        tables_sha256=_tables_hash(folder, writer.shards),
    )
    (folder / PLAN_FILE).write_text(plan.to_json(), encoding="utf-8")
    return plan


def read_shard(plan: Plan, open_file: Callable[[str], AbstractContextManager[IO[bytes]]], shard: int) -> pa.Table:
    """The utterances of one shard; reads one row group.

    Args:
        plan: whose shard.
        open_file: opens one of the plan's files, by name, for reading and seeking.
        shard: its number, from 0.

    Returns:
        plan_index (int64, number of the row), utterance_id, uri (string), channel (int32; null is the mean of all),
        start, end, plan_length (float64, seconds; null is unknown), then `plan.carried`.
    """
    if not 0 <= shard < plan.shards:
        raise IndexError(f"shard {shard} of a plan with {plan.shards}")
    name, row_group = shard_file(shard, plan.shards_per_file)
    with open_file(name) as file:
        table = pq.ParquetFile(file).read_row_group(row_group, use_threads=False)
    return typed(table, plan.carried)


def read_whole(
    manifest: str, *, default_channel: int | None = None, access: Access | None = None
) -> tuple[Plan, pa.Table]:
    """Every utterance of a manifest that fits into memory, as `read_shard` gives them, and the plan that they are of.

    Args:
        manifest: path or URL.
        default_channel: of rows that name none; None is the mean of all channels.
        access: how a store with the manifest is reached; None is `Access()`.

    Raises:
        ManifestError: the manifest cannot be used.
    """
    with temporary_folder() as folder:
        plan = make_plan(manifest, folder, {}, default_channel=default_channel, access=access)
        shards = [read_shard(plan, lambda name: (folder / name).open("rb"), shard) for shard in range(plan.shards)]
    return plan, pa.concat_tables(shards)


def utterances_of(table: pa.Table) -> list[Utterance]:
    """The rows of `read_shard`'s table, without the carried columns: Python has no value for some that Arrow has."""
    names = ("utterance_id", "uri", "channel", "start", "end", LENGTH)
    return [Utterance(*row) for row in zip(*(table[name].to_pylist() for name in names), strict=True)]


def _planned(table: pa.Table, first: int, lengths: pa.Array) -> pa.Table:
    """A stretch of utterances with the columns of the plan."""
    length = table.schema.get_field_index(LENGTH)
    return table.set_column(length, LENGTH, lengths).add_column(
        0, INDEX, pa.array(np.arange(first, first + len(table)))
    )


def _lengths(
    table: pa.Table, base: str, probe: Callable[[Sequence[str]], Sequence[float | None]] | None
) -> pa.ChunkedArray | pa.Array:
    """(n,) float64 seconds of each utterance, from the manifest or else from the recordings' headers."""
    told = table[LENGTH]
    if probe is None or not told.null_count:
        return told
    unknown = np.flatnonzero(np.asarray(pc.is_null(told)))
    uris = table["uri"].take(unknown).to_pylist()
    distinct = list(dict.fromkeys(uris))
    durations = dict(zip(distinct, probe([resolve(uri, base) for uri in distinct]), strict=True))
    found = np.array([durations[uri] for uri in uris], np.float64)
    rest = np.maximum(found - np.asarray(table["start"])[unknown], 0.0)
    lengths = np.asarray(pc.fill_null(told, math.nan)).copy()
    lengths[unknown] = np.where(np.isfinite(rest), rest, math.nan)
    return pa.array(lengths, mask=np.isnan(lengths))


def _carried_schema(manifest: Manifest, types: TextTypes) -> pa.Schema:
    source = manifest.source

    def field(ours: str, theirs: str) -> pa.Field:
        if source.is_text:
            return pa.field(ours, types.of(ours))
        found = source.schema.field(theirs)
        # The number of a column in the manifest's file means nothing in ours.
        kept = {key: value for key, value in (found.metadata or {}).items() if key != b"PARQUET:field_id"}
        return found.with_name(ours).with_metadata(kept or None)

    return pa.schema([field(ours, theirs) for ours, theirs in manifest.columns.carried.items()])


def _tables_hash(folder: Path, shards: int) -> str:
    files = FilesHash()
    for name in shard_files(shards):
        with (folder / name).open("rb") as content:
            files.add(name, hashlib.file_digest(content, "sha256").hexdigest())
    return files.hex
