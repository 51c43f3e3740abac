"""What happens to bytes on their way: flips, cuts, copies of stretches, numbers that lie."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

HEAD = 160
"""Bytes in which most headers lie: half of all damage is done here."""
BOUNDARIES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
BOUNDARIES_64 = (*BOUNDARIES, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    *(b"\0", b'"', b"'", b",", b"\t", b";", b"\r", b"\n", b"\r\n", b"\\", b" ", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xf0\x9f\x98\x80", b"\xe2\x80\xa8", b"\xc2\xa0", b"../", b"-rf", b"~", b"://"),
    *(b"nan", b"inf", b"-1", b"1e400", b"1e308", b"9" * 400, b"0x10", b"1_000", b"\xd9\xa3", b"x" * 5_000, b"," * 300),
    *(b"path", b"start", b"end", b"channel", b"duration", b"utterance_id", b"plan_index", b"label", b"mix"),
)
"""What a text can hold that its reader did not think of."""


class Kind(StrEnum):
    FLIP = "flip"
    CUT = "cut"
    REMOVE = "remove"
    DUPLICATE = "duplicate"
    ZERO = "zero"
    SPLICE = "splice"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True)
class Change:
    """One damage; places beyond the end count from the beginning again, so that every change fits every file."""

    kind: Kind
    at: int
    size: int
    """Bytes of the stretch, or which width and byte order of a number."""
    value: int
    """Which bits, number or text, or where the other half of a splice begins."""

    def __call__(self, content: bytes) -> bytes:
        if not content:
            return content
        at, value = self.at % len(content), self.value
        before, stretch, after = content[:at], content[at : at + self.size], content[at + self.size :]
        match self.kind:
            case Kind.FLIP:
                return before + bytes([content[at] ^ (value % 255 + 1)]) + content[at + 1 :]
            case Kind.CUT:
                return before
            case Kind.REMOVE:
                return before + after
            case Kind.DUPLICATE:
                return before + stretch + stretch + after
            case Kind.ZERO:
                return before + bytes(len(stretch)) + after
            case Kind.SPLICE:
                return before + content[value % len(content) :]
            case Kind.TEXT:
                return before + TEXTS[value % len(TEXTS)] + content[at:]
            case Kind.NUMBER:
                number = _number(self.size, value)
                return before + number + content[at + len(number) :]


def _number(shape: int, value: int) -> bytes:
    width, order = (2, 4, 4, 8)[shape % 4], ("little", "big")[shape // 4 % 2]
    return (BOUNDARIES_64[value % len(BOUNDARIES_64)] % 256**width).to_bytes(width, order)


def random_changes(chance: random.Random, length: int) -> list[Change]:
    """One to four damages to a file of so many bytes, half of them to its head."""
    return [
        Change(
            chance.choice(list(Kind)),
            chance.randrange(HEAD) if chance.random() < 0.5 else chance.randrange(max(length, 1)),
            chance.choice((1, 2, 4, 7, 16, 100, 1_000)),
            chance.randrange(1 << 20),
        )
        for _ in range(chance.choice((1, 1, 2, 4)))
    ]


def damaged(content: bytes, changes: Iterable[Change]) -> bytes:
    """The bytes after all changes, in order."""
    for change in changes:
        content = change(content)
    return content
