"""What every importer gives."""

import filecmp
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from emoboost.access import Access
from emoboost.errors import ManifestError
from emoboost.manifest.identifiers import derived_id
from emoboost.manifest.source import resolve_place
from emoboost.manifest.walk import walk
from emoboost.vocabulary import EMOTIONS

SUFFIXES = (".wav", ".flac")
COPY = "copy of a recording that is imported"


@dataclass(frozen=True, kw_only=True)
class CorpusRow:
    """One labelled utterance of a published corpus."""

    path: str
    """Absolute; links are not resolved, because the name that they lead to may say nothing."""
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
    channel: int | None = None
    """Counted from 0; None is the mean of all channels."""
    start: float = 0.0
    """Seconds from the recording's start."""
    end: float | None = None
    """Seconds from the recording's start; None is the recording's end."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """One utterance of a corpus that is not imported, with what `--sessions` and `--texts` look at."""

    reason: str
    session: str = ""
    text: str = ""


@dataclass(frozen=True)
class Imported:
    """A corpus as rows, and what became of the rest."""

    rows: Sequence[CorpusRow]
    left_out: Sequence[LeftOut] = ()
    remarks: Sequence[str] = ()
    """What only the importer knows and a user should."""
    published: Mapping[str, int] = field(default_factory=dict)
    """Label -> utterances that the whole corpus has in the literature; empty where there is no such count."""

    @property
    def dropped(self) -> Counter[str]:
        """Reason -> how many utterances were left out for it."""
        return Counter(utterance.reason for utterance in self.left_out)

    @property
    def notes(self) -> list[str]:
        """What a user should know: remarks, counts that differ from the published ones, labels of no emotion."""
        found = Counter(row.label for row in self.rows)
        differences = [
            f"{label}: {found[label]:,} utterances, the literature has {count:,}"
            for label, count in self.published.items()
            if found[label] != count
        ]
        unknown = [f"{label} ({count:,})" for label, count in sorted(found.items()) if label not in EMOTIONS]
        refused = [
            f"no emotion's name: {', '.join(unknown)}; evaluate and train refuse such labels unless a --label-map is "
            "given, which says what they stand for or leaves them out"
        ]
        return [*self.remarks, *differences, *(refused if unknown else [])]


def rows_by_name(folder: Path, corpus: str, parse: Callable[[Path], CorpusRow | None], form: str) -> Imported:
    """Rows of a corpus whose file names say everything, sorted by path.

    Files with one name and the same bytes are imported once. Files with one name and other bytes get ids that tell
    them apart.

    Args:
        folder: holds the recordings, at any depth.
        corpus: its name, for messages.
        parse: gives the row of a file, or None when its name is not of the corpus's form.
        form: that form in words, with an example.

    Raises:
        ManifestError: no recording found, a file with a name of another form, or one that cannot be read.
    """
    rows = []
    for file in recordings(folder, corpus):
        row = parse(file)
        if row is None:
            raise ManifestError(f"{file}: not {corpus}'s form of name ({form}); move it out of the folder")
        rows.append(row)
    rows, copies = _without_copies(rows)
    below = [Path(row.path).relative_to(folder.resolve()).as_posix() for row in rows]
    return Imported(with_distinct_ids(rows, [derived_id(path, None, 0.0, None) for path in below]), copies)


def recordings(folder: Path, corpus: str) -> list[Path]:
    """Every audio file below a folder, absolute and sorted.

    Names that start with a dot do not count, nor does what lies below them (`.git/annex`). Links are followed, and
    stay in the paths.

    Raises:
        ManifestError: there is none, or the folder cannot be listed.
    """
    fix = f"give the folder that holds the recordings of {corpus}"
    store, root = resolve_place(str(folder.resolve()), Access())
    try:
        files = [Path(root) / name for name in walk(store, root, suffixes=SUFFIXES)]
    except OSError as error:
        raise ManifestError(f"{folder}: cannot be listed ({error.strerror or error}); {fix}") from error
    if not files:
        raise ManifestError(f"{folder}: no .wav or .flac file in it; {fix}")
    return files


def with_distinct_ids(rows: Sequence[CorpusRow], distinct: Sequence[str]) -> list[CorpusRow]:
    """The rows; each whose id another row has, too, gets its one of the `distinct` ids instead."""
    count = Counter(row.utterance_id for row in rows)
    return [
        row if count[row.utterance_id] == 1 else replace(row, utterance_id=name)
        for row, name in zip(rows, distinct, strict=True)
    ]


def _without_copies(rows: Sequence[CorpusRow]) -> tuple[list[CorpusRow], list[LeftOut]]:
    """The first row of each name and content, and the others."""
    kept: list[CorpusRow] = []
    copies: list[LeftOut] = []
    namesakes: dict[str, list[CorpusRow]] = {}
    for row in rows:
        earlier = namesakes.setdefault(row.utterance_id, [])
        if any(_same_bytes(row.path, other.path) for other in earlier):
            copies.append(LeftOut(reason=COPY, session=row.session, text=row.text))
        else:
            earlier.append(row)
            kept.append(row)
    return kept, copies


def _same_bytes(path: str, other: str) -> bool:
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError as error:
        raise ManifestError(
            f"{error.filename or path}: cannot be read ({error.strerror or error}); mend or remove that recording"
        ) from error
