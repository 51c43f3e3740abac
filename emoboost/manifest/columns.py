"""Which column of a manifest means what, and under which name the others travel to the output."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from emoboost.errors import ManifestError
from emoboost.manifest.problems import SHOWN
from emoboost.printable import shown

PATH_COLUMNS = ("path", "uri", "file", "audio_filepath", "file_name")
START_COLUMNS = ("start", "offset")
RENAMED = "manifest_"
LENGTH = "plan_length"
"""Our column with the seconds an utterance is known to last, named so that a manifest's own `length` keeps its name."""


@dataclass(frozen=True)
class Columns:
    """The columns of one manifest by meaning, each under the name that the manifest gives it.

    >>> columns = recognise(["file", "Start", "speaker", "label"], "calls.csv", lambda name: name == "label")
    >>> columns.uri, columns.start, dict(columns.carried)
    ('file', 'Start', {'speaker': 'speaker', 'manifest_label': 'label'})
    """

    uri: str
    utterance_id: str | None
    start: str | None
    end: str | None
    duration: str | None
    """Seconds. With a start and no `end` column it bounds the span; otherwise it only tells the length."""
    channel: str | None
    carried: Mapping[str, str]
    """Name in the output -> name in the manifest, in the manifest's order."""

    @property
    def renames(self) -> dict[str, str]:
        """Name in the manifest -> name in the output, where they differ."""
        return {theirs: ours for ours, theirs in self.carried.items() if ours != theirs}

    @property
    def duration_cuts(self) -> bool:
        """Whether start and duration together give the end."""
        return self.start is not None and self.end is None and self.duration is not None


def recognise(found: Sequence[str], manifest: str, reserved: Callable[[str], bool]) -> Columns:
    """Give every column its meaning.

    A name is recognised as it is written here or, when no column is, regardless of case and surrounding blanks, so
    that a header `path, Start` does not silently label whole files.

    Args:
        found: the manifest's columns, in order.
        manifest: how messages name it.
        reserved: whether a name belongs to the output; such a column is carried as `manifest_<name>`.

    Raises:
        ManifestError: a name twice, no path column or two, `start` beside `offset`, or no free name for a column.
    """
    if repeated := [name for name, count in Counter(found).items() if count > 1]:
        raise ManifestError(
            f"{manifest}: column {shown(repeated[0])} appears more than once; rename or remove one of them"
        )
    uri = _only(found, PATH_COLUMNS, manifest)
    if uri is None:
        raise ManifestError(
            f"{manifest}: no column names the audio; found {_listed(found)}; "
            f"rename the one with the paths to {', '.join(PATH_COLUMNS[:-1])} or {PATH_COLUMNS[-1]}"
        )
    start = _only(found, START_COLUMNS, manifest)
    others = {name: _only(found, (name,), manifest) for name in ("utterance_id", "end", "duration", "channel")}
    consumed = {uri, start, *others.values()}
    carried = _carried([name for name in found if name not in consumed], manifest, reserved)
    return Columns(uri=uri, start=start, carried=carried, **others)


def has_path_column(found: Sequence[str]) -> bool:
    """Whether this reads like a manifest's header."""
    return bool(_matching(found, PATH_COLUMNS))


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(map(shown, names[:SHOWN])) or "none"
    return f"{first} and {len(names) - SHOWN} more" if len(names) > SHOWN else first


def _only(found: Sequence[str], accepted: Sequence[str], manifest: str) -> str | None:
    matching = _matching(found, accepted)
    if len(matching) > 1:
        raise ManifestError(
            f"{manifest}: columns {' and '.join(map(shown, matching))} mean the same; rename or remove all but one"
        )
    return matching[0] if matching else None


def _matching(found: Sequence[str], accepted: Sequence[str]) -> list[str]:
    exact = [name for name in found if name in accepted]
    return exact or [name for name in found if name.strip().lower() in accepted]


def _carried(names: Sequence[str], manifest: str, reserved: Callable[[str], bool]) -> dict[str, str]:
    def renamed() -> Iterator[tuple[str, str]]:
        for name in names:
            ours = RENAMED + name if reserved(name) else name
            if ours != name and ours in names:
                raise ManifestError(
                    f"{manifest}: column {shown(name)} would be carried as {shown(ours)}, because the output has a "
                    f"column {shown(name)} of its own, but there is a column {shown(ours)} too; rename one of them"
                )
            yield ours, name

    return dict(renamed())
