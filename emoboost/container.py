"""What a file's own header says, read independently of the decoder.

libsndfile trims the length that a header promises to the bytes that are there, without a word. An archive job
must not label the first minute of a cut recording as if it were the whole, so the promise is read here.
"""

import math
import re
import struct
from dataclasses import dataclass

from emoboost.source import Source

PLACEHOLDER = 0x7FFFF000
"""Programs that write to a pipe cannot know the length and put this (sox), 0x80000000 (arecord) or 0xFFFFFFFF
(ffmpeg): 32 bits that promise 2 GiB or more count as no promise."""

_UNKNOWN_64 = 1 << 62
"""The same where lengths have 64 bits: -1 in CAF, all but the sign in W64."""


@dataclass(frozen=True)
class _Chunks:
    """How a container of chunks is laid out."""

    header: struct.Struct
    """Of a chunk: its name and its length."""
    samples: bytes
    """The name of the chunk with the audio."""
    first: int = 12
    """Byte of the first chunk."""
    before_samples: int = 0
    """Bytes of the samples' chunk that precede them and are counted."""
    counts_header: bool = False
    """Whether the length of a chunk includes its header."""
    alignment: int = 2
    """A chunk begins at a multiple of this many bytes."""


_WAV = _Chunks(struct.Struct("<4sI"), b"data")
_CHUNKS = {
    b"RIFF": _WAV,
    b"RF64": _WAV,
    b"BW64": _WAV,
    b"RIFX": _Chunks(struct.Struct(">4sI"), b"data"),
    b"FORM": _Chunks(struct.Struct(">4sI"), b"SSND", before_samples=8),
    # Names are GUIDs that begin with the four letters of a WAV's.
    b"riff": _Chunks(struct.Struct("<4s12xQ"), b"data", first=40, counts_header=True, alignment=8),
    b"caff": _Chunks(struct.Struct(">4sQ"), b"data", first=8, before_samples=4, alignment=1),
}
_MOST_CHUNKS = 1_000
_VOC_SAMPLES = {1: 2, 9: 12}
"""Kinds of blocks with samples, and bytes of each that precede them and are counted."""

_OTHER_CONTAINERS = (
    (4, b"ftyp", "MPEG-4 (m4a, mp4)"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75", "Windows Media (wma)"),
    (0, b"#!AMR", "AMR"),
    (0, b"FLV", "Flash video"),
    (0, b"\xff\xf1", "AAC (ADTS)"),
    (0, b"\xff\xf9", "AAC (ADTS)"),
    (0, b"MAC ", "Monkey's Audio (ape)"),
    (0, b"wvPk", "WavPack"),
    (0, b"ajkg", "Shorten"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"%PDF", "PDF"),
    (8, b"AVI ", "AVI video"),
    (0, b"\x89PNG", "an image (PNG)"),
    (0, b"\xff\xd8\xff", "an image (JPEG)"),
    (0, b"GIF8", "an image (GIF)"),
    (0, b"\x7fELF", "a program"),
)
_TEXTS = (
    ("<!doctype html", "HTML"),
    ("<html", "HTML"),
    ("<?xml", "XML"),
    ("{", "JSON"),
    ("version https://git-lfs", "a pointer of Git LFS, whose content was not fetched"),
)
"""How a text begins, in lower case, and what it is then."""


def has_header(source: Source) -> bool:
    """Whether a container made of chunks is whole up to its samples; True for every other container."""
    return source.read_at(0, 4) not in _CHUNKS or _samples_chunk(source) is not None


def promised_share(source: Source) -> float:
    """How much audio the header promises, as a multiple of what the file holds.

    1.0 when the promise is kept or there is none, infinity when the file ends before its first sample.
    Known for WAV, RF64, W64, AIFF, CAF, AU, NIST SPHERE and VOC. FLAC and MP3 need no such check, as the decoder
    keeps their promise; Ogg makes none.
    """
    magic = source.read_at(0, 4)
    if magic in _CHUNKS:
        chunk = _samples_chunk(source)
    elif magic == b".snd":
        chunk = _au_samples(source)
    elif magic == b"NIST":
        chunk = _nist_samples(source)
    elif magic == b"Crea":
        chunk = _voc_samples(source)
    else:
        return 1.0
    if chunk is None:
        return math.inf
    offset, promised = chunk
    present = max(source.size - offset, 0)
    if promised is None or promised <= present:
        return 1.0
    return promised / present if present else math.inf


def unclosed_bytes(source: Source) -> int:
    """Bytes that follow a header which says 0 bytes of samples: the recorder never closed the file."""
    if source.read_at(0, 4) not in _CHUNKS:
        return 0
    chunk = _samples_chunk(source)
    return max(source.size - chunk[0], 0) if chunk is not None and chunk[1] == 0 else 0


def describe(head: bytes) -> str:
    """Name the kind of a file that is no audio for us, from its first bytes, and quote none of them.

    A manifest may name any file of the account: what is in it must not come into the output.

    >>> describe(b"Speaker 1: hello")
    'text'
    >>> describe(bytes(4) + b"ftypM4A ")
    'MPEG-4 (m4a, mp4)'
    """
    for offset, magic, name in _OTHER_CONTAINERS:
        if head[offset : offset + len(magic)] == magic:
            return name
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    # The last character may be cut in two.
    text = head.decode("utf-8", "ignore")
    if len(text.encode()) < len(head) - 3 or not all(letter.isprintable() or letter.isspace() for letter in text):
        return "an unknown format"
    begins = text.strip().lower()
    if not begins:
        return "nothing but white space"
    return next((name for beginning, name in _TEXTS if begins.startswith(beginning)), "text")


def _samples_chunk(source: Source) -> tuple[int, int | None] | None:
    """Byte where the samples of a chunked container begin, and the bytes of them that it promises, if any."""
    layout, long_length = _CHUNKS[source.read_at(0, 4)], None
    offset, header = layout.first, layout.header
    for _ in range(_MOST_CHUNKS):
        head = source.read_at(offset, header.size)
        if len(head) < header.size:
            return None
        name, length = header.unpack(head)
        offset += header.size
        if layout.counts_header:
            length = max(length - header.size, 0)
        if name == b"ds64":
            long_length = int.from_bytes(source.read_at(offset + 8, 8), "little")
        if name == layout.samples:
            if long_length is not None and length == 0xFFFFFFFF:
                return offset, long_length
            unknown = PLACEHOLDER if header.size == _WAV.header.size else _UNKNOWN_64
            promised = None if length >= unknown else max(length - layout.before_samples, 0)
            return offset + layout.before_samples, promised
        offset += length + -length % layout.alignment
        if offset > source.size:
            # 64 bits can point to where no file system can seek.
            return None
    return None


def _promise(length: int) -> int | None:
    return length if length < PLACEHOLDER else None


def _au_samples(source: Source) -> tuple[int, int | None]:
    offset, length = struct.unpack(">II", source.read_at(4, 8).ljust(8, b"\0"))
    return offset, _promise(length)


def _nist_samples(source: Source) -> tuple[int, int] | None:
    """NIST SPHERE: a header of text in which `sample_count` counts samples of one channel.

    Programs write the small numbers as integers (-i) or as text with its length (-s1).
    """
    text = source.read_at(0, 1_024)
    fields = {name: int(value) for name, value in re.findall(rb"(\w+) -(?:i|s\d+) (\d{1,18})\s", text)}
    lines = text.split(b"\n", 2)
    needed = (b"sample_count", b"sample_n_bytes", b"channel_count")
    if len(lines) < 2 or not lines[1].strip().isdigit() or not all(name in fields for name in needed):
        return None
    return int(lines[1]), math.prod(fields[name] for name in needed)


def _voc_samples(source: Source) -> tuple[int, int] | None:
    """Creative Voice: blocks of which the decoder reads the first with samples."""
    offset = int.from_bytes(source.read_at(20, 2), "little")
    for _ in range(_MOST_CHUNKS):
        head = source.read_at(offset, 4)
        if len(head) < 4:
            return None
        kind, length = head[0], int.from_bytes(head[1:], "little")
        if kind in _VOC_SAMPLES:
            before = _VOC_SAMPLES[kind]
            return offset + 4 + before, max(length - before, 0)
        offset += 4 + length
    return None
