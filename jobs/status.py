"""`emoboost-batch status`: how far an output is."""

import json

from emoboost.printable import printable
from emoboost.status import OutputStatus, Worker, status_of
from emoboost.store_options import parse_storage_options
from jobs.console import bar, tell
from jobs.exits import Exit
from jobs.outputs import ledger_of
from jobs.progress import duration


def status_command(output: str, storage_options: str | None, *, as_json: bool) -> Exit:
    """Print the status; the exit code says whether the output is complete."""
    status = status_of(ledger_of(output, parse_storage_options(storage_options)))
    if as_json:
        print(json.dumps(status.to_dict()))
    else:
        tell(status_text(status))
    return Exit.COMPLETE if status.complete else Exit.INCOMPLETE


def status_text(status: OutputStatus) -> str:
    """A few lines for people."""
    share = status.finished_utterances / status.utterances
    left = "" if status.seconds_left is None else f", {duration(status.seconds_left)} left"
    lines = [
        f"{printable(status.output)}  {bar(share)}  {share:6.1%}",
        f"{status.finished_utterances:,} of {status.utterances:,} utterances, "
        f"{status.finished_shards:,} of {status.shards:,} shards{left}",
        f"Model {printable(status.model)}",
    ]
    if status.complete:
        lines.append("Complete.")
    elif status.finished_shards == status.shards:
        lines.append("Every part is there; give the annotate command again to check and mark it as complete.")
    elif not any(worker.alive for worker in status.workers):
        lines.append("Nobody works on it; the annotate command that made it continues it.")
    return "\n".join([*lines, *map(worker_line, status.workers)])


def worker_line(worker: Worker) -> str:
    """One command at work."""
    state = "at work" if worker.alive else "ended without a word," if worker.ended else "silent, probably dead,"
    return (
        f"  {printable(worker.host)}, process {worker.pid}: {state} since {printable(worker.started)}, last heard of "
        f"{duration(max(0.0, worker.silent_seconds))} ago; {worker.utterances:,} utterances, "
        f"{duration(worker.seconds)}, {worker.errors:,} error{'s' * (worker.errors != 1)}"
    )
