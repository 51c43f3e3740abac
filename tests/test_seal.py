"""A sealed file opens as any other, and no change of it goes unseen."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoboost.seal import BLANK, SEAL, is_sealed, sealed

TABLE = pa.table({"id": ["a", "b"], "seal": [BLANK, f"{SEAL} {BLANK}"]}).replace_schema_metadata(
    {"emoboost.plan": "ff", "zzz": BLANK}
)


def footer(content: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = pq.ParquetFile(pa.BufferReader(content)).metadata.metadata
    return found


def test_opens_as_any_other() -> None:
    content = sealed(TABLE)
    assert pq.read_table(pa.BufferReader(content)).equals(TABLE, check_metadata=True)
    assert is_sealed(content, footer(content))
    assert sealed(TABLE) == content


def test_the_seal_is_what_is_said_of_it() -> None:
    content = sealed(TABLE)
    seal = footer(content)[SEAL.encode()]
    assert hashlib.sha256(content.replace(seal, BLANK.encode())).hexdigest().encode() == seal


@settings(deadline=None)
@given(st.data())
def test_any_changed_byte_is_seen(data: st.DataObject) -> None:
    content = bytearray(sealed(TABLE))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert not is_sealed(bytes(content), footer(sealed(TABLE)))


@pytest.mark.parametrize("metadata", [None, {}, {b"emoboost.sha256": b""}, {b"emoboost.sha256": b"0" * 64}])
def test_without_a_seal(metadata: dict[bytes, bytes] | None) -> None:
    buffer = io.BytesIO()
    pq.write_table(TABLE, buffer)
    assert not is_sealed(buffer.getvalue(), metadata)
