"""What a report is made of, before it becomes Markdown or HTML. All text is plain text: no markup, no HTML."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Notice:
    """What nobody may miss."""

    headline: str
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells as they are shown."""

    caption: str
    """With the number of the paper's table, where it has its layout."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    """So many columns from the left hold words, the others numbers, which are set flush right."""


@dataclass(frozen=True)
class Picture:
    """A PNG."""

    name: str
    """Of its file, without suffix."""
    caption: str
    """Says what is seen, also for those who cannot see it."""
    png: bytes


Block = Paragraph | Notice | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]
