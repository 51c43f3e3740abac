"""`emoboost-batch export`: the labels of an output in another format."""

from pathlib import Path

from emoboost.errors import OutputError
from emoboost.export import export
from emoboost.ledger import Ledger
from emoboost.storage import Folder
from emoboost.store_options import parse_storage_options
from jobs.console import say
from jobs.exits import Exit


def export_command(output: str, kind: str, destination: Path | None, storage_options: str | None = None) -> Exit:
    """Write the file and say where it is; an unfinished output gives what is there, and exit code 4."""
    folder = Folder.at(output, parse_storage_options(storage_options))
    ledger = Ledger.open(folder) if folder.exists() else None
    if ledger is None:
        raise OutputError(f"{output}: not an output of annotate; give the folder that annotate wrote")
    destination = destination or Path(f"{output.rstrip('/').rsplit('/', 1)[-1]}.{kind}")
    rows = export(ledger, kind, destination)
    print(f"{rows:,} rows in {destination}")
    if rows != ledger.plan.utterances:
        say(f"The output is not complete: {rows:,} of {ledger.plan.utterances:,} utterances; annotate continues it.")
        return Exit.INCOMPLETE
    return Exit.COMPLETE
