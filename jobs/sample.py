"""`emoboost-batch sample`: rows of an output for people to look at or listen to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emoboost.access import Access
from emoboost.errors import OutputError
from emoboost.ledger import Ledger, refuse_inside
from emoboost.printable import printable
from emoboost.review import Clips, Draw, draw, model_classes, refuse_used, write_review, write_table
from emoboost.storage import Folder
from jobs.console import aligned, say, tell
from jobs.exits import Exit
from jobs.outputs import ledger_of, moved, name_of, refuse_unwritable
from jobs.permissions import refuse_missing_root, refuse_other_permissions
from jobs.progress import NowAndThen, checking


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """What a user may choose."""

    output: str
    rows: int
    for_review: bool
    destination: Path | None = None
    """Folder of a review, else file; None is a name made from the output's, in the current folder."""
    seed: int = 0
    base: str | None = None
    """Where relative uris start from, if the archive was moved."""
    access: Access = field(default_factory=Access)


def sample_command(options: SampleOptions, *, as_json: bool) -> Exit:
    """Draw, write, and say how many rows of each stratum; an unfinished output gives what is there, and exit code 4.

    Raises:
        UsageError: a bad argument or output, or other permissions than annotate had, found before any work.
        OutputError: nothing to draw from, or the result cannot be written.
    """
    refuse_missing_root(options.access)
    ledger = moved(ledger_of(options.output, options.access.storage_options), options.base)
    ending = "review" if options.for_review else "sample.csv"
    destination = options.destination or Path(f"{name_of(options.output)}.{ending}")
    if options.for_review:
        refuse_other_permissions(ledger, options.access)
        refuse_inside(Folder.at(destination))
        refuse_used(destination)
    else:
        _refuse_no_file(destination)
    finished = len(ledger.finished())
    found = draw(ledger, options.rows, options.seed, checking("drawing", 2 * finished))
    if options.for_review:
        clips = _review(found, ledger, destination, options.access)
        counts = clips.per_stratum(len(found.strata))
    else:
        write_table(found, ledger, destination)
        clips, counts = Clips(), list(found.quotas)
    if as_json:
        print(json.dumps(to_dict(options, found, counts, clips, destination)))
    else:
        tell(sample_text(found, counts, clips, destination))
    if finished != ledger.plan.shards:
        say(
            f"The output is not complete: {finished:,} of {ledger.plan.shards:,} parts; the sample is one of what is "
            "there. annotate continues it."
        )
        return Exit.INCOMPLETE
    return Exit.COMPLETE


def to_dict(
    options: SampleOptions, found: Draw, counts: Sequence[int], clips: Clips, destination: Path
) -> dict[str, Any]:
    """For programs."""
    return {
        "output": options.output,
        "destination": str(destination),
        "seed": options.seed,
        "rows": sum(counts),
        "labelled_rows": sum(stratum.rows for stratum in found.strata),
        "strata": [
            {**vars(stratum), "drawn": count, "weight": stratum.rows / count if count else None}
            for stratum, count in zip(found.strata, counts, strict=True)
        ],
        "unreadable": clips.unreadable,
        "first_unreadable": clips.reasons,
    }


def sample_text(found: Draw, counts: Sequence[int], clips: Clips, destination: Path) -> str:
    """For people: the strata, what could not be read, and where the sample is."""
    rows = [
        [
            printable(stratum.label),
            f"{stratum.band}",
            f"{stratum.lowest:.3f} to {stratum.highest:.3f}",
            f"{stratum.rows:,}",
            f"{count:,}",
            f"{stratum.rows / count:,.1f}" if count else "none",
        ]
        for stratum, count in zip(found.strata, counts, strict=True)
    ]
    total = sum(stratum.rows for stratum in found.strata)
    lines = [aligned(["label", "band", "confidence", "rows", "drawn", "weight"], rows)]
    if clips.unreadable:
        lines += [
            f"{clips.unreadable:,} recordings cannot be read any more; other rows of their strata were drawn, as far "
            "as there are any. The first:",
            *(f"  {reason}" for reason in clips.reasons),
        ]
    if empty := sum(not count for count in counts):
        lines.append(f"{empty:,} strata have no clip: figures say nothing of their rows.")
    return "\n".join([*lines, f"{sum(counts):,} of {total:,} labelled rows in {printable(destination)}"])


def _review(found: Draw, ledger: Ledger, folder: Path, access: Access) -> Clips:
    told, wanted = NowAndThen(), sum(found.quotas)
    return write_review(
        found,
        ledger,
        folder,
        access.limited_as(ledger.plan.options),
        model_classes(ledger),
        lambda done: told(f"clips: {done:,} of {wanted:,}"),
    )


def _refuse_no_file(destination: Path) -> None:
    refuse_unwritable(destination)
    if destination.exists() and not destination.is_file():
        raise OutputError(f"{destination}: is a device; name a file")
