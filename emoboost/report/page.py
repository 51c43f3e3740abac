"""A report as one HTML file that needs nothing else."""

import base64
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from emoboost.report.blocks import Block, Bullets, Notice, Paragraph, Picture, Section, Table


def html_report(title: str, sections: Sequence[Section]) -> str:
    """The whole report with style and pictures inside; it runs no script and loads nothing."""
    style = (files("emoboost.report") / "style.css").read_text(encoding="utf-8")
    links = "".join(f'<li><a href="#{_anchor(s.title)}">{escape(s.title)}</a></li>' for s in sections)
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<nav><ul>{links}</ul></nav>
{"".join(map(_section, sections))}</main>
</body>
</html>
"""


def html_table(table: Table) -> str:
    """A table with its caption."""
    head = "".join(_cell("th", column, text, table) for column, text in enumerate(table.head))
    rows = "".join(
        f"<tr>{''.join(_cell('td', column, text, table) for column, text in enumerate(row))}</tr>\n"
        for row in table.rows
    )
    return (
        f'<div class="wide"><table>\n<caption>{escape(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>"
    )


def _cell(tag: str, column: int, text: str, table: Table) -> str:
    kind = "" if column < table.texts else ' class="number"'
    return f"<{tag}{kind}>{escape(text)}</{tag}>"


def _section(section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    return f'<section id="{_anchor(section.title)}">\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>\n'


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _block(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Notice(headline, text):
            return f'<p class="notice" role="alert"><strong>{escape(headline)}</strong> {escape(text)}</p>'
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Table():
            return html_table(block)
        case Picture(_, caption, png):
            data = base64.b64encode(png).decode("ascii")
            return (
                f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
