"""What commands on a finished or unfinished output begin with, and where results may be written."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from emoboost.errors import OutputError, UsageError
from emoboost.ledger import Ledger, refuse_inside
from emoboost.places import is_url
from emoboost.plan import RELABEL
from emoboost.storage import Folder
from emoboost.user_path import user_path


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


def refuse_relabelled(ledger: Ledger) -> None:
    """Stop a command that computes labels from recordings on an output whose labels come from vectors.

    Raises:
        UsageError: it is one.
    """
    if RELABEL in ledger.plan.options:
        raise UsageError(
            f"{ledger.folder.display}: was made by relabel, not from recordings; do this with the output that it was "
            "made of, and relabel that again"
        )


def name_of(output: str) -> str:
    """The last piece of an output's path or URL, to name files after it.

    >>> name_of("s3://bucket/calls.emotions/")
    'calls.emotions'
    """
    return output.rstrip("/").rsplit("/", 1)[-1]


def moved(ledger: Ledger, base: str | None) -> Ledger:
    """The same output, whose recordings lie elsewhere than when it was made.

    Args:
        ledger: the output.
        base: folder or URL that relative uris start from now; None is where they started from.

    Raises:
        UsageError: there is no such folder.
    """
    if base is None:
        return ledger
    if not is_url(base):
        folder = user_path(base).absolute()
        if not folder.is_dir():
            raise UsageError(f"--base {base}: no such folder; give the folder that the manifest lies in now")
        base = str(folder)
    return dataclasses.replace(ledger, plan=dataclasses.replace(ledger.plan, base=base))


def refuse_unwritable(file: Path) -> None:
    """Stop before the work when its result could not be written; nothing is made.

    Args:
        file: to be written; a pipe or device will do.

    Raises:
        OutputError: it is a folder, it may not be written, its folder is not there, or it would lie in an output.
    """
    refuse_inside(Folder.at(file))
    folder = file.parent
    if file.is_dir():
        raise OutputError(f"{file}: is a folder; name a file in it")
    if not folder.is_dir():
        raise OutputError(f"{file}: cannot be written, because there is no folder {folder}; make it first")
    if not os.access(file if file.exists() else folder, os.W_OK, effective_ids=True):
        raise OutputError(f"{file}: may not be written by this user; name another file")
