"""Small real files that fuzzing begins with."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from reading import CLIP, samples_of

from hostile.encodings import CONTAINERS, OTHER_CONTAINERS, encoded, encodings
from hostile.work import Bytes

RATE = 16_000


def recording_seeds() -> list[Bytes]:
    """Half a second of speech in every container and codec, and in two channels at another rate in the usual ones."""
    speech = samples_of(CLIP)[RATE : RATE + RATE // 2]
    call = np.stack([speech, speech[::-1]], axis=1)
    every = encodings(*CONTAINERS.values(), *OTHER_CONTAINERS)
    stereo = [each for each in every if each.codec in ("PCM_16", "FLOAT", "VORBIS", "OPUS", "MPEG_LAYER_III")]
    return [
        *(Bytes(encoded(speech, RATE, each), each.suffix) for each in every),
        *(Bytes(encoded(call, 48_000, each), each.suffix) for each in stereo if each.container in CONTAINERS.values()),
    ]


def manifest_seeds() -> list[Bytes]:
    """Manifests in each text format and in Parquet with every type of column that pandas writes."""
    rows = [
        "utterance_id,path,start,end,channel,speaker,take,score",
        "a,calls/1.wav,0,1.5,0,Anna,1,0.5",
        '"b, again","calls/2 ""old"".wav",1.25,,mix,"Müller\nBen",2,1e-05',
        ",calls/3.wav,,2,,,3,-0.0",
        "d,s3://archive/4.flac,.5,1e1,1,😀,4,",
    ]
    text = "\n".join(rows)
    offsets = "audio_filepath,offset,duration,label\r\n" + "".join(f"{n}.wav,{n},1.5,x\r\n" for n in range(300))
    return [
        Bytes(text.encode(), ".csv"),
        Bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(), ".csv"),
        Bytes(text.replace(",", ";").encode(), ".csv"),
        Bytes(text.replace(",", "\t").encode(), ".tsv"),
        Bytes(offsets.encode(), ".csv"),
        *(Bytes(_parquet(**options), ".parquet") for options in _PARQUET),
    ]


_PARQUET = (
    {"compression": "none"},
    {"compression": "snappy", "row_group_size": 7},
    {"compression": "zstd", "use_dictionary": False, "data_page_version": "2.0"},
    {"compression": "gzip", "write_statistics": False},
    {"compression": "lz4", "use_byte_stream_split": ["score"], "use_dictionary": False},
)


def _parquet(**options: object) -> bytes:
    numbers = range(20)
    table = pa.table(
        {
            "path": [f"calls/{n}.wav" for n in numbers],
            "utterance_id": pa.array([f"id-{n}" for n in numbers]).dictionary_encode(),
            "start": pa.array([n / 4 for n in numbers], pa.float64()),
            "end": pa.array([None if n % 3 else n / 4 + 1 for n in numbers], pa.float32()),
            "channel": pa.array([n % 2 for n in numbers], pa.int8()),
            "score": pa.array([n * 0.1 for n in numbers], pa.float64()),
            "tags": [["laut", "leise"][: n % 3] for n in numbers],
            "facts": [{"age": n, "name": "Ben"} for n in numbers],
            "recorded": [datetime(2026, 1, 1 + n, tzinfo=UTC) for n in numbers],
            "price": [Decimal(n) / 10 for n in numbers],
            "raw": [bytes([n]) for n in numbers],
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()
