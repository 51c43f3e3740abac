"""What every importer gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emoboost.errors import ManifestError

SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True, kw_only=True)
class CorpusRow:
    """One labelled utterance of a published corpus."""

    path: str
    """Absolute."""
    utterance_id: str
    label: str
    """In the canonical vocabulary."""
    original_label: str
    """As the corpus writes it."""
    speaker: str
    session: str = ""
    """Who recorded together; empty where a corpus has no sessions."""
    text: str = ""
    """Which sentence or scene is spoken; empty where it is not known."""
    split: str = ""
    """The corpus's own division; empty where it has none."""


@dataclass(frozen=True)
class Imported:
    """A corpus as rows, and what became of the rest."""

    rows: Sequence[CorpusRow]
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Reason -> how many utterances were left out for it."""
    remarks: Sequence[str] = ()
    """What a user should know, such as a count that differs from the published one."""


def rows_by_name(folder: Path, corpus: str, parse: Callable[[Path], CorpusRow | None], form: str) -> Imported:
    """Rows of a corpus whose file names say everything, sorted by path.

    Args:
        folder: holds the recordings, at any depth.
        corpus: its name, for messages.
        parse: gives the row of a file, or None when its name is not of the corpus's form.
        form: that form in words, with an example.

    Raises:
        ManifestError: no recording found, or a file with a name of another form.
    """
    files = recordings(folder, corpus)
    rows = []
    for file in files:
        row = parse(file)
        if row is None:
            raise ManifestError(f"{file}: not {corpus}'s form of name ({form}); move it out of the folder")
        rows.append(row)
    return Imported(rows)


def recordings(folder: Path, corpus: str) -> list[Path]:
    """Every audio file below a folder, absolute and sorted; names that start with a dot do not count.

    Raises:
        ManifestError: there is none.
    """
    files = sorted(
        file.resolve()
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    if not files:
        raise ManifestError(
            f"{folder}: no .wav or .flac file in it; give the folder that holds the recordings of {corpus}"
        )
    return files
