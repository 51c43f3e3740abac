"""`relabel` as a command: run it, print what it gave, choose the exit code."""

import time
from collections.abc import Mapping

from emoboost.errors import UsageError
from jobs.conclusion import concluded, explained, log_file
from jobs.exits import Exit
from jobs.passes import Done
from jobs.relabel import Relabelled, relabel
from jobs.relabel_plan import RelabelOptions


def relabel_command(options: RelabelOptions, *, as_json: bool) -> Exit:
    """Relabel, and print the summary.

    Args:
        options: what the user chose.
        as_json: print for programs.

    Raises:
        UsageError: nothing is asked for.
    """
    given = {"--destination": options.destination, "--model": options.model, "--adapt": options.adapt}
    for name, value in {**given, "--prior": options.prior}.items():
        if value == "":
            raise UsageError(f"{name} is empty; give a value, or leave the option out")
    if options.model is None and options.adapt is None and options.prior is None:
        raise UsageError("say what is to be another: --adapt COLUMN, --prior MIX or --model MODEL")
    started = time.monotonic()
    log = log_file("relabel", options.folder)
    with explained(options.place, log):
        found = relabel(options)
    card = found.model.config.training.get("summary", "provenance unknown")
    done = Done()
    done.left = found.summary.missing_shards
    return concluded(
        found.summary,
        done,
        time.monotonic() - started,
        str(card),
        log,
        max_errors=1.0,
        go_on="The same command continues.",
        as_json=as_json,
        more=facts_of(found) if as_json else words_of(found),
    )


def facts_of(found: Relabelled) -> dict[str, object]:
    """For programs."""
    return {
        "relabelled": found.labelled,
        "labels_changed": found.changed,
        "adaptation": dict(found.reasons),
        "prior": found.prior,
    }


def words_of(found: Relabelled) -> dict[str, object]:
    """For people."""
    share = found.changed / found.labelled if found.labelled else 0.0
    words: dict[str, object] = {"Changed": f"{found.changed:,} of {found.labelled:,} labels ({share:.1%})"}
    if set(found.reasons) - {"not asked for"}:
        words["Adapted"] = _counts(found.reasons)
    if found.prior is not None:
        words["Prior"] = ", ".join(f"{name} {share:.3f}" for name, share in found.prior.items())
    return words


def _counts(reasons: Mapping[str, int]) -> str:
    adapted = reasons.get("adapted", 0)
    left = ", ".join(f"{count:,} {name}" for name, count in sorted(reasons.items()) if name != "adapted")
    return f"{adapted:,} rows" + (f"; not: {left}" if left else "")
