"""One clip in every container and codec that libsndfile can write."""

import io
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

CONTAINERS = {
    ".wav": "WAV",
    ".wave": "WAVEX",
    ".bwf": "WAV",
    ".w64": "W64",
    ".rf64": "RF64",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".mp3": "MP3",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".aifc": "AIFF",
    ".au": "AU",
    ".snd": "AU",
    ".caf": "CAF",
    ".sph": "NIST",
    ".nist": "NIST",
    ".voc": "VOC",
}
"""The product's endings and what lies behind them."""
OTHER_CONTAINERS = ("AVR", "HTK", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SDS", "SVX", "WVE", "XI")
"""What libsndfile reads as well, whatever the file is called."""
CANNOT_WRITE = {("AIFF", "DWVW_12"), ("MP3", "MPEG_LAYER_I"), ("MP3", "MPEG_LAYER_II"), ("WAV", "MPEG_LAYER_III")}


class Encoding(NamedTuple):
    """How libsndfile calls a container and a codec."""

    container: str
    codec: str

    @property
    def name(self) -> str:
        return f"{self.container.lower()}_{self.codec.lower()}"

    @property
    def suffix(self) -> str:
        """The first of the product's endings for it."""
        return next((suffix for suffix, name in CONTAINERS.items() if name == self.container), ".wav")


def encodings(*containers: str) -> list[Encoding]:
    """Every codec of these containers that can be written."""
    return [
        Encoding(container, codec)
        for container in dict.fromkeys(containers)
        for codec in soundfile.available_subtypes(container)
        if (container, codec) not in CANNOT_WRITE
    ]


def encoded(samples: np.ndarray, rate: int, encoding: Encoding) -> bytes:
    """A whole file, the same bytes every time."""
    if encoding.codec.startswith("DWVW"):
        return _through_a_file(samples, rate, encoding)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=encoding.container, subtype=encoding.codec)
    content = file.getvalue()
    return _without_serial(content) if encoding.container == "OGG" else _without_time(content)


def _without_time(content: bytes) -> bytes:
    """Without when it was written, which MAT5 says in its title and others beside their loudest sample."""
    if content.startswith(b"MATLAB 5"):
        return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", b"2000-01-01 00:00:00", content, count=1)
    at = content[:200].find(b"PEAK")
    return content if at < 0 else content[: at + 12] + bytes(4) + content[at + 16 :]


def _without_serial(content: bytes) -> bytes:
    """Pages of Ogg with the number of the stream, which is drawn by chance, set to 1."""
    pages = content.split(b"OggS")[1:]
    return b"".join(ogg_page(b"OggS" + page[:10] + b"\1\0\0\0" + page[14:]) for page in pages)


def ogg_page(page: bytes) -> bytes:
    """The page with the checksum that its content has now."""
    blank = page[:22] + bytes(4) + page[26:]
    value = 0
    for byte in blank:
        value = (value << 8 & 0xFFFFFFFF) ^ _OGG_CHECKSUMS[value >> 24 ^ byte]
    return page[:22] + value.to_bytes(4, "little") + page[26:]


def _ogg_checksum(byte: int) -> int:
    """CRC-32 with the polynomial 0x04C11DB7, most significant bit first, nothing inverted."""
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


_OGG_CHECKSUMS = [_ogg_checksum(byte) for byte in range(256)]


def _through_a_file(samples: np.ndarray, rate: int, encoding: Encoding) -> bytes:
    # This codec's writer seeks in a way that libsndfile does not offer for files in memory.
    with tempfile.NamedTemporaryFile() as file:
        soundfile.write(file.name, samples, rate, format=encoding.container, subtype=encoding.codec)
        return Path(file.name).read_bytes()
