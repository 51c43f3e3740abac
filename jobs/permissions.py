"""`--root` and `--allow-http`: the folder exists, and a command on an output reads as the one that made it."""

from pathlib import Path

from emoboost.access import Access
from emoboost.errors import UsageError
from emoboost.ledger import Ledger


def refuse_missing_root(access: Access) -> None:
    """Stop where recordings are confined to a folder that is none.

    Raises:
        UsageError: it is none.
    """
    if access.root is not None and not Path(access.root).is_dir():
        raise UsageError(f"--root {access.root}: no such folder; give the folder that the recordings lie in")


def refuse_other_permissions(ledger: Ledger, access: Access) -> None:
    """Stop where recordings of an output would be read that annotate had refused, or the other way round.

    Which folder confines them may differ, because an archive may be moved.

    Raises:
        UsageError: an option is missing or too much, or its folder does not exist.
    """
    made = ledger.plan.options
    _refuse_other("--root", "--root DIR", ledger, made=made.get("root"), given=access.root is not None)
    _refuse_other("--allow-http", "--allow-http", ledger, made=made.get("allow_http"), given=access.http)
    refuse_missing_root(access)


def _refuse_other(option: str, typed: str, ledger: Ledger, *, made: object, given: bool) -> None:
    output = ledger.folder.display
    if made and not given:
        raise UsageError(f"{output}: was made with {option}; add {typed}, as the annotate command had it")
    if given and not made:
        raise UsageError(f"{output}: was made without {option}; leave it out")
