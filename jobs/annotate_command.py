"""`annotate` as a command: run it, print what it gave, choose the exit code."""

import contextlib
import json
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from emoboost.checkpoint import find_model
from emoboost.errors import EmoboostError, UsageError
from emoboost.ledger import LOGS
from emoboost.storage import Folder
from emoboost.summary import Summary
from jobs.annotate import AnnotateOptions, annotate
from jobs.console import say, summary_text
from jobs.exits import Exit
from jobs.failures import reason_of
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
    if dry_run:
        facts = describe_plan(options)
        print(json.dumps(facts) if as_json else "\n".join(f"{name:<20} {value}" for name, value in facts.items()))
        return Exit.COMPLETE
    started = time.monotonic()
    log = log_file(output_folder(options))
    try:
        summary, labelled = annotate(options, log)
    except Exception as error:
        if isinstance(error, EmoboostError) and not hasattr(error, "cause"):  # Ray's own exceptions hold a cause
            raise
        with contextlib.suppress(OSError):  # the disk may be full
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
        raise EmoboostError(
            f"{output_of(options)}: the job failed ({reason_of(error)})\n"
            f"What is finished stays, the same command continues. Log: {_existing(log) or 'none could be written'}"
        ) from error
    seconds = time.monotonic() - started
    if as_json:
        print(json.dumps({**summary.to_dict(), "wall_seconds": round(seconds, 1), "log": _existing(log)}))
    else:
        card = find_model(options.model, options.access).config.training.get("summary", "provenance unknown")
        print(summary_text(summary, labelled / seconds, _existing(log), str(card)))
    if not summary.complete:
        say("The same command continues.")
    return exit_for(summary, max_errors)


def exit_for(summary: Summary, max_errors: float) -> Exit:
    """The exit code that this summary deserves."""
    if not summary.complete:
        return Exit.INCOMPLETE
    errors = summary.counts.status.get("error", 0)
    return Exit.ERRORS if errors > max_errors * summary.planned else Exit.COMPLETE


def log_file(output: Folder) -> Path:
    """Where this run's log goes: into a local output, else into a temporary folder; not made yet."""
    name = f"annotate-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    if output.is_local:
        return Path(output.path(LOGS)) / name
    return Path(tempfile.gettempdir()) / f"emoboost-{name}"


def _existing(log: Path) -> str | None:
    return str(log) if log.exists() else None
