"""The whole check: plan, parts and marker, in one pass over the shards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from emoboost.ahead import ahead
from emoboost.embeddings import ShardVectors
from emoboost.errors import OutputError
from emoboost.files_hash import FilesHash
from emoboost.ledger import EDITED, LABELS, PLAN, Damage, Ledger, Part
from emoboost.storage import Folder
from emoboost.summary import Counts, Summary
from emoboost.verify.findings import Findings, reason_of
from emoboost.verify.part_check import PartCheck
from emoboost.verify.plan_check import PLAN_JSON, PlanCheck
from emoboost.verify.sample import Sample
from emoboost.verify.vector_check import VectorCheck


@dataclass(frozen=True)
class Verified:
    """What was looked at; what is wrong is in the findings."""

    summary: Summary
    """Over the parts that could be counted."""
    wrong: Mapping[int, Damage]
    """Shard -> the first that was found in its part; not of those that somebody has edited and nothing else."""
    outdated: Sequence[int]
    """Shards of which a retry made a newer part, and was ended before it put that in its place."""


@dataclass(frozen=True)
class _Shard:
    """What was read of one shard; an exception stands for what could not be."""

    number: int
    planned: pa.Table | Exception
    part: Part | Exception | None
    """None is not there yet."""
    vectors: ShardVectors | OutputError | None


def open_output(folder: Folder, findings: Findings) -> Ledger | None:
    """The output in this folder; None, and a finding, when its plan is damaged or lost.

    Raises:
        OutputError: there is no output here.
    """
    if folder.exists(PLAN_JSON):
        try:
            return Ledger.open(folder)
        except OutputError as error:
            findings.add(PLAN_JSON, str(error))
            return None
    if not folder.names(PLAN) and not any(name.startswith("part-") for name in folder.names(LABELS)):
        raise OutputError(f"{folder.display}: not an output of annotate; give the folder that annotate wrote")
    findings.add(PLAN_JSON, "is missing, so that nothing can be checked; copy the output again, with its folder _plan")
    return None


def verify(
    ledger: Ledger,
    findings: Findings,
    sample: Sample | None = None,
    progress: Callable[[int], None] = lambda shards: None,
) -> Verified:
    """Read everything that an output holds, no more than a few shards at a time, and check it.

    Memory: 8 bytes an utterance, for finding ids that occur twice.

    Args:
        ledger: the output.
        findings: gets everything that is wrong.
        sample: draws from the rows that can be labelled again.
        progress: called with the number of shards checked so far.
    """
    present = _present(ledger, findings)
    missing = [shard for shard in range(ledger.plan.shards) if shard not in present]
    plan_check, part_check = PlanCheck(ledger, findings), PartCheck(ledger, findings)
    vector_check = VectorCheck(ledger, findings)
    counts, parts_hash = Counts(), FilesHash()
    hashes: dict[int, str] = {}
    edited, outdated = set[int](), list[int]()
    history, versions = ledger.history, ledger.history.names()

    def read(shard: int) -> _Shard:
        part = _or_error(ledger.part, shard) if shard in present else None
        vectors = vector_check.read(shard, part) if isinstance(part, Part) else None
        return _Shard(shard, _or_error(ledger.shard_table, shard), part, vectors)

    for done, shard in enumerate(ahead(read, range(ledger.plan.shards)), 1):
        plan_is_good = plan_check.see(shard.number, shard.planned)
        before = findings.count
        if isinstance(shard.part, Part):
            hashes[shard.number] = shard.part.sha256
        if isinstance(shard.part, Exception):
            name = ledger.part_name(shard.number)
            findings.add(name, reason_of(shard.part, ledger, name), shard.number)
        elif shard.part is not None and plan_is_good and part_check.see(shard.number, shard.part.table, shard.planned):
            if history.has_next(ledger.part_name(shard.number), shard.part.sha256, versions):
                outdated.append(shard.number)
            if shard.part.is_edited and findings.count == before:
                edited.add(shard.number)
                findings.add(ledger.part_name(shard.number), EDITED, shard.number)
            parts_hash.add(ledger.part_name(shard.number), shard.part.sha256)
            counts.add(shard.part.table)
            vector_check.see(shard.number, shard.vectors)
            if sample is not None and findings.count == before:
                sample.see(shard.number, shard.part.table, shard.planned)
        progress(done)
    plan_check.finish()
    if outdated:
        findings.leave(f"{len(outdated):,} parts were mended by a retry that did not finish")
    names = {shard: ledger.part_name(shard) for shard in sorted(present - edited)}
    wrong = {
        shard: Damage(findings.files[name], hashes.get(shard) or ledger.hash_of(shard))
        for shard, name in names.items()
        if name in findings.files
    }
    summary = _summary(ledger, counts, missing, findings, parts_hash.hex)
    return Verified(summary, wrong, outdated)


def _summary(ledger: Ledger, counts: Counts, missing: list[int], findings: Findings, parts_sha256: str) -> Summary:
    plan = ledger.plan
    return Summary(
        ledger.folder.display,
        str(plan.options.get("model")),
        plan.utterances,
        counts,
        plan.shards,
        missing,
        plan.renames,
        [str(finding) for finding in findings.first],
        parts_sha256,
    )


def _present(ledger: Ledger, findings: Findings) -> set[int]:
    """The shards that have a part; whatever else lies among the parts is a finding."""
    present = set()
    for name in ledger.folder.names(LABELS):
        shard = ledger.shard_of(name)
        if shard is not None:
            present.add(shard)
        else:
            ours = f"part-{ledger.plan.hash[:8]}-0000000.parquet to {ledger.plan.shards - 1:07d}"
            findings.add(f"{LABELS}/{name}", f"is not a part of this output, whose parts are {ours}; move it elsewhere")
    return present


def _or_error(read: Callable[[int], Any], shard: int) -> Any:
    """What was read, or why not."""
    try:
        return read(shard)
    except (OutputError, pa.ArrowException, LookupError, ValueError) as error:
        return error
