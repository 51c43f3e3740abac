"""Whether `_SUCCESS.json` is there exactly when every part is, and says of them what they say themselves."""

import json
import math
from collections.abc import Mapping

from emoboost.ledger import SUCCESS, Ledger
from emoboost.verify.findings import Findings
from emoboost.verify.output_check import Verified

PLACE = "output"
"""The field that says where the output was; it may have been moved since."""
AGAIN = "if nothing else is found, run annotate again: it only writes the marker"


def check_marker(ledger: Ledger, verified: Verified, findings: Findings) -> bool:
    """Compare the marker with what was counted; returns whether there is one.

    Args:
        ledger: the output.
        verified: what was seen of its parts.
        findings: where to note what is wrong; so far what is wrong with the parts.
    """
    missing = len(verified.summary.missing_shards)
    if not ledger.folder.exists(SUCCESS):
        if not missing:
            findings.leave(f"{SUCCESS} is not written yet")
        return False
    if missing:
        findings.add(SUCCESS, f"is there although {missing} parts are missing; it must come last")
        return True
    marker = read_marker(ledger)
    if marker is None:
        findings.add(SUCCESS, "is damaged; " + AGAIN)
    elif not findings.count:
        _compare(marker, verified, findings)
    return True


def read_marker(ledger: Ledger) -> Mapping[str, object] | None:
    """What `_SUCCESS.json` says; None when it is missing or damaged."""
    try:
        marker = json.loads(ledger.folder.read(SUCCESS))
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    return marker if isinstance(marker, dict) else None


def _compare(marker: Mapping[str, object], verified: Verified, findings: Findings) -> None:
    counted = json.loads(json.dumps(verified.summary.to_dict()))
    for name in (name for name in counted if name != PLACE):
        if not _same(marker.get(name), counted[name]):
            # So it is when a command that checked the output writes it after a retry has replaced a part.
            findings.leave(f"{SUCCESS} is of other parts: {name} is {marker.get(name)!r}, they give {counted[name]!r}")


def _same(found: object, wanted: object) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-9)
    return found == wanted
