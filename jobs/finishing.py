"""How an output is checked at the end of a run, mended once, and marked as complete."""

import dataclasses
import json
from collections.abc import Callable, Mapping

from emoboost.ledger import HISTORY, SUCCESS, Ledger
from emoboost.summary import Summary
from emoboost.verify import Findings, Verified, read_marker, verify
from jobs.console import say
from jobs.progress import checking


def finished(ledger: Ledger, label: Callable[[], None] | None = None) -> Summary:
    """Check everything and mark the output as complete, once nobody replaces parts meanwhile.

    Args:
        ledger: the output.
        label: makes the parts that are missing: those in which something is wrong are put aside and made again, once.
    """
    while True:
        replaced = ledger.replaced()
        verified = checked(ledger)
        if verified.wrong and label is not None:
            put_aside(ledger, verified.wrong)
            label()
            label = None
            continue
        summary = marked(ledger, verified.summary)
        if ledger.replaced() == replaced:
            return summary
        say("Another command has replaced parts meanwhile; everything is checked again")
        ledger.withdraw_success()


def checked(ledger: Ledger) -> Verified:
    """All that `emoboost-batch verify` looks at, but the marker."""
    return verify(ledger, Findings(), progress=checking("checking", ledger.plan.shards))


def put_aside(ledger: Ledger, damaged: Mapping[int, str]) -> None:
    """Move parts into `_history/`, so that they are made again, and say so."""
    if damaged:
        ledger.withdraw_success()
    for shard, damage in damaged.items():
        say(f"{ledger.part_name(shard)}: {damage}; kept in {HISTORY}/, and made again")
        ledger.set_aside(shard)


def marked(ledger: Ledger, summary: Summary) -> Summary:
    """Write the success marker if everything holds, and none if not.

    Returns:
        The same, or with a problem: there is a marker, and the parts are not those that it was written for.
    """
    if not summary.complete:
        ledger.withdraw_success()
        return summary
    marker, found = read_marker(ledger) or {}, json.loads(json.dumps(summary.to_dict()))
    if (marker.get("parts_sha256") or summary.parts_sha256) != summary.parts_sha256:
        problem = (
            f"{SUCCESS}: was written for other parts; something has changed them since. Remove those that it was, and "
            f"annotate makes them again; or, to keep all as they are, remove {SUCCESS}"
        )
        return dataclasses.replace(summary, problems=[problem])
    if marker != found:
        ledger.succeed(found)
    ledger.forget_kept()
    return summary
