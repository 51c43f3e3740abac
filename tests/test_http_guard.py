"""Recordings by HTTP: not from this machine's own addresses, nor by a redirect or a name that leads there."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import psutil
import pytest
from reading import CLIP, read, refusal

from emoboost.access import ANYWHERE, Access
from emoboost.errors import AudioErrorType
from emoboost.http_guard import guarded_client, is_refused, refusal_in

aiohttp = pytest.importorskip("aiohttp", reason="fsspec reads http:// with aiohttp")

WEB = Access(http=True)


class _Files(BaseHTTPRequestHandler):
    """Serves the clip, or sends on to where the path says."""

    protocol_version = "HTTP/1.1"

    def __init__(self, asked: list[str], *arguments: Any) -> None:
        self.asked = asked
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        content = CLIP.read_bytes()
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            content = b""
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(address: str) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []
    with ThreadingHTTPServer((address, 0), partial(_Files, asked)) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1], asked
        serving.shutdown()


@pytest.fixture
def near() -> Iterator[tuple[str, list[str]]]:
    """A server on the loopback interface, and what it was asked for."""
    with server("127.0.0.1") as (port, asked):
        yield f"http://127.0.0.1:{port}", asked


@pytest.fixture
def far() -> Iterator[tuple[str, list[str]]]:
    """A server on an address of this machine that others could reach, too."""
    own = [
        found.address
        for addresses in psutil.net_if_addrs().values()
        for found in addresses
        if found.family == socket.AF_INET and not is_refused(found.address)
    ]
    with ExitStack() as stack:
        for address in own:
            try:
                port, asked = stack.enter_context(server(address))
            except OSError:
                continue
            yield f"http://{address}:{port}", asked
            return
        pytest.skip("this machine has no address but loopback and link-local ones")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "169.254.170.2",
            "fe80::1%lo",
        ),
        *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "::ffff:127.0.0.1", "::127.0.0.1"),
        *("fd00:c1::a9fe:a9fe", "fd00:42::42", "192.0.0.192", "64:ff9b:1::a9fe:a9fe", "::ffff:0:169.254.169.254"),
        *("::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "224.0.0.1", "ff02::1"),
    ],
)
def test_refused_addresses(address: str) -> None:
    assert is_refused(address)


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "10.0.0.1", "93.184.216.34", "2001:db8::7", "fd00::7", "64:ff9b::5db8:d822"]
)
def test_other_addresses(address: str) -> None:
    assert not is_refused(address)


def test_this_machine_is_refused(near: tuple[str, list[str]]) -> None:
    url, asked = near
    error_type, message = refusal(f"{url}/7.flac", access=WEB)
    assert error_type is AudioErrorType.NOT_ALLOWED
    assert "it leads to this machine, its own link or a cloud's metadata service" in message
    assert asked == []


def test_a_name_is_judged_by_its_addresses(near: tuple[str, list[str]]) -> None:
    """`localhost` stands for any name that resolves to 127.0.0.1 or ::1, whatever it resolved to before."""
    url, asked = near
    assert {found[4][0] for found in socket.getaddrinfo("localhost", 80)} <= {"127.0.0.1", "::1"}
    assert refusal(url.replace("127.0.0.1", "localhost"), access=WEB)[0] is AudioErrorType.NOT_ALLOWED
    assert asked == []


@pytest.mark.parametrize(
    "host", ["[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.0.0.9", "2130706433", "127.1", "0x7f.1"]
)
def test_other_spellings_of_this_machine(near: tuple[str, list[str]], host: str) -> None:
    url, asked = near
    assert refusal(url.replace("127.0.0.1", host), access=WEB)[0] in (
        AudioErrorType.NOT_ALLOWED,
        AudioErrorType.UNREADABLE,
        AudioErrorType.NOT_FOUND,
    )
    assert asked == []


def test_what_a_person_typed_may_be_here(near: tuple[str, list[str]], speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(f"{near[0]}/7.flac", access=ANYWHERE), speech)


def test_another_machine(far: tuple[str, list[str]], speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(f"{far[0]}/7.flac", access=WEB), speech)


def test_a_redirect_to_another_machine(far: tuple[str, list[str]], speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(f"{far[0]}/to/{far[0]}/7.flac", access=WEB), speech)


def test_a_redirect_to_this_machine(far: tuple[str, list[str]], near: tuple[str, list[str]]) -> None:
    error_type, message = refusal(f"{far[0]}/to/{near[0]}/7.flac", access=WEB)
    assert error_type is AudioErrorType.NOT_ALLOWED
    assert "it leads to this machine" in message
    assert far[1]
    assert near[1] == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/7.flac"])
def test_a_redirect_to_another_scheme(far: tuple[str, list[str]], target: str) -> None:
    assert refusal(f"{far[0]}/to/{target}", access=WEB)[0] is AudioErrorType.UNREADABLE


def test_options_of_the_store_do_not_replace_the_guard(near: tuple[str, list[str]]) -> None:
    async def plain(**options: Any) -> Any:
        return aiohttp.ClientSession(**options)

    access = Access(http=True, storage_options={"get_client": plain})
    assert refusal(f"{near[0]}/7.flac", access=access)[0] is AudioErrorType.NOT_ALLOWED

    async def with_a_connector_of_its_own() -> None:
        connector = aiohttp.TCPConnector()
        async with await guarded_client(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get(near[0])
            assert refusal_in(caught.value)
        await connector.close()

    asyncio.run(with_a_connector_of_its_own())
    assert near[1] == []
