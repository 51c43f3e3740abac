"""`emoboost-batch verify`: everything that an output holds, checked again from scratch."""

import dataclasses
import json
import os
from pathlib import Path

from cluster.quiet import quiet
from emoboost.access import Access
from emoboost.checkpoint import ModelFolder
from emoboost.ledger import Ledger
from emoboost.predict import EmotionModel
from emoboost.printable import printable
from emoboost.storage import Folder
from emoboost.verify import (
    Findings,
    Recomputed,
    Sample,
    Verified,
    check_marker,
    model_of,
    open_output,
    recompute,
    verify,
)
from jobs.console import tell
from jobs.exits import Exit
from jobs.outputs import moved, refuse_relabelled
from jobs.permissions import refuse_missing_root, refuse_other_permissions
from jobs.progress import checking, duration
from jobs.stages import set_up_torch


def verify_command(
    output: str,
    access: Access,
    *,
    recompute: int,
    seed: int,
    model_name: str | None,
    base: str | None = None,
    as_json: bool,
) -> Exit:
    """Check an output and print what was found.

    Args:
        output: folder or URL.
        access: how its store is reached, and which recordings may be read.
        recompute: how many random rows to label again.
        seed: which rows.
        model_name: model folder for that; None looks among the bundled models.
        base: where relative uris start from, if the archive was moved.
        as_json: print for programs.
    """
    refuse_missing_root(access)
    findings = Findings()
    ledger = open_output(Folder.at(output, access.storage_options), findings)
    verified, recomputed, marker = None, None, False
    if ledger is not None:
        # Before the long part, so that a wrong argument is refused at once.
        if recompute:
            refuse_relabelled(ledger)
            refuse_other_permissions(ledger, access)
            ledger = moved(ledger, base)
        model = model_of(ledger.plan, model_name, access) if recompute else None
        sample = Sample(recompute, seed) if recompute else None
        verified = verify(ledger, findings, sample, checking("verifying", ledger.plan.shards))
        marker = check_marker(ledger, verified, findings)
        if model is not None and sample is not None:
            recomputed = _recompute(sample, ledger, model, access, findings)
    if as_json:
        print(json.dumps(to_dict(output, verified, recomputed, findings, marker=marker)))
    else:
        tell(verified_text(ledger, verified, recomputed, findings, marker=marker))
    return exit_for(verified, recomputed, findings)


def exit_for(verified: Verified | None, recomputed: Recomputed | None, findings: Findings) -> Exit:
    """What is wrong weighs more than what is missing, and what could not be checked does not hold."""
    if findings.count:
        return Exit.WRONG
    if findings.unfinished or (verified is not None and verified.summary.missing_shards):
        return Exit.INCOMPLETE
    return Exit.INCOMPLETE if recomputed is not None and recomputed.rows > recomputed.compared == 0 else Exit.COMPLETE


def to_dict(
    output: str, verified: Verified | None, recomputed: Recomputed | None, findings: Findings, *, marker: bool
) -> dict[str, object]:
    """For programs."""
    return {
        "output": output,
        "result": exit_for(verified, recomputed, findings).name.lower(),
        "parts": verified and verified.summary.shards - len(verified.summary.missing_shards),
        "missing_parts": verified and len(verified.summary.missing_shards),
        "rows": verified and verified.summary.counts.utterances,
        "status": verified and dict(verified.summary.counts.status),
        "success_marker": verified and marker,
        "recomputed": recomputed and dataclasses.asdict(recomputed),
        "unfinished": findings.unfinished,
        "findings": findings.count,
        "first_findings": [dataclasses.asdict(finding) for finding in findings.first],
    }


def verified_text(
    ledger: Ledger | None,
    verified: Verified | None,
    recomputed: Recomputed | None,
    findings: Findings,
    *,
    marker: bool,
) -> str:
    """For people: what was checked, what is wrong, and the result."""
    facts = _checked(ledger, verified, marker=marker) if ledger is not None and verified is not None else {}
    if recomputed is not None:
        facts["recomputed"] = _recomputed_line(recomputed)
    lines = [f"{name:<12} {printable(value)}" for name, value in facts.items()]
    lines += [f"  {printable(note)}" for note in recomputed.notes] if recomputed is not None else []
    lines += [f"WRONG: {printable(finding)}" for finding in findings.first]
    if more := findings.count - len(findings.first):
        lines.append(f"and {more:,} more")
    lines += [f"UNFINISHED: {what}" for what in findings.unfinished]
    missing = verified is not None and verified.summary.missing_shards
    of_parts = any(finding.shard is not None for finding in findings.first)
    advice = " A part that is wrong: delete it, and annotate makes it again." if of_parts else ""
    result = {
        Exit.COMPLETE: "Everything holds.",
        Exit.INCOMPLETE: "Nothing is wrong; annotate makes the missing parts."
        if missing
        else "Nothing is wrong; annotate, or retry, finishes it."
        if findings.unfinished
        else "Nothing is wrong, but no row could be labelled again; --base says where the recordings are now.",
        Exit.WRONG: f"{findings.count:,} findings.{advice}",
    }
    return "\n".join([*lines, result[exit_for(verified, recomputed, findings)]])


def _checked(ledger: Ledger, verified: Verified, *, marker: bool) -> dict[str, str]:
    plan, counts, missing = ledger.plan, verified.summary.counts, len(verified.summary.missing_shards)
    by_status = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.status.items(), reverse=True))
    return {
        "output": ledger.folder.display,
        "model": str(plan.options.get("model")),
        "plan": f"{plan.utterances:,} utterances in {plan.shards:,} shards",
        "parts": f"{plan.shards - missing:,} read, {missing:,} missing",
        "rows": f"{counts.utterances:,} ({by_status or 'none'}), {duration(counts.seconds)} of audio",
        "marker": "there" if marker else "not there",
    }


def _recomputed_line(recomputed: Recomputed) -> str:
    pieces = [
        f"{recomputed.compared:,} of {recomputed.rows:,} rows",
        f"largest difference of a probability {recomputed.largest_difference:.1e}",
        f"{recomputed.flipped:,} labels flipped",
    ]
    if recomputed.on_other_hardware:
        pieces.append(f"{recomputed.on_other_hardware:,} made on other hardware or not in fp32, only reported")
    if recomputed.changed:
        pieces.append(f"{recomputed.changed:,} recordings changed")
    if recomputed.unreadable:
        pieces.append(f"{recomputed.unreadable:,} cannot be read now")
    return "; ".join(pieces)


def _recompute(sample: Sample, ledger: Ledger, folder: ModelFolder, access: Access, findings: Findings) -> Recomputed:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    set_up_torch(device)
    with quiet(Path(os.devnull)):  # decoders complain about damaged recordings
        model = EmotionModel(folder, device, str(ledger.plan.options["precision"]))
        return recompute(sample.rows, ledger, model, access, findings)
