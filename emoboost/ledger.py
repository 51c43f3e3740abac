"""The output folder as its own ledger: a part that exists is done, a part that does not exist is not.

OUTPUT/labels/part-<first 8 of plan hash>-<shard>.parquet    the result, and nothing else in this folder
OUTPUT/_plan/plan.json                                       the plan, immutable; written after its tables
OUTPUT/_plan/<first 8 of plan hash>-shards-*.parquet         its tables, one row group a shard
OUTPUT/_history/                                             versions of parts that were replaced (`history.py`)
OUTPUT/_kept/<part>.parquet                                  rows of a new output that need not be computed again
OUTPUT/_runners/  _tmp/  _logs/                              who is at work, temporaries of this file system, logs
OUTPUT/_STOPPED.json                                         why a job stopped by itself, until it is complete
OUTPUT/_SUCCESS.json                                         written last, with totals checked against the plan
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emoboost.ahead import ahead
from emoboost.errors import EmoboostError, OutputError, StorageStop
from emoboost.history import History
from emoboost.plan import LENGTH, OF_THE_MANIFEST, PLAN_FILE, Plan, read_shard
from emoboost.seal import is_sealed, sealed
from emoboost.shards import shard_files
from emoboost.storage import Folder

LABELS, PLAN, KEPT, LOGS, SUCCESS = "labels", "_plan", "_kept", "_logs", "_SUCCESS.json"
STOPPED = "_STOPPED.json"
METADATA_PREFIX = "emoboost."
REVISION = f"{METADATA_PREFIX}revision".encode()
"""Of a part: how often a retry has changed it."""
EDITED = (
    "was edited: it is not as it was written. Put back the part that was there, or delete it, and annotate makes it "
    "again"
)
UNPARSABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What comes of text that is no plan."""


def refuse_inside(folder: Folder) -> None:
    """Stop before something is written into an output, whose readers would take it for a part of theirs.

    Raises:
        OutputError: the folder, which need not exist, lies in one.
    """
    for above in filter(_is_output, folder.above()):
        raise OutputError(
            f"{folder.display}: lies inside {above.display}, which is an output; name that one, or a place outside "
            "of it"
        )


def _is_output(folder: Folder) -> bool:
    try:
        return folder.exists(f"{PLAN}/{PLAN_FILE}")
    except (OSError, StorageStop):
        # Whoever may write to a place in a store need not be allowed to look above it.
        return False


@dataclass(frozen=True)
class Part:
    """One shard's result as it was read."""

    table: pa.Table
    sha256: str
    """Of the file's bytes, in hex."""
    is_edited: bool
    """Whether another program, or a disk, has written a byte of it."""


@dataclass(frozen=True)
class Damage:
    """What is wrong with a part."""

    what: str
    sha256: str | None
    """Of the file's bytes when that was found; None: it could not be read."""


@dataclass(frozen=True)
class Ledger:
    """An output folder together with its plan; cheap to pickle."""

    folder: Folder
    plan: Plan

    @classmethod
    def create(cls, folder: Folder, plan: Plan, planned: Path) -> Self:
        """Copy a finished plan from the local folder `planned` into the output; plan.json goes last.

        Returns:
            The output's ledger, whose plan is another one when another command was first.

        Raises:
            OutputError: the folder cannot be written.
        """
        folder.create()
        ledger = cls(folder, plan)
        tables = shard_files(plan.shards, plan.shards_per_file)
        with _writable(folder):
            for name in tables:
                folder.replace(ledger.plan_name(name), (planned / name).read_bytes())
            if folder.publish(f"{PLAN}/{PLAN_FILE}", (planned / PLAN_FILE).read_bytes()):
                return ledger
            winner = cls.open(folder)
            assert winner is not None
            if winner.plan.hash != plan.hash:
                for name in tables:
                    folder.remove(ledger.plan_name(name))
            return winner

    @classmethod
    def open(cls, folder: Folder) -> Self | None:
        """The ledger in this folder, or None when there is no finished plan in it.

        Raises:
            OutputError: the folder holds files of something else.
        """
        name = f"{PLAN}/{PLAN_FILE}"
        if folder.exists(name):
            try:
                content = folder.read(name)
                return cls(folder, Plan.from_json(content.decode()))
            except (*UNPARSABLE, OSError, pa.ArrowException) as error:
                raise OutputError(
                    f"{folder.display}: {name} is damaged ({type(error).__name__}); choose a new folder"
                ) from error
        if folder.is_local and Path(folder.path()).is_file():
            raise OutputError(f"{folder.display}: is a file; name an output, or an empty or new folder")
        refuse_inside(folder)
        if any(file.startswith("part-") for file in folder.names(LABELS)):
            raise OutputError(
                f"{folder.display}: {name} is missing, without which its parts say nothing; copy the output again, "
                f"with its folder {PLAN}, or choose a new folder"
            )
        foreign = [name for name in folder.names("") if not name.startswith(("_", "."))]
        if foreign:
            raise OutputError(
                f"{folder.display}: holds {foreign[0]!r} and is not an output of emoboost-batch; "
                "name one that is, or to begin one an empty or new folder"
            )
        return None

    def plan_name(self, file: str) -> str:
        """Where one of the plan's tables lies; the hash, which is also over them, keeps two plans from mixing."""
        return f"{PLAN}/{self.plan.hash[:8]}-{file}"

    def part_name(self, shard: int) -> str:
        """The one name under which this shard's result can ever appear."""
        return f"{LABELS}/part-{self.plan.hash[:8]}-{shard:07d}.parquet"

    def shard_table(self, shard: int) -> pa.Table:
        """The utterances of one shard, as the plan holds them."""
        return read_shard(self.plan, self._open_plan_file, shard)

    def finished(self) -> set[int]:
        """The shards whose part exists."""
        return self._shards_of(self.folder.names(LABELS))

    def shard_of(self, file: str) -> int | None:
        """The shard whose part or kept rows have this name in their folder; None for a name that is none of ours."""
        digits = file.removesuffix(".parquet").rpartition("-")[2]
        shard = int(digits) if digits.isascii() and digits.isdecimal() else self.plan.shards
        return shard if shard < self.plan.shards and self.part_name(shard) == f"{LABELS}/{file}" else None

    def _shards_of(self, names: Sequence[str]) -> set[int]:
        return {shard for name in names if (shard := self.shard_of(name)) is not None}

    def missing(self) -> list[int]:
        """The shards that have no part yet, in order."""
        finished = self.finished()
        return [shard for shard in range(self.plan.shards) if shard not in finished]

    def remaining(self, shards: Sequence[int]) -> tuple[int, float | None]:
        """Utterances of these shards, and their seconds of audio where the plan knows all of them."""
        if len(shards) == self.plan.shards:
            return self.plan.utterances, None if self.plan.unknown_lengths else self.plan.known_seconds
        utterances, seconds, known = 0, 0.0, True
        for shard in shards:
            lengths = self.shard_table(shard)[LENGTH]
            utterances += len(lengths)
            seconds += pc.sum(lengths).as_py() or 0.0
            known = known and lengths.null_count == 0
        return utterances, seconds if known else None

    def has(self, shard: int) -> bool:
        """Whether this shard is done."""
        return self.folder.exists(self.part_name(shard))

    def commit(self, shard: int, table: pa.Table) -> bool:
        """Publish a shard's part in one atomic step; False when another writer was first, which is as good."""
        return self.folder.publish(self.part_name(shard), sealed(table))

    def change(self, shard: int, change: Callable[[pa.Table], pa.Table]) -> None:
        """Put another part in the place of a shard's, in one atomic step; both are kept in `_history/`.

        The success marker is withdrawn before. Who checks the output meanwhile may write it for the old part; then
        its hash is another than that of the parts, and the next check writes it anew.

        Args:
            shard: its number.
            change: the rows that are there -> those that shall be. Asked again when another command was faster.

        Raises:
            OutputError: the part is missing, damaged or edited.
        """
        name = self.part_name(shard)
        while True:
            self.advance(shard)
            content = self._content(shard)
            part = self._parsed(shard, content)
            if part.is_edited:
                raise OutputError(f"{self.folder.display}: {name} {EDITED}")
            old = part.table
            rows = change(old)
            if rows.equals(old):
                return
            before = self.history.keep(name, content)
            after = self.history.keep(name, sealed(_revised(rows, old)))
            self.withdraw_success()
            if self.history.follow(name, before, after):
                self.advance(shard)
                return

    def advance(self, shard: int) -> None:
        """Put the newest version of a part in its place, where an older one lies.

        Raises:
            OutputError: the part is missing, or its newest version is missing or damaged.
        """
        name = self.part_name(shard)
        # Looked at again after each replacement: who slept before it puts an older version over a newer.
        while line := self.history.line(name, hashlib.sha256(self._content(shard)).hexdigest()):
            self.folder.replace(name, self.history.version(name, line[-1]))

    @property
    def history(self) -> History:
        """The versions of parts that were replaced."""
        return History(self.folder)

    def damaged(self) -> dict[int, Damage]:
        """Parts that cannot be read or have another number of rows than planned, by a look at their footers.

        Nothing that this package does leaves such a part; disks, mounts and people can.

        Returns:
            Shard -> what was found.
        """
        sizes, finished = self.shard_sizes(), sorted(self.finished())
        found = ahead(lambda shard: self._damage(shard, sizes[shard]), finished)
        whats = {shard: what for shard, what in zip(finished, found, strict=True) if what is not None}
        return {shard: Damage(what, self.hash_of(shard)) for shard, what in whats.items()}

    def hash_of(self, shard: int) -> str | None:
        """SHA-256 of a part's bytes as they are; None when they cannot be read."""
        try:
            return hashlib.sha256(self.folder.read(self.part_name(shard))).hexdigest()
        except (OSError, OutputError):
            return None

    def set_aside(self, shard: int, damage: Damage) -> bool:
        """Move a part into `_history/`, so that it is made again.

        Returns:
            Whether this call did; not when another command has put another part in its place meanwhile.

        Raises:
            OutputError: it cannot be moved.
        """
        name = self.part_name(shard)
        found = self.hash_of(shard)
        if found != damage.sha256:
            return False
        if found is None:
            if not self.has_entry(shard):
                return False
            raise OutputError(f"{self.folder.display}: {name} {damage.what}; remove it, and annotate makes it again")
        with _readable(self.folder, name, "remove it"), contextlib.suppress(FileNotFoundError):
            self.history.keep(name, self.folder.read(name))
            self.folder.remove(name)
        return True

    def has_entry(self, shard: int) -> bool:
        """Whether anything at all has the name of this shard's part."""
        return self.part_name(shard).rsplit("/", 1)[-1] in self.folder.names(LABELS)

    def shard_sizes(self) -> list[int]:
        """Utterances of every shard, by the footers of the plan's tables."""
        sizes: list[int] = []
        for name in shard_files(self.plan.shards, self.plan.shards_per_file):
            with self._open_plan_file(name) as file:
                footer = pq.ParquetFile(file).metadata
            sizes += [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        return sizes

    def keep(self, shard: int, rows: pa.Table) -> None:
        """Store rows of a shard that need not be computed again."""
        self.folder.replace(self._kept_name(shard), sealed(rows))

    def kept(self, shard: int) -> pa.Table | None:
        """What `keep` stored; None when it is gone or damaged, as it can be computed again."""
        try:
            content = self.folder.read(self._kept_name(shard))
        except FileNotFoundError:
            return None
        with contextlib.suppress(OSError, pa.ArrowException):
            file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
            return file.read(use_threads=False)
        return None

    def partly_kept(self) -> set[int]:
        """Shards for which `keep` stored rows."""
        return self._shards_of(self.folder.names(KEPT))

    def forget_kept(self) -> None:
        """Remove what `keep` stored, once every shard is there."""
        for name in self.folder.names(KEPT):
            self.folder.remove(f"{KEPT}/{name}")

    def owned_by(self, runner: str) -> Self:
        """The same, writing temporary files in the name of a runner."""
        return dataclasses.replace(self, folder=dataclasses.replace(self.folder, owner=runner))

    def part(self, shard: int, columns: Sequence[str] | None = None) -> Part:
        """One finished shard, its file read whole and its checksums compared.

        Args:
            shard: its number.
            columns: of the table; None is all.

        Raises:
            OutputError: the part is missing or damaged.
        """
        return self._parsed(shard, self._content(shard), columns)

    def _parsed(self, shard: int, content: bytes, columns: Sequence[str] | None = None) -> Part:
        with self._readable_part(shard):
            file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
            # A part is small, and a program that ends while Arrow still starts its threads is aborted by them.
            table = file.read(columns and list(columns), use_threads=False)
        is_edited = not is_sealed(content, file.metadata.metadata)
        return Part(table, hashlib.sha256(content).hexdigest(), is_edited)

    def read_part(self, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of one finished shard; see `part`."""
        return self.part(shard, columns).table

    def succeed(self, totals: Mapping[str, object]) -> None:
        """Write the success marker; the caller has checked everything.

        Raises:
            EmoboostError: it cannot be written.
        """
        with _writable(self.folder, EmoboostError):
            self.folder.remove(STOPPED)
            self.folder.replace(SUCCESS, (json.dumps(totals, indent=2) + "\n").encode())

    def withdraw_success(self) -> None:
        """Remove the success marker of an output that lacks parts.

        Raises:
            EmoboostError: it cannot be removed.
        """
        with _writable(self.folder, EmoboostError):
            self.folder.remove(SUCCESS)

    def note_stop(self, why: str) -> None:
        """Remember that a job stopped because most of its recordings could not be read."""
        with contextlib.suppress(Exception):  # advice, as `runners` is
            self.folder.replace(STOPPED, (json.dumps({"why": why}) + "\n").encode())

    def was_stopped(self) -> bool:
        """Whether `note_stop` was called since the output was last complete."""
        return self.folder.exists(STOPPED)

    def _kept_name(self, shard: int) -> str:
        return self.part_name(shard).replace(LABELS, KEPT, 1)

    def _content(self, shard: int) -> bytes:
        with self._readable_part(shard):
            return self.folder.read(self.part_name(shard))

    def _readable_part(self, shard: int) -> contextlib.AbstractContextManager[None]:
        return _readable(self.folder, self.part_name(shard), "delete it, and annotate makes it again")

    def _damage(self, shard: int, rows: int) -> str | None:
        try:
            with self.folder.open(self.part_name(shard)) as file:
                found = pq.ParquetFile(file).metadata.num_rows
        except FileNotFoundError:
            # Another command was faster, and does it again; or it is a link to nothing.
            return "is a link to nothing" if self.has_entry(shard) else None
        except (OSError, ValueError, pa.ArrowException, OutputError) as error:
            # Of a garbled footer Arrow says OSError, without a number; one with a number is the disk's.
            if isinstance(error, OSError) and error.errno not in (None, errno.EISDIR):
                raise
            return f"cannot be read ({str(error).splitlines()[0]})"
        return None if found == rows else f"has {found} rows, the plan gives this shard {rows}"

    @contextlib.contextmanager
    def _open_plan_file(self, name: str) -> Iterator[IO[bytes]]:
        path = self.plan_name(name)
        with _readable(self.folder, path, "choose a new folder"), self.folder.open(path) as file:
            yield file


def _revised(rows: pa.Table, old: pa.Table) -> pa.Table:
    """With the number of the revision, so that no version of a part is ever equal to an earlier one."""
    revision = int((old.schema.metadata or {}).get(REVISION, b"0")) + 1
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), REVISION: str(revision)})


@contextlib.contextmanager
def _writable(folder: Folder, kind: type[EmoboostError] = OutputError) -> Iterator[None]:
    """Turn a disk that is full or may not be written into an error for people."""
    try:
        yield
    except IsADirectoryError as error:
        raise kind(
            f"{folder.display}: a folder lies in the place of a file ({error.filename2 or error.filename}); remove "
            "it, and the same command continues"
        ) from error
    except OSError as error:
        raise kind(
            f"{folder.display}: cannot be written ({error.strerror or error}); the same command continues"
        ) from error


@contextlib.contextmanager
def _readable(folder: Folder, name: str, fix: str) -> Iterator[None]:
    """Turn a missing or damaged file of the output into an error for people."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise OutputError(f"{folder.display}: {name} is missing or damaged ({reason}); {fix}") from error


def refuse_other_plan(
    ledger: Ledger, manifest_hash: str, options: Mapping[str, object], suggestion: Sequence[str]
) -> None:
    """Stop when the folder was made for another manifest or with other options.

    Args:
        ledger: what is in the folder.
        manifest_hash: of the manifest as it is now.
        options: of this run, those that change a row.
        suggestion: the command that would do what the user wants, as a list of words.

    Raises:
        OutputError: naming what differs, both values, and the command.
    """
    plan = ledger.plan
    changed = [name for name in sorted({*plan.options, *options}) if plan.options.get(name) != options.get(name)]
    differences = [f"{name} was {plan.options.get(name)!r} and is now {options.get(name)!r}" for name in changed]
    if set(changed) <= set(OF_THE_MANIFEST):
        # What did not change in the manifest need not be computed again.
        suggestion = [*suggestion, "--reuse", ledger.folder.display]
    if plan.manifest_hash != manifest_hash:
        differences.insert(
            0,
            f"the manifest has changed (SHA-256 was {plan.manifest_hash[:12]}…, is now {manifest_hash[:12]}…)",
        )
    if differences:
        raise OutputError(
            f"{ledger.folder.display}: was made by another run: {'; '.join(differences)}.\n"
            f"Keep it and write a new one: {shlex.join(suggestion)}"
        )
