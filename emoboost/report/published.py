"""What others published for the same corpora, with the protocol that each figure comes from."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

CORPORA = ("emodb", "emovo", "iemocap")


@dataclass(frozen=True, kw_only=True)
class Published:
    """One row of `published.json`."""

    corpus: str
    """One of `CORPORA`."""
    classes: int | None
    """How many the system chose among; None where we do not know."""
    system: str
    wa: float | None
    """In [0, 1]; None where it was not published."""
    ua: float | None
    protocol: str
    leaky: bool | None
    """Speakers shared or the epoch chosen on the test fold; None where the source does not let us tell."""
    source: str


def published_for(corpus: str) -> list[Published]:
    """The rows for a corpus by any spelling of its name; none for a corpus that we hold no figures of.

    >>> {row.corpus for row in published_for("EMO-DB, 2-second copy")}
    {'emodb'}
    """
    name = "".join(letter for letter in corpus.casefold() if letter.isalnum())
    return [row for row in _rows() if name.startswith(row.corpus)]


def comparable(row: Published, classes: int) -> bool:
    """Whether a row may stand beside figures for so many classes: not when it is known to be of another number."""
    return row.classes is None or row.classes == classes


@cache
def _rows() -> tuple[Published, ...]:
    text = (files("emoboost.report") / "published.json").read_text(encoding="utf-8")
    return tuple(Published(**row) for row in json.loads(text))
