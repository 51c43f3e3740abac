"""Recordings in a store: the same samples as from the disk, for few bytes and few requests, also when it fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import soundfile
from fault_proxy import FaultProxy, fault_proxy, reset, reset_in_body, status, truncated
from reading import read, refusal
from s3_server import LIMITED_KEY, LIMITED_SECRET, S3, options_for_server

from emoboost.access import Access
from emoboost.audio import open_recording
from emoboost.errors import AudioErrorType, StorageStop
from emoboost.patient_store import PatientStore
from emoboost.remote import BLOCK, LARGEST, SMALL, RangeFile

RATE = 16_000
SECONDS = 420
"""Of the long recording: more than a MiB in every format."""
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "float": ("WAV", "FLOAT"),
    "aiff": ("AIFF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
FROM_THE_BEGINNING = ("ogg", "mp3")
"""What lies before a span is decoded, too."""
SPANS = [(0.0, 30.0), (200.0, 230.0), (300.25, 360.5), (400.0, None)]


@dataclass(frozen=True)
class Long:
    """One recording on the disk and in the store."""

    path: Path
    url: str
    name: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    return s3.make_bucket("remote-tests")


@pytest.fixture(scope="module")
def proxy_of_module(s3: S3) -> Iterator[FaultProxy]:
    with fault_proxy(s3.endpoint) as running:
        yield running


@pytest.fixture
def proxy(proxy_of_module: FaultProxy) -> Iterator[FaultProxy]:
    """Which fails in no way yet, and has counted nothing."""
    proxy_of_module.forget()
    yield proxy_of_module
    proxy_of_module.heal()


@pytest.fixture
def access(proxy: FaultProxy) -> Access:
    return Access(storage_options=options_for_server(proxy.endpoint), retry_seconds=30)


@pytest.fixture(scope="module", params=FORMATS)
def long(
    request: pytest.FixtureRequest, bucket: str, s3: S3, speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Long:
    path = tmp_path_factory.mktemp("long") / f"long.{request.param}"
    container, subtype = FORMATS[request.param]
    with soundfile.SoundFile(path, "w", RATE, 1, format=container, subtype=subtype) as file:
        for _ in range(SECONDS * RATE // len(speech)):
            file.write(speech)
    return Long(path, put(s3, f"{bucket}/{path.name}", path.read_bytes()), request.param)


def put(s3: S3, url: str, content: bytes) -> str:
    store, path = PatientStore.at(url, Access(storage_options=s3.options))
    store.write(path, content)
    return url


def span_of(url: str, access: Access, start: float, end: float | None) -> np.ndarray:
    with open_recording(url, access) as recording:
        return recording.read(start, end, None, 3_600)


class TestSpans:
    @pytest.mark.parametrize("span", SPANS)
    def test_the_same_samples_for_few_bytes(
        self, long: Long, proxy: FaultProxy, access: Access, span: tuple[float, float | None]
    ) -> None:
        start, end = span
        with open_recording(long.url, access) as recording:
            header = proxy.body_bytes["GET"]
            found = recording.read(start, end, None, 3_600)
            seconds = recording.header.duration
        np.testing.assert_array_equal(found, span_of(str(long.path), Access(), start, end))
        assert seconds is not None
        begin = 0.0 if long.name in FROM_THE_BEGINNING else start
        needed = long.size * ((end or seconds) - begin) / seconds
        fetched = proxy.body_bytes["GET"] - header
        assert fetched <= 1.2 * needed, (fetched, needed)
        assert header <= 12 * BLOCK, "the beginning, and of Ogg the last 64 KiB"

    def test_requests(self, long: Long, proxy: FaultProxy, access: Access) -> None:
        with open_recording(long.url, access) as recording:
            proxy.forget()
            recording.read(200.0, 230.0, None, 3_600)
        assert proxy.requests() <= (1 if long.name in ("wav", "float", "aiff") else 10)

    def test_spans_of_one_recording(self, long: Long, proxy: FaultProxy, access: Access) -> None:
        """In ascending order, as a shard asks for them: nothing is fetched twice."""
        spans = [(20.0 * i, 20.0 * i + 10) for i in range(20)]
        with open_recording(long.url, access) as remote, open_recording(str(long.path), Access()) as local:
            for start, end in spans:
                np.testing.assert_array_equal(remote.read(start, end, None, 3_600), local.read(start, end, None, 3_600))
        share = 1.0 if long.name in FROM_THE_BEGINNING else 0.5
        assert proxy.body_bytes["GET"] <= 1.2 * share * long.size + 12 * BLOCK

    def test_a_whole_recording(self, long: Long, proxy: FaultProxy, access: Access) -> None:
        np.testing.assert_array_equal(
            span_of(long.url, access, 0.0, None), span_of(str(long.path), Access(), 0.0, None)
        )
        assert proxy.body_bytes["GET"] == long.size
        assert proxy.requests("GET") <= long.size / LARGEST + 12

    def test_memory_by_the_same_path(self, long: Long) -> None:
        fsspec.filesystem("memory").pipe_file(f"/remote/{long.path.name}", long.path.read_bytes())
        for start, end in SPANS:
            np.testing.assert_array_equal(
                span_of(f"memory://remote/{long.path.name}", Access(), start, end),
                span_of(str(long.path), Access(), start, end),
            )

    def test_a_bad_network(self, long: Long, s3: S3) -> None:
        with fault_proxy(s3.endpoint, seed=1) as proxy:
            for fault in (status(503), status(500), status(429), reset(), truncated(), reset_in_body()):
                proxy.add(fault, share=0.07)
            access = Access(storage_options=options_for_server(proxy.endpoint), retry_seconds=60)
            for start, end in [*SPANS, (0.0, None)]:
                found = span_of(long.url, access, start, end)
                np.testing.assert_array_equal(found, span_of(str(long.path), Access(), start, end))
            assert sum(request.fault is not None for request in proxy.seen) >= 1


class TestSmall:
    def test_one_request_for_all(
        self, bucket: str, s3: S3, proxy: FaultProxy, access: Access, clips: list[Path]
    ) -> None:
        for clip in clips:
            url = put(s3, f"{bucket}/{clip.name}", clip.read_bytes())
            proxy.forget()
            np.testing.assert_array_equal(read(url, access=access), read(clip))
            assert [request.method for request in proxy.seen] == ["HEAD", "GET"]

    def test_of_one_byte_more_only_a_part(self, bucket: str, s3: S3, proxy: FaultProxy, access: Access) -> None:
        for size, expected in ((SMALL, SMALL), (SMALL + 1, BLOCK)):
            url = put(s3, f"{bucket}/sized", bytes(size))
            proxy.forget()
            RangeFile(*PatientStore.at(url, access)).read(10)
            assert proxy.body_bytes["GET"] == expected


class TestRangeFile:
    @pytest.fixture
    def content(self) -> bytes:
        return np.random.default_rng(1).integers(0, 256, 3_000_000, np.uint8).tobytes()

    @pytest.fixture
    def file(self, bucket: str, s3: S3, access: Access, content: bytes) -> RangeFile:
        return RangeFile(*PatientStore.at(put(s3, f"{bucket}/content", content), access))

    def test_any_order(self, file: RangeFile, content: bytes) -> None:
        draw = np.random.default_rng(2)
        for _ in range(200):
            place, count = int(draw.integers(0, len(content) + 10)), int(draw.choice([0, 1, 100, 9_000, 300_000]))
            file.seek(place)
            if draw.random() < 0.2:
                file.expect(int(draw.integers(0, 200_000)), int(draw.integers(0, 100_000)))
            assert file.read(count) == content[place : place + count]
            assert file.tell() == min(place + count, max(place, len(content)))

    def test_all(self, file: RangeFile, content: bytes) -> None:
        assert file.read(10) == content[:10]
        assert file.read() == content[10:]
        assert file.read() == b""

    def test_read_on_and_on(self, file: RangeFile, content: bytes, proxy: FaultProxy) -> None:
        pieces = [file.read(1_000) for _ in range(1_500)]
        assert b"".join(pieces) == content[:1_500_000]
        assert proxy.body_bytes["GET"] <= 1.2 * 1_500_000 + BLOCK
        assert proxy.requests("GET") <= 40

    def test_what_was_expected_is_one_request(self, file: RangeFile, proxy: FaultProxy) -> None:
        file.seek(500_000)
        file.expect(400_000, 400_000)
        for _ in range(400):
            file.read(1_000)
        assert [request.range for request in proxy.seen if request.range] == ["bytes=500000-899999"]

    def test_version(self, bucket: str, s3: S3, access: Access, content: bytes) -> None:
        url = f"{bucket}/changing"
        versions = []
        for each in (content, content[:-1] + b"x"):
            put(s3, url, each)
            versions.append(RangeFile(*PatientStore.at(url, access)).version)
        assert versions[0] != versions[1]
        assert all(version.startswith("etag=") and '"' not in version for version in versions)

    def test_an_object_that_changes_is_no_mixture(self, bucket: str, s3: S3, access: Access, content: bytes) -> None:
        url = put(s3, f"{bucket}/overwritten", content)
        file = RangeFile(*PatientStore.at(url, access))
        file.read(10)
        put(s3, url, content[::-1])
        file.seek(2_000_000)
        with pytest.raises(OSError, match="no longer exists"):
            file.read(10)

    def test_a_body_that_is_too_short(self, bucket: str, s3: S3, content: bytes) -> None:
        """Of a store that says it is whole: it is asked again, and is never a cut recording."""
        store, path = PatientStore.at("memory://short/content", Access(retry_seconds=0.2))
        store.write(path, content)
        file = RangeFile(store, path)
        file.read(10)
        store.write(path, content[:1_000_000])
        file._object = store.filesystem.open(path)
        file.seek(2_000_000)
        with pytest.raises(OSError, match=r"^\d+ attempts? in") as caught:
            file.read(10)
        assert "0 of " in str(caught.value.__cause__)

    def test_a_folder(self, bucket: str, s3: S3, access: Access) -> None:
        put(s3, f"{bucket}/folder/file", b"1")
        with pytest.raises(IsADirectoryError):
            RangeFile(*PatientStore.at(f"{bucket}/folder", access))


class TestRows:
    """What becomes a row of the output, and what stops the job."""

    def test_missing(self, bucket: str, access: Access) -> None:
        assert refusal(f"{bucket}/none.wav", access=access)[0] is AudioErrorType.NOT_FOUND

    def test_denied(self, bucket: str, s3: S3) -> None:
        url = put(s3, f"{bucket}/denied.wav", b"x")
        access = Access(storage_options=options_for_server(s3.endpoint, LIMITED_KEY, LIMITED_SECRET))
        error_type, message = refusal(url, access=access)
        assert error_type is AudioErrorType.PERMISSION
        assert "(AccessDenied: " in message

    def test_a_store_that_stays_busy(self, long: Long, proxy: FaultProxy, access: Access) -> None:
        hasty = Access(storage_options=access.storage_options, retry_seconds=0.5)
        with open_recording(long.url, hasty) as recording:
            proxy.add(status(503), method="GET")
            with pytest.raises(
                Exception, match=r"cannot be read \(\d+ attempts in \d+\.\d s; the last: SlowDown: "
            ) as caught:
                recording.read(100.0, 130.0, None, 3_600)
            assert getattr(caught.value, "type", None) is AudioErrorType.UNREADABLE
            proxy.heal()
            np.testing.assert_array_equal(
                recording.read(100.0, 130.0, None, 3_600), span_of(str(long.path), Access(), 100.0, 130.0)
            )

    @pytest.mark.parametrize("changes", [{"secret": "wrong"}, {"key": "nobody"}])
    def test_wrong_credentials_stop(self, long: Long, s3: S3, changes: dict[str, Any]) -> None:
        with pytest.raises(StorageStop, match="check the credentials"):
            read(long.url, access=Access(storage_options={**s3.options, **changes}))

    def test_no_connection_stops_in_the_middle_too(self, long: Long, proxy: FaultProxy, access: Access) -> None:
        hasty = Access(storage_options=access.storage_options, retry_seconds=0.3)
        with open_recording(long.url, hasty) as recording:
            proxy.down()
            try:
                with pytest.raises(StorageStop, match="check the network"):
                    recording.read(100.0, 130.0, None, 3_600)
            finally:
                proxy.up()

    def test_no_such_bucket_stops(self, s3: S3, access: Access) -> None:
        with pytest.raises(StorageStop, match="NoSuchBucket"):
            read("s3://never-made/a.wav", access=access)
