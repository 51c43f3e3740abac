"""Text from strangers on a terminal: shown, never obeyed."""

import re

from emoboost.redaction import redacted

VALUE_SHOWN = 80
VALUE_READ = 10_000
"""Characters of a value in which secrets are looked for before it is cut."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: colours, titles, a cleared screen, an end of the line
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
    # what has no shape of its own, or turns the order of what follows; not the joiners, which some scripts need
    "\u2028\u2029"  # other ends of a line
    "\ud800-\udfff]"  # halves of characters: bytes of a name that are no UTF-8, which no stream can encode
)


def printable(text: object) -> str:
    r"""A value on one line: what a terminal would obey, or could not show, is written as an escape.

    >>> printable("calls/\x1b[2J7\n.wav"), printable("Übung 7.wav")
    ('calls/\\x1b[2J7\\n.wav', 'Übung 7.wav')
    """
    return _UNSAFE.sub(lambda found: _escape(found[0]), str(text))


def printable_lines(text: str) -> str:
    r"""The same for text of several lines, which stay lines; tabs stay, too.

    >>> printable_lines("# Card\n\x1b]0;title\x07")
    '# Card\n\\x1b]0;title\\x07'
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t" else _escape(found[0]), text)


def shown(value: object) -> str:
    """A value or name as a message has it: quoted, without secrets, and no longer than a line.

    >>> shown("label"), len(shown("x" * 1_000_000))
    ("'label'", 80)
    """
    text = redacted(repr(value)[:VALUE_READ])
    return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
