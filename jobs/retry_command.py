"""`retry` as a command: run it, print what it gave, choose the exit code."""

import time

from emoboost.errors import UsageError
from emoboost.verify import model_of
from jobs.conclusion import concluded, explained, log_file
from jobs.exits import Exit
from jobs.outputs import ledger_of
from jobs.retry import RetryOptions, retry


def retry_command(options: RetryOptions, *, errors: bool, max_errors: float, as_json: bool) -> Exit:
    """Try error rows again.

    Args:
        options: what the user chose.
        errors: the user said that error rows are meant, the only rows that can be tried again.
        max_errors: share of error rows, in [0, 1], up to which the exit code is 0.
        as_json: print for programs.

    Raises:
        UsageError: `errors` is False.
    """
    if not errors:
        raise UsageError("say which rows: --errors tries all error rows again, --errors --type TYPE those of one type")
    started = time.monotonic()
    ledger = ledger_of(options.output, options.access.storage_options)
    log = log_file("retry", ledger.folder)
    with explained(options.output, log):
        summary, done = retry(options, log)
    model = model_of(ledger.plan, options.model, options.access)
    card = model.config.training.get("summary", "provenance unknown")
    seconds = time.monotonic() - started
    return concluded(
        summary,
        done,
        seconds,
        str(card),
        log,
        max_errors=max_errors,
        go_on="The same command tries it again." if done.left else "The annotate command that made it does the rest.",
        as_json=as_json,
    )
