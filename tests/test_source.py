"""Where the bytes come from: paths, permissions, URLs, a store that fails."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from bad_audio import PROTECTED, RATE, Difficult, obey_permissions
from reading import CLIP, REPOSITORY, read, refusal, written

from emoboost.access import Access
from emoboost.audio import open_recording
from emoboost.errors import AudioError, AudioErrorType

HASTY = Access(http=True, http_anywhere=True, retry_seconds=0.3)


def test_permission(difficult: dict[str, Difficult]) -> None:
    program = (
        "import sys; from emoboost.access import Access; from emoboost.audio import probe; probe(sys.argv[1], Access())"
    )
    path = str(difficult[PROTECTED].path)
    run = subprocess.run(
        [*obey_permissions(), sys.executable, "-c", program, path],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert f"AudioError: {path}: may not be read by this user (PermissionError: Permission denied)" in run.stderr


@pytest.mark.parametrize("path", ["/dev/zero", "clip\0.wav", "/" + "long" * 100, f"{CLIP}/7.wav"])
def test_strange_paths(path: str) -> None:
    expected = {
        "/dev/zero": (AudioErrorType.UNREADABLE, "is a device"),
        "clip\0.wav": (AudioErrorType.UNREADABLE, "null byte"),
        f"{CLIP}/7.wav": (AudioErrorType.NOT_FOUND, "no such file"),
    }.get(path, (AudioErrorType.NOT_FOUND, "longer than a file's can be"))
    error_type, message = refusal(path)
    assert error_type is expected[0]
    assert expected[1] in message


def test_file_urls_are_local_files(difficult: dict[str, Difficult], speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(f"file://{CLIP}", 1.0, 2.0), speech[16_000:32_000])
    assert refusal(f"file://{difficult['pipe'].path}")[0] is AudioErrorType.UNREADABLE


def test_more_bytes_than_allowed(difficult: dict[str, Difficult]) -> None:
    size = CLIP.stat().st_size
    assert len(read(CLIP, access=Access(max_bytes=size)))
    error_type, message = refusal(CLIP, access=Access(max_bytes=size - 1))
    assert error_type is AudioErrorType.TOO_LARGE
    assert f"has {size:,} bytes, the limit is {size - 1:,} (--max-bytes)" in message
    # Its content was not looked at: this one cannot be decoded.
    assert refusal(difficult["text"].path, access=Access(max_bytes=1))[0] is AudioErrorType.TOO_LARGE


def test_more_bytes_than_allowed_in_a_store() -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/large.flac", CLIP.read_bytes())
    assert refusal("memory://bucket/large.flac", access=Access(max_bytes=100))[0] is AudioErrorType.TOO_LARGE


def test_a_store(speech: np.ndarray) -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/clip.flac", CLIP.read_bytes())
    np.testing.assert_array_equal(read("memory://bucket/clip.flac"), speech)
    np.testing.assert_array_equal(read("memory://bucket/clip.flac", 1.0, 2.0), speech[16_000:32_000])
    assert refusal("memory://bucket/none.flac")[0] is AudioErrorType.NOT_FOUND
    assert refusal("nosuchstore://bucket/clip.flac")[0] is AudioErrorType.NOT_ALLOWED


class _Store(BaseHTTPRequestHandler):
    """Serves one file by ranges, until it is told to fail."""

    protocol_version = "HTTP/1.1"
    fails: ClassVar[bool] = False

    def __init__(self, content: bytes, *arguments: Any) -> None:
        self.content = content
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        if self.path.strip("/").isdecimal():
            self._answer(int(self.path.strip("/")), b"", 0)
            return
        self._answer(200, b"", len(self.content))

    def do_GET(self) -> None:
        if _Store.fails:
            self._answer(503, b"", 0)
            return
        if self.path.strip("/").isdecimal():
            self._answer(int(self.path.strip("/")), b"", 0)
            return
        begin, end = self.headers["Range"].removeprefix("bytes=").split("-")
        part = self.content[int(begin) : int(end) + 1]
        self._answer(206, part, len(part), f"bytes {begin}-{int(begin) + len(part) - 1}/{len(self.content)}")

    def _answer(self, status: int, body: bytes, length: int, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path, speech: np.ndarray) -> Iterator[str]:
    pytest.importorskip("aiohttp", reason="fsspec reads http:// with aiohttp")
    # More than the 5 MiB which fsspec reads at once.
    path = written(tmp_path / "long.wav", np.resize(speech, 8_000_000))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Store, path.read_bytes()))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/long.wav"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "expected", "message"),
    [
        (401, AudioErrorType.PERMISSION, "may not be read by this user (HTTP status 401 Unauthorized)"),
        (403, AudioErrorType.PERMISSION, "may not be read by this user (HTTP status 403 Forbidden)"),
        (404, AudioErrorType.NOT_FOUND, "there is no such file"),
        (500, AudioErrorType.UNREADABLE, "the last: HTTP status 500 Internal Server Error"),
    ],
)
def test_what_an_http_server_says(store: str, status: int, expected: AudioErrorType, message: str) -> None:
    found = refusal(store.replace("long.wav", str(status)), access=HASTY)
    assert found[0] is expected
    assert message in found[1]


def test_a_server_that_is_not_there(store: str) -> None:
    """It speaks for its own recordings alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(AudioError, match=r"a\.wav: cannot be read \(\d+ attempts? in .*ClientConnectorError") as caught:
        read(f"http://127.0.0.1:{port}/a.wav", access=HASTY)
    assert caught.value.type is AudioErrorType.UNREADABLE


def test_a_store_that_fails_is_not_a_cut_recording(
    store: str, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_recording(store, HASTY) as recording:
        np.testing.assert_array_equal(recording.read(0.0, 1.0, None, 600.0), speech[:RATE])
        with monkeypatch.context() as patch:
            patch.setattr(_Store, "fails", True)
            with pytest.raises(AudioError, match="503") as caught:
                recording.read(0.0, None, None, 600.0)
            assert caught.value.type is AudioErrorType.UNREADABLE
        whole = recording.read(0.0, None, None, 600.0)
        np.testing.assert_array_equal(whole, np.resize(speech, 8_000_000))
    assert capfd.readouterr().err == ""
