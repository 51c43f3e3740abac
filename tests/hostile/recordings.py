"""Every container and codec: whole, cut at many places, and damaged at random."""

import random
from collections.abc import Iterator

import numpy as np

from hostile.case import CUT, DAMAGED, OK, TRUNCATED, Content, Ends
from hostile.damage import damaged, random_changes
from hostile.encodings import CONTAINERS, OTHER_CONTAINERS, Encoding, encoded, encodings

RATE = 16_000
LOSSLESS = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32")
"""Codecs that keep 16 bits as they are."""
SOME_CODECS = ("PCM_16", "ULAW", "IMA_ADPCM", "GSM610", "ALAC_16", "VORBIS", "OPUS", "MPEG_LAYER_III")
HEAD_CUTS = (1, 13, 40)
CUTS = (0.25, 0.5, 0.9)
MAKES_NO_PROMISE = "OGG"
DAMAGES = 3


def whole(speech: np.ndarray) -> Iterator[Content]:
    """Every ending and every codec that libsndfile writes; `speech` is (samples,) of 16 bits at 16 kHz."""
    for encoding in encodings(*CONTAINERS.values(), *OTHER_CONTAINERS):
        is_clip = encoding.codec in LOSSLESS and encoding.container in CONTAINERS.values()
        yield Content(encoding.name, encoding.suffix, encoded(speech, RATE, encoding), OK, is_clip)
    for suffix, container in CONTAINERS.items():
        encoding = encodings(container)[0 if suffix != ".opus" else 1]
        yield Content(f"ending_{suffix[1:]}", suffix, encoded(speech, RATE, encoding), OK)


def cut(speech: np.ndarray) -> Iterator[Content]:
    """Ends before its time: within its header, and in its samples."""
    for encoding in _some():
        content = encoded(speech, RATE, encoding)
        for count in HEAD_CUTS:
            yield Content(f"{encoding.name}_cut_at_{count}", encoding.suffix, content[:count], CUT)
        for share in CUTS:
            name, part = f"{encoding.name}_cut_at_{share:.0%}", content[: int(len(content) * share)]
            yield Content(name, encoding.suffix, part, _ends_of_cut(encoding))


def _ends_of_cut(encoding: Encoding) -> Ends:
    if encoding.container == MAKES_NO_PROMISE:
        return CUT | OK
    return TRUNCATED


def randomly_damaged(speech: np.ndarray, seed: int) -> Iterator[Content]:
    """Bytes flipped, lost, doubled, overwritten with numbers at the edge of their range."""
    chance = random.Random(seed)
    for encoding in _some():
        content = encoded(speech, RATE, encoding)
        for number in range(DAMAGES):
            broken = damaged(content, random_changes(chance, len(content)))
            yield Content(f"{encoding.name}_damaged_{number}", encoding.suffix, broken, DAMAGED)


def _some() -> list[Encoding]:
    return [each for each in encodings(*CONTAINERS.values()) if each.codec in SOME_CODECS]
