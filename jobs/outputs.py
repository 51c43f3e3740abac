"""What commands on a finished or unfinished output begin with."""

from collections.abc import Mapping

from emoboost.errors import OutputError
from emoboost.ledger import Ledger
from emoboost.storage import Folder


def ledger_of(output: str, storage_options: Mapping[str, object] | None = None) -> Ledger:
    """The ledger of an output that annotate made.

    Raises:
        OutputError: it is none.
    """
    folder = Folder.at(output, storage_options)
    ledger = Ledger.open(folder) if folder.exists() else None
    if ledger is None:
        raise OutputError(f"{output}: not an output of annotate; give the folder that annotate wrote")
    return ledger
