"""A report as Markdown."""

import re
from collections.abc import Sequence

from emoboost.report.blocks import Block, Bullets, Notice, Paragraph, Picture, Section, Table


def markdown_report(title: str, sections: Sequence[Section]) -> str:
    """The whole report; pictures are linked in `pictures/` beside it."""
    parts = [f"# {escaped(title)}"]
    for section in sections:
        parts.append(f"## {escaped(section.title)}")
        parts += map(_block, section.blocks)
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """A table with its caption."""
    rules = ["---" if column < table.texts else "---:" for column in range(len(table.head))]
    lines = [_row(map(escaped, table.head)), _row(rules), *(_row(map(escaped, row)) for row in table.rows)]
    return f"**{escaped(table.caption)}**\n\n" + "\n".join(lines)


def escaped(text: str) -> str:
    """Plain text as Markdown and HTML show it unchanged, on one line."""
    line = re.sub(r"\s+", " ", text)
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        line = line.replace(letter, entity)
    return re.sub(r"([\\|*_`\[\]])", r"\\\1", line)


def _row(cells: "map[str] | list[str]") -> str:
    return f"| {' | '.join(cells)} |"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return escaped(text)
        case Notice(headline, text):
            return f"> **{escaped(headline)}** {escaped(text)}"
        case Bullets(items):
            return "\n".join(f"- {escaped(item)}" for item in items)
        case Table():
            return markdown_table(block)
        case Picture(name, caption, _):
            return f"![{escaped(caption)}](pictures/{name}.png)\n\n{escaped(caption)}"
