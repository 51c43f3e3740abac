"""A small file that gives each class of a model its share of the speech."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from emoboost.errors import UsageError
from emoboost.printable import shown
from emoboost.vocabulary import canonical

BYTES = 2**20
"""No such file has more."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""Files with another ending are YAML, and so may be JSON."""
HEADER = ["class", "share"]
LEAST, MOST = 1e-9, 1e9
"""What a share may be; they need not sum to 1, but their sum must be a number."""


def read_shares(file: Path, classes: Sequence[str]) -> np.ndarray:
    """The share of each class, as the file gives it.

    Args:
        file: with lines such as `anger: 0.2` (`anger,0.2` in .csv, a tab in .tsv).
        classes: every one must be named once, by its name or another word for it.

    Returns:
        (classes,) float64, positive; they need not sum to 1.

    Raises:
        UsageError: the file cannot be read, or one of its lines says something else; the message names the line.
    """
    found: dict[str, float] = {}
    known = {canonical(name): name for name in classes}
    for line, name, share in _entries(file):
        where = f"{file}: line {line}"
        ours = name if name in classes else known.get(canonical(name))
        if ours is None:
            raise UsageError(f"{where}: {shown(name)} is none of the model's classes{_perhaps(name, classes)}")
        if ours in found:
            raise UsageError(f"{where}: {shown(name)} has a share already; remove one of the two lines")
        found[ours] = _share(share, where)
    if missing := [name for name in classes if name not in found]:
        raise UsageError(
            f"{file}: no share for {', '.join(missing)}; name every class, a rare one with a small share such as 0.001"
        )
    return np.array([found[name] for name in classes], np.float64)


def _entries(file: Path) -> Iterator[tuple[int, str, str]]:
    """Line, name and share of each, as they are written."""
    try:
        if file.stat().st_size > BYTES:
            raise UsageError(f"{file}: has more than {BYTES:,} bytes; give a file with one line a class")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file}: cannot be read ({error}); give a text file with lines such as 'anger: 0.2'"
        ) from error
    delimiter = DELIMITERS.get(file.suffix.lower())
    return _of_yaml(text, file) if delimiter is None else _of_table(text, file, delimiter)


def _of_table(text: str, file: Path, delimiter: str) -> Iterator[tuple[int, str, str]]:
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or (rows.line_num == 1 and cells == HEADER):
                continue
            if len(cells) != len(HEADER):
                raise UsageError(f"{file}: line {rows.line_num}: has {len(cells)} cells, must have 2: class and share")
            yield rows.line_num, cells[0], cells[1]
    except csv.Error as error:
        raise UsageError(f"{file}: line {rows.line_num}: not CSV ({error})") from error


def _of_yaml(text: str, file: Path) -> Iterator[tuple[int, str, str]]:
    """From the nodes, because a loaded map has no lines any more, nor a name that is there twice."""
    import yaml

    try:
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except (RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"{file}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{file}: must have lines such as 'anger: 0.2'")
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not (isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode)):
            raise UsageError(f"{file}: line {line}: must be a class and a share, such as 'anger: 0.2'")
        yield line, key.value, value.value


def _share(text: str, where: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not LEAST <= share <= MOST:
        raise UsageError(f"{where}: share {shown(text)} must be a positive number, such as 0.2 ({LEAST:g} to {MOST:g})")
    return share


def _perhaps(name: str, classes: Sequence[str]) -> str:
    near = get_close_matches(canonical(name), classes, n=1)
    return f", perhaps {near[0]!r}" if near else f"; they are {', '.join(classes)}"
