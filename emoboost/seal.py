"""Parquet files that tell by themselves whether a byte of them is another than was written.

The metadata of such a file (not of its Arrow schema) has an entry `emoboost.sha256`: the SHA-256 of the whole file with
zeros in the place of these 64 characters. A disk that flips a bit breaks it, and so does every program that writes the
rows again.
"""

import hashlib
import io
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

SEAL = "emoboost.sha256"
BLANK = "0" * 64


def sealed(table: pa.Table) -> bytes:
    """A table as a sealed file, its pages with checksums."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: BLANK})
    content = buffer.getvalue()
    return _with_seal(content, BLANK, hashlib.sha256(content).hexdigest())


def is_sealed(content: bytes, metadata: Mapping[bytes, bytes] | None) -> bool:
    """Whether a file's seal is that of its bytes.

    Args:
        content: of the file.
        metadata: in its footer.
    """
    seal = (metadata or {}).get(SEAL.encode(), b"").decode(errors="replace")
    return len(seal) == len(BLANK) and hashlib.sha256(_with_seal(content, seal, BLANK)).hexdigest() == seal


def _with_seal(content: bytes, old: str, new: str) -> bytes:
    """With another seal: the footer is the last of a file, and in it the value follows its name."""
    place = content.find(old.encode(), content.rfind(SEAL.encode()))
    return content[:place] + new.encode() + content[place + len(old) :]
