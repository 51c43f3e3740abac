"""Pictures of docs/experiments.md, drawn from its own tables: adaptation, one-sided speakers, guidance.

python benchmarks/pictures.py
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emoboost.plots import png
from emoboost.plots.canvas import COLOURS, MARKERS, guides, new_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
CORPORA = ("EMO-DB", "EMOVO", "EMOVO, bundled model")
Table = list[list[str]]


def tables(section: str, first: str) -> list[Table]:
    """The tables of a section whose head begins so, without the head; bold and spaces are gone."""
    text = (DOCS / "experiments.md").read_text(encoding="utf-8")
    (body,) = (part for part in text.split("\n## ") if part.startswith(section + "\n"))
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", body, flags=re.MULTILINE):
        rows = [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in block.splitlines()]
        if rows[0][0] == first:
            found.append(rows[2:])
    return found


def numbers(text: str) -> list[float]:
    """Those of a cell, with their signs."""
    return [float(each) for each in NUMBER.findall(text)]


def adaptation(found: Sequence[Table]) -> "Figure":
    """UA by the number of a speaker's unlabelled utterances, one column a corpus."""
    figure = new_figure(8.4, 3.8)
    for axes, corpus, rows in zip(figure.subplots(1, len(found)), CORPORA, found, strict=False):
        adapted = np.array([numbers(row[1])[:3] for row in rows])
        unadapted = [numbers(row[2])[0] for row in rows]
        places = range(len(rows))
        spread = np.abs(adapted[:, 1:] - adapted[:, :1]).T
        axes.errorbar(places, adapted[:, 0], spread, color=COLOURS[0], marker="o", capsize=4, label="adapted")
        axes.plot(places, unadapted, color=COLOURS[1], marker="s", linestyle="--", label="the same tests, unadapted")
        axes.set_xticks(places, [row[0].replace(" the tested", "") for row in rows])
        axes.set_xlabel("unlabelled utterances of the speaker")
        axes.set_ylabel("UA (%)")
        axes.set_title(corpus, fontsize=10)
        guides(axes)
    figure.suptitle(wrapped("Adapted to the speaker, strict otherwise; bars are 95 % intervals", 8.4), fontsize=11)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def one_sided(found: Sequence[Table]) -> "Figure":
    """Share of right labels by how much of a speaker's speech is neutral."""
    figure = new_figure(10.4, 4.0)
    lines = ("unadapted", "adapted", "his mean removed", "adapted, guarded")
    for axes, corpus, rows in zip(figure.subplots(1, len(found)), CORPORA, found, strict=False):
        for name, column, colour, marker in zip(lines, range(1, 5), COLOURS, MARKERS, strict=False):
            values = [numbers(row[column])[0] for row in rows]
            axes.plot(range(len(rows)), values, color=colour, marker=marker, label=name)
        axes.set_xticks(range(len(rows)), [row[0] for row in rows], rotation=30)
        axes.set_xlabel("share of neutral utterances")
        axes.set_ylabel("right labels (%)")
        axes.set_title(corpus, fontsize=10)
        guides(axes)
    figure.suptitle("Adaptation where a speaker speaks mostly one way", fontsize=11)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def guidance(rows: Table) -> "Figure":
    """What guidance adds to the encoder alone, with intervals."""
    figure = new_figure(8.4, 1.6 + 0.28 * len(rows))
    axes = figure.subplots()
    for place, row in enumerate(reversed(rows)):
        gain, low, high = numbers(row[-1])
        colour = COLOURS[2] if low > 0 else COLOURS[1] if high < 0 else "#767676"
        axes.errorbar(gain, place, xerr=[[gain - low], [high - gain]], color=colour, marker="o", capsize=3)
    axes.axvline(0, color="black", linewidth=1)
    names = [f"{', '.join(row[:3])}: {row[3]} to {row[4]}" for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_xlabel("points of UA against the encoder alone")
    figure.suptitle("Where guidance helps, and where not (strict, 95 % intervals)", fontsize=11)
    guides(axes)
    return figure


def main() -> None:
    """Write them into docs/pictures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    (gains,) = tables("Does guidance help?", "corpus")
    for name, figure in {
        "adaptation": adaptation(tables("Adapted to the speaker", "utterances")[:2]),
        "one-sided": one_sided(tables("Adaptation where speakers are one-sided", "neutral")),
        "guidance": guidance(gains),
    }.items():
        file = DOCS / f"pictures/{name}.png"
        file.write_bytes(png(figure))
        print(file.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
