"""One hostile input and the ends that are right for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from emoboost.errors import AudioErrorType

Ends = frozenset[AudioErrorType | None]
"""None is a label."""
OK: Ends = frozenset({None})


def only(*types: AudioErrorType) -> Ends:
    """Errors of these types and nothing else."""
    return frozenset(types)


TRUNCATED = only(AudioErrorType.TRUNCATED)
UNSUPPORTED = only(AudioErrorType.UNSUPPORTED_FORMAT)
CUT = only(AudioErrorType.TRUNCATED, AudioErrorType.UNSUPPORTED_FORMAT, AudioErrorType.EMPTY)
"""Of files that end within the first bytes: some no longer tell what they were."""
DAMAGED: Ends = CUT | OK | only(AudioErrorType.NOT_FINITE, AudioErrorType.TOO_LONG, AudioErrorType.OUTSIDE_FILE)
"""Of random damage: whatever it hit, but never a failing disk or a mistake of ours."""


@dataclass(frozen=True)
class Hostile:
    """One row of a manifest."""

    name: str
    uri: str
    """As the manifest names it, relative to its folder or absolute."""
    ends: Ends
    like: Path | None = None
    """The clip whose label it gets, if any."""
    start: float = 0.0
    end: float | None = None
    channel: int | None = None


class Content(NamedTuple):
    """A file that is yet to be written."""

    name: str
    suffix: str
    content: bytes
    ends: Ends
    is_clip: bool = False
    """Whether it decodes to the very samples of the clip that it was made from."""


def write_all(folder: Path, contents: Iterable[Content], clip: Path) -> list[Hostile]:
    """Put files into a folder of the manifest's folder."""
    folder.mkdir()
    found = []
    for each in contents:
        path = folder / f"{each.name}{each.suffix}"
        path.write_bytes(each.content)
        found.append(Hostile(each.name, f"{folder.name}/{path.name}", each.ends, clip if each.is_clip else None))
    return found
