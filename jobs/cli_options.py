"""Options that several commands have, each with one spelling and one meaning."""

from pathlib import Path
from typing import Annotated

import typer

from emoboost.access import Access
from emoboost.errors import UsageError
from emoboost.user_path import user_path

MOST_SEED = 2**32 - 1


def local_path(given: Path | None) -> Path | None:
    """A path with its `~` followed; what is none ends the command with the option's name."""
    try:
        return None if given is None else user_path(given)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from error


def absolute(folder: Path | None) -> str | None:
    """Where a folder is, for workers whose current folder is another."""
    return None if folder is None else str(folder.absolute())


def access_of(root: Path | None, storage_options: str | None, *, allow_http: bool) -> Access:
    """How recordings may be reached, by the options of these names.

    Raises:
        UsageError: the storage options cannot be read.
    """
    from emoboost.store_options import parse_storage_options

    return Access(root=absolute(root), http=allow_http, storage_options=parse_storage_options(storage_options))


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

StorageOptions = Annotated[
    str | None,
    typer.Option(
        "--storage-options",
        help="How stores are opened, for fsspec: a JSON object, or @FILE with one. Default: the environment.",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option("--root", help="Folder that local recordings must lie in, links resolved.", callback=local_path),
]
AllowHttp = Annotated[
    bool, typer.Option("--allow-http", help="Read recordings by http(s), too, but never from this machine itself.")
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Folder or URL that relative paths of the manifest start from now, if the archive was moved.",
        show_default=False,
    ),
]
