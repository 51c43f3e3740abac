"""Text that a spreadsheet would take for a formula when it opens a CSV file.

A cell that begins with one of = + - @ (also in full width), a tab or the end of a line, or with apostrophes and one of
these, gets an apostrophe in front, which spreadsheets show as text. Removing one apostrophe from every cell that begins
with apostrophes and one of these gives back exactly what was there.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

PATTERN = r"\A('*[=+\-@\t\r\n＝＋－＠])"


def guarded(text: str) -> str:
    """One cell.

    >>> [guarded(text) for text in ("=1+1", "'=1+1", "it's 1+1", "-")]
    ["'=1+1", "''=1+1", "it's 1+1", "'-"]
    """
    return re.sub(PATTERN, r"'\1", text)


def unguarded(text: str) -> str:
    """What `guarded` was given.

    >>> [unguarded(text) for text in ("'=1+1", "''=1+1", "it's 1+1", "'quoted'")]
    ['=1+1', "'=1+1", "it's 1+1", "'quoted'"]
    """
    return text[1:] if text.startswith("'") and re.match(PATTERN, text) else text


def guarded_column(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column of string or large_string, null staying null."""
    return pc.replace_substring_regex(column, PATTERN, r"'\1")
