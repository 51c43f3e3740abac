"""How an output is checked at the end of a run, mended once, and marked as complete."""

import json
from collections.abc import Callable, Mapping

from emoboost.history import HISTORY
from emoboost.ledger import Damage, Ledger
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
        replaced = ledger.history.names()
        verified = checked(ledger)
        if verified.outdated:
            say(f"Putting {len(verified.outdated):,} parts in place that a retry has mended and then did not finish")
            for shard in verified.outdated:
                ledger.advance(shard)
            continue
        if verified.wrong and label is not None:
            put_aside(ledger, verified.wrong)
            label()
            label = None
            continue
        marked(ledger, verified)
        if ledger.history.names() == replaced:
            return verified.summary
        say("Another command has replaced parts meanwhile; everything is checked again")
        ledger.withdraw_success()


def checked(ledger: Ledger) -> Verified:
    """All that `emoboost-batch verify` looks at, but the marker."""
    return verify(ledger, Findings(), progress=checking("checking", ledger.plan.shards))


def put_aside(ledger: Ledger, damaged: Mapping[int, Damage]) -> None:
    """Move parts into `_history/`, so that they are made again, and say so."""
    if damaged:
        ledger.withdraw_success()
    for shard, damage in damaged.items():
        if ledger.set_aside(shard, damage):
            say(f"{ledger.part_name(shard)}: {damage.what}; kept in {HISTORY}/, and made again")


def marked(ledger: Ledger, verified: Verified) -> None:
    """Write the success marker if everything holds, and none if not."""
    if not verified.summary.complete:
        ledger.withdraw_success()
        return
    found = json.loads(json.dumps(verified.summary.to_dict()))
    if read_marker(ledger) != found:
        ledger.succeed(found)
    ledger.forget_kept()
