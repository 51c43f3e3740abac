"""How a run over an output ends for its user: its log, a failure in plain words, the summary, the exit code."""

import contextlib
import json
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from emoboost.errors import EmoboostError
from emoboost.ledger import LOGS
from emoboost.printable import printable
from emoboost.redaction import redacted
from emoboost.storage import Folder
from emoboost.summary import Summary
from emoboost.temporary import open_log, temporary_log
from jobs.console import say, summary_text, tell
from jobs.exits import Exit
from jobs.failures import reason_of
from jobs.passes import Done

SHOWN = 20
"""Missing shards that are named."""


def log_file(command: str, output: Folder) -> Path:
    """Where a run's log goes: into a local output, else among the temporary files; not made yet."""
    name = f"{command}-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    if output.is_local:
        return Path(output.path(LOGS)) / name
    return temporary_log(name)


@contextlib.contextmanager
def explained(output: str, log: Path) -> Iterator[None]:
    """Turn what nobody foresaw into an error for people, and its traceback into lines of the log.

    Without an output yet, the log lies among the temporary files.

    Raises:
        EmoboostError: in place of anything that is not one of ours.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, EmoboostError) and not hasattr(error, "cause"):  # Ray's own exceptions hold a cause
            raise
        if not log.parent.parent.is_dir():  # what fails before there is an output makes none
            log = temporary_log(log.name)
        with contextlib.suppress(OSError), open_log(log) as file:  # the disk may be full
            file.write(redacted(traceback.format_exc()).encode(errors="backslashreplace"))
        raise EmoboostError(
            f"{output}: the job failed ({reason_of(error)})\n"
            f"What is finished stays, the same command continues. Log: {_existing(log) or 'none could be written'}"
        ) from error


def concluded(
    summary: Summary,
    done: Done,
    seconds: float,
    card: str,
    log: Path,
    *,
    max_errors: float,
    go_on: str,
    as_json: bool,
    more: Mapping[str, object] | None = None,
) -> Exit:
    """Print what an output holds and what a run did.

    Args:
        summary: of the output.
        done: by this run.
        seconds: that it took.
        card: what the model was trained on.
        log: where it may have written lines.
        max_errors: share of error rows, in [0, 1], up to which the exit code is 0.
        go_on: what does the rest.
        as_json: print for programs.
        more: what this command has found beside, in words and numbers.
    """
    facts = {} if more is None else more
    if as_json:
        print(json.dumps({**summary.to_dict(), **facts, "wall_seconds": round(seconds, 1), "log": _existing(log)}))
    else:
        tell(summary_text(summary, done.seconds / seconds, _existing(log), card))
        if facts:
            tell("\n".join(f"{name:<8} {printable(value)}" for name, value in facts.items()))
    if summary.problems:
        say(f"Something is wrong with the output; emoboost-batch verify {summary.output} tells all of it.")
        return Exit.WRONG
    if done.left or summary.missing_shards:
        _say_what_is_left(done.left, done.reasons, go_on)
        return Exit.INCOMPLETE
    errors = summary.counts.status.get("error", 0)
    return Exit.ERRORS if errors > max_errors * summary.planned else Exit.COMPLETE


def _say_what_is_left(shards: Sequence[int], reasons: Mapping[int, str], go_on: str) -> None:
    for shard in shards[:SHOWN]:
        say(f"Shard {shard} is not done: {reasons.get(shard, 'nothing was heard of it')}")
    if len(shards) > SHOWN:
        say(f"and {len(shards) - SHOWN:,} more")
    say(go_on)


def _existing(log: Path) -> str | None:
    return str(log) if log.exists() else None
