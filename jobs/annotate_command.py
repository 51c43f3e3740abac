"""`annotate` as a command: run it, print what it gave, choose the exit code."""

import json
import time

from emoboost.checkpoint import find_model
from emoboost.errors import UsageError
from emoboost.places import is_url
from emoboost.printable import printable
from emoboost.user_path import user_path
from jobs.annotate import AnnotateOptions, annotate
from jobs.conclusion import concluded, explained, log_file
from jobs.console import tell
from jobs.exits import Exit
from jobs.permissions import refuse_missing_root
from jobs.planning import describe_plan, output_folder, output_of


def annotate_command(options: AnnotateOptions, *, max_errors: float, dry_run: bool, as_json: bool) -> Exit:
    """Annotate, or only check and plan; print the summary.

    Args:
        options: what the user chose.
        max_errors: share of error rows, in [0, 1], up to which the exit code is 0.
        dry_run: check and plan, write nothing.
        as_json: print for programs.
    """
    for name, value in (("MANIFEST", options.manifest), ("--output", options.output), ("--model", options.model)):
        if value == "":
            raise UsageError(f"{name} is empty; give a path, or leave an option out")
        if value is not None and not is_url(value):
            user_path(value)
    if (options.output or "").startswith("memory://"):
        raise UsageError(f"--output {options.output}: only one process has it; give a folder or a store that all reach")
    refuse_missing_root(options.access)
    if dry_run:
        facts = describe_plan(options)
        if as_json:
            print(json.dumps(facts))
        else:
            tell("\n".join(f"{name:<20} {printable(value)}" for name, value in facts.items()))
        return Exit.COMPLETE
    started = time.monotonic()
    log = log_file("annotate", output_folder(options))
    with explained(output_of(options), log):
        summary, done = annotate(options, log)
    seconds = time.monotonic() - started
    card = find_model(options.model, options.access).config.training.get("summary", "provenance unknown")
    return concluded(
        summary,
        done,
        seconds,
        str(card),
        log,
        max_errors=max_errors,
        go_on="The same command continues.",
        as_json=as_json,
    )
