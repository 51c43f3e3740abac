"""Whole recordings whose headers lie, or say what few programs expect."""

import struct
from collections.abc import Iterator
from typing import Literal

import numpy as np

from emoboost.errors import AudioErrorType
from hostile.case import CUT, DAMAGED, OK, TRUNCATED, UNSUPPORTED, Content, only
from hostile.encodings import Encoding, encoded, ogg_page
from hostile.recordings import RATE

PCM, FLOAT, EXTENSIBLE, WMA = 1, 3, 0xFFFE, 0x0161
SUB_FORMAT_PCM = struct.pack("<I", PCM) + bytes.fromhex("00001000800000aa00389b71")
EMPTY = only(AudioErrorType.EMPTY)
TOO_LONG = only(AudioErrorType.TOO_LONG)


def lying_headers(speech: np.ndarray) -> Iterator[Content]:
    """Headers of each kind; `speech` is (samples,) of 16 bits at 16 kHz."""
    samples = np.round(speech * 32_768).astype("<i2").tobytes()
    yield from _wav_formats(samples)
    yield from _wav_lengths(samples)
    yield from _wav_chunks(samples)
    yield from _other_lengths(speech)
    yield from _streams(speech)


def wav(
    samples: bytes,
    *,
    tag: int = PCM,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    align: int | None = None,
    extra: bytes = b"",
    before: bytes = b"",
    length: int | None = None,
    riff_length: int | None = None,
) -> bytes:
    """A WAV file that says what it is told to say.

    Args:
        samples: the bytes of the samples.
        tag, channels, rate, bits, align: fields of its `fmt ` chunk.
        extra: what follows them in that chunk.
        before: whole chunks that precede the samples.
        length: bytes of samples that it claims to hold; None is the truth.
        riff_length: bytes of the file but 8 that it claims to have; None is the truth.
    """
    align = max(1, channels * bits // 8) % 65_536 if align is None else align
    numbers = (tag, channels, rate, rate * align % 2**32, align, bits)
    chunks = chunk(b"fmt ", struct.pack("<HHIIHH", *numbers) + extra) + before
    chunks += struct.pack("<4sI", b"data", len(samples) if length is None else length) + samples
    return struct.pack("<4sI4s", b"RIFF", len(chunks) + 4 if riff_length is None else riff_length, b"WAVE") + chunks


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """A chunk of a WAV file, with an even number of bytes."""
    padding = b"\0" * (len(content) % 2)
    return struct.pack("<4sI", name, len(content) if length is None else length) + content + padding


def _wav_formats(samples: bytes) -> Iterator[Content]:
    for rate in (0, 1, 999, 10_000_000, 2**31, 2**32 - 1):
        yield Content(f"rate_{rate}", ".wav", wav(samples, rate=rate), UNSUPPORTED)
    for channels in (0, 1_025, 65_535):
        yield Content(f"channels_{channels}", ".wav", wav(samples, channels=channels), UNSUPPORTED)
    yield Content("channels_64", ".wav", wav(samples, channels=64), OK)
    for bits in (0, 1, 7, 17, 64, 65_535):
        yield Content(f"bits_{bits}", ".wav", wav(samples, bits=bits, align=2), UNSUPPORTED | OK)
    for align in (0, 1, 3, 65_535):
        yield Content(f"align_{align}", ".wav", wav(samples, align=align), OK)
    for tag in (0, WMA, 0x00FF, 0x0050, EXTENSIBLE):
        yield Content(f"codec_{tag}", ".wav", wav(samples, tag=tag), UNSUPPORTED)
    floats = wav(samples, tag=FLOAT, bits=32)
    yield Content("integers_called_floats", ".wav", floats, only(AudioErrorType.NOT_FINITE))
    extension = struct.pack("<HHI", 22, 16, 4)
    extensible = wav(samples, tag=EXTENSIBLE, extra=extension + SUB_FORMAT_PCM)
    yield Content("extensible", ".wav", extensible, OK, is_clip=True)
    unknown = wav(samples, tag=EXTENSIBLE, extra=extension + bytes(range(16)))
    yield Content("extensible_unknown_codec", ".wav", unknown, UNSUPPORTED)


def _wav_lengths(samples: bytes) -> Iterator[Content]:
    yield Content("length_0", ".wav", wav(samples, length=0), EMPTY)
    # What programs write into a pipe, whose length they cannot know.
    for length in (0x7FFFF000, 2**31 - 1, 2**31, 2**32 - 1):
        yield Content(f"length_{length}", ".wav", wav(samples, length=length), OK, is_clip=True)
    for length in (2 * len(samples), 2**30, 0x7FFFEFFF):
        yield Content(f"length_{length}", ".wav", wav(samples, length=length), TRUNCATED)
    for length in (0, 4, 1_000, 2**31, 2**32 - 1):
        yield Content(f"riff_length_{length}", ".wav", wav(samples, riff_length=length), OK, is_clip=True)
    half = wav(samples, length=len(samples) // 2)
    yield Content("length_half", ".wav", half, OK)
    for length, ends in ((len(samples), OK), (2 * len(samples), TRUNCATED), (2**62, TRUNCATED), (2**64 - 1, CUT)):
        sizes = struct.pack("<QQQI", len(samples) + 100, length, len(samples) // 2, 0)
        content = b"RF64" + b"\xff" * 4 + b"WAVE" + chunk(b"ds64", sizes)
        content += wav(samples, length=2**32 - 1)[12:]
        yield Content(f"rf64_length_{length}", ".rf64", content, ends, is_clip=ends == OK)


def _wav_chunks(samples: bytes) -> Iterator[Content]:
    for name, junk in (
        ("odd_chunk", chunk(b"LIST", b"odd")),
        ("hundred_chunks", chunk(b"junk", b"some") * 100),
        ("chunk_of_a_megabyte", chunk(b"junk", bytes(1 << 20))),
    ):
        yield Content(name, ".wav", wav(samples, before=junk), OK, is_clip=True)
    other = chunk(b"fmt ", struct.pack("<HHIIHH", PCM, 2, RATE, 4 * RATE, 4, 16))
    yield Content("two_formats", ".wav", wav(samples, before=other), CUT)
    for length in (2**31, 2**32 - 1, len(samples) * 2):
        endless = wav(samples, before=chunk(b"junk", b"some", length))
        yield Content(f"chunk_length_{length}", ".wav", endless, TRUNCATED)
    data = chunk(b"data", samples)
    yield Content("no_format", ".wav", struct.pack("<4sI4s", b"RIFF", len(data) + 4, b"WAVE") + data, CUT)
    yield Content("two_data_chunks", ".wav", wav(samples) + data, CUT | OK)
    yield Content("only_riff", ".wav", b"RIFF", CUT)
    nested = b"RIFF" + struct.pack("<I", 12) + b"WAVE"
    yield Content("riff_in_riff", ".wav", nested * 1_000 + wav(samples), CUT)


def _other_lengths(speech: np.ndarray) -> Iterator[Content]:
    count = len(speech)
    au = encoded(speech, RATE, Encoding("AU", "PCM_16"))
    for length, ends in ((0, EMPTY), (4 * count, TRUNCATED), (2**31, EMPTY), (2**32 - 1, OK)):
        yield Content(f"au_length_{length}", ".au", _with(au, 8, 4, "big", length), ends)
    aiff = encoded(speech, RATE, Encoding("AIFF", "PCM_16"))
    at = aiff.index(b"SSND") + 4
    for length, ends in ((0, OK), (8, EMPTY), (4 * count, TRUNCATED), (2**31, OK), (2**32 - 1, OK)):
        yield Content(f"aiff_length_{length}", ".aiff", _with(aiff, at, 4, "big", length), ends)
    at = aiff.index(b"COMM") + 10
    for frames in (0, 2**31, 2**32 - 1):
        yield Content(f"aiff_frames_{frames}", ".aiff", _with(aiff, at, 4, "big", frames), OK)
    for name, rate in (("nan", b"\x7f\xff" + b"\xff" * 8), ("infinite", b"\x7f\xff\x80" + bytes(7)), ("0", bytes(10))):
        content = aiff[: at + 6] + rate + aiff[at + 16 :]
        yield Content(f"aiff_rate_{name}", ".aiff", content, UNSUPPORTED)
    w64 = encoded(speech, RATE, Encoding("W64", "PCM_16"))
    at = w64.index(b"data") + 16
    for length, ends in ((0, OK), (24, OK), (4 * count, TRUNCATED), (2**63 - 1, OK), (2**64 - 1, OK)):
        yield Content(f"w64_length_{length}", ".w64", _with(w64, at, 8, "little", length), ends)
    caf = encoded(speech, RATE, Encoding("CAF", "PCM_16"))
    at = caf.index(b"data") + 4
    for length, ends in ((0, CUT), (4, EMPTY), (4 * count, TRUNCATED), (2**62, TRUNCATED), (2**63, TRUNCATED)):
        yield Content(f"caf_length_{length}", ".caf", _with(caf, at, 8, "big", length), ends)
    nist = encoded(speech, RATE, Encoding("NIST", "PCM_16"))
    said = b"sample_count -i %d\n" % count
    for number in (b"0", b"-1", b"%d" % (2 * count), b"%d" % 2**31, b"%d" % 2**64, b"9" * 800):
        text = nist[:1_024].rstrip(b"\0").replace(said, b"sample_count -i %s\n" % number)
        content = text[:1_024].ljust(1_024, b"\0") + nist[1_024:]
        ends = TRUNCATED if int(number) > count and len(number) <= 18 else OK
        yield Content(f"nist_count_{number.decode()[:12]}", ".sph", content, ends)


def _streams(speech: np.ndarray) -> Iterator[Content]:
    flac = encoded(speech, RATE, Encoding("FLAC", "PCM_16"))
    unknown = bytearray(flac)
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    yield Content("flac_length_unknown", ".flac", bytes(unknown), OK, is_clip=True)
    endless = bytearray(flac)
    endless[21] |= 0x0F
    endless[22:26] = b"\xff" * 4
    yield Content("flac_length_2_36", ".flac", bytes(endless), TOO_LONG)
    yield Content("flac_rate_0", ".flac", _with(flac, 18, 2, "big", 0), DAMAGED)
    yield Content("flac_metadata_of_16_mb", ".flac", flac[:4] + b"\x01\xff\xff\xff" + flac[8:], CUT)
    mp3 = encoded(speech, RATE, Encoding("MP3", "MPEG_LAYER_III"))
    at = max(mp3.find(b"Xing"), mp3.find(b"Info"))
    for frames, ends in ((0, OK), (1, DAMAGED), (2**31, TOO_LONG), (2**32 - 1, TOO_LONG)):
        yield Content(f"mp3_frames_{frames}", ".mp3", _with(mp3, at + 8, 4, "big", frames), ends)
    tag = b"ID3\x04\0\0" + b"\x7f" * 4
    yield Content("mp3_tag_of_256_mb", ".mp3", tag + mp3, CUT)
    yield Content("mp3_tag_of_a_megabyte", ".mp3", b"ID3\x04\0\0\0\x40\0\0" + bytes(1 << 20) + mp3, OK)
    for codec in ("VORBIS", "OPUS"):
        ogg = encoded(speech, RATE, Encoding("OGG", codec))
        yield Content(f"ogg_twice_{codec.lower()}", ".ogg", ogg + ogg, DAMAGED)
        for position in (2**62, 2**63, 2**64 - 1):
            content = _ogg_with_last_position(ogg, position)
            yield Content(f"ogg_{codec.lower()}_position_{position}", ".ogg", content, DAMAGED)


def _with(content: bytes, at: int, width: int, order: Literal["little", "big"], number: int) -> bytes:
    return content[:at] + number.to_bytes(width, order) + content[at + width :]


def _ogg_with_last_position(content: bytes, position: int) -> bytes:
    """The last page claims another number of samples, and its checksum is right."""
    begin = content.rindex(b"OggS")
    return content[:begin] + ogg_page(_with(content[begin:], 6, 8, "little", position))
