"""Whether `_SUCCESS.json` is there exactly when every part is, and says of them what they say themselves."""

import json
import math
from collections.abc import Mapping

from emoboost.ledger import SUCCESS, Ledger
from emoboost.summary import Summary
from emoboost.verify.findings import Findings

PLACE = "output"
"""The field that says where the output was; it may have been moved since."""
AGAIN = "if nothing else is found, run annotate again: it only writes the marker"


def check_marker(ledger: Ledger, summary: Summary, findings: Findings) -> bool:
    """Compare the marker with what was counted; returns whether there is one.

    Args:
        ledger: the output.
        summary: of its parts.
        findings: where to note what is wrong; so far what is wrong with the parts.
    """
    missing = len(summary.missing_shards)
    if not ledger.folder.exists(SUCCESS):
        if not missing:
            findings.add(SUCCESS, "is missing although every part is there; " + AGAIN)
        return False
    if missing:
        findings.add(SUCCESS, f"is there although {missing} parts are missing; it must come last")
        return True
    marker = read_marker(ledger)
    if marker is None:
        findings.add(SUCCESS, "is damaged; " + AGAIN)
    elif not findings.count:
        _compare(marker, json.loads(json.dumps(summary.to_dict())), findings)
    return True


def read_marker(ledger: Ledger) -> Mapping[str, object] | None:
    """What `_SUCCESS.json` says; None when it is missing or damaged."""
    try:
        marker = json.loads(ledger.folder.read(SUCCESS))
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    return marker if isinstance(marker, dict) else None


def _compare(marker: Mapping[str, object], counted: Mapping[str, object], findings: Findings) -> None:
    for name in (name for name in counted if name != PLACE):
        found, wanted = marker.get(name), counted[name]
        if not _same(found, wanted):
            findings.add(SUCCESS, f"{name} is {found!r}, the parts give {wanted!r}")


def _same(found: object, wanted: object) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-9)
    return found == wanted
