"""`emoboost-batch export`: the labels of an output in another format."""

from pathlib import Path

from emoboost.export import export
from emoboost.printable import printable
from emoboost.store_options import parse_storage_options
from jobs.console import say, tell
from jobs.exits import Exit
from jobs.outputs import ledger_of, name_of, refuse_unwritable


def export_command(
    output: str, kind: str, destination: Path | None, storage_options: str | None = None, *, raw: bool
) -> Exit:
    """Write the file and say where it is; an unfinished output gives what is there, and exit code 4."""
    ledger = ledger_of(output, parse_storage_options(storage_options))
    destination = destination or Path(f"{name_of(output)}.{kind}")
    refuse_unwritable(destination)
    rows = export(ledger, kind, destination, raw=raw)
    tell(f"{rows:,} rows in {printable(destination)}")
    if rows != ledger.plan.utterances:
        say(f"The output is not complete: {rows:,} of {ledger.plan.utterances:,} utterances; annotate continues it.")
        return Exit.INCOMPLETE
    return Exit.COMPLETE
