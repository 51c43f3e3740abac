"""A reverse proxy in front of an HTTP server that fails as a network and a busy store do, by rule and repeatably.

    with fault_proxy(store.endpoint) as proxy:
        proxy.add(status(503), method="GET", path=r"\\.wav$", times=2)
        ... a client of proxy.endpoint ...
        assert proxy.requests("GET") == 3

Requests are passed on as they came, with their Host header: signatures of S3 cover it.
"""

import contextlib
import http.client
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CODES = {429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Make it with one of the functions below."""

    name: str
    status: int | None = None
    """Answered by the proxy instead of the server."""
    code: str = ""
    """In the answer's body."""
    delay: float = 0.0
    """Seconds before anything else happens."""
    forward: bool = True
    """Whether the server sees the request."""
    body: float | None = None
    """Share of the answer's body that is sent before the connection ends; None is a whole answer."""
    reset: bool = False
    """Whether the connection ends by RST rather than by FIN."""


def status(number: int, code: str = "") -> Fault:
    """An answer with this HTTP status and, as S3 does, a code in XML; the server does not see the request."""
    return Fault(f"status {number}", status=number, code=code or CODES.get(number, "Fault"), forward=False)


def delay(seconds: float) -> Fault:
    """A slow network; then all goes well."""
    return Fault("delay", delay=seconds)


def reset() -> Fault:
    """The connection breaks before the server sees the request."""
    return Fault("reset", forward=False, reset=True)


def lost_answer() -> Fault:
    """The server does what is asked, and the connection breaks before its answer."""
    return Fault("lost answer", reset=True)


def truncated(share: float = 0.5) -> Fault:
    """A part of the body comes, then the connection is closed as if all was well."""
    return Fault("truncated", body=share)


def reset_in_body(share: float = 0.5) -> Fault:
    """A part of the body comes, then the connection breaks."""
    return Fault("reset in the body", body=share, reset=True)


@dataclass(frozen=True)
class Request:
    """What the proxy saw."""

    method: str
    path: str
    range: str | None
    """The Range header."""
    fault: str | None
    """Name of the fault that it met."""


@dataclass
class Rule:
    """Which requests a fault meets."""

    fault: Fault
    method: str | None
    path: re.Pattern[str]
    spared: int
    """How many requests it still lets pass."""
    times: int | None
    share: float
    met: int = 0
    """How many it has met."""


@dataclass
class FaultProxy:
    """A running proxy. Make it with `fault_proxy`; every method may be called from any thread."""

    upstream: str
    seed: int
    rules: list[Rule] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    """Every request, in the order in which they came."""
    body_bytes: Counter[str] = field(default_factory=Counter)
    """Bytes of bodies that were sent to clients, by method."""
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: "_Server | None" = None

    @property
    def endpoint(self) -> str:
        """What a client is told."""
        return f"http://127.0.0.1:{self.port}"

    def add(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str = "",
        after: int = 0,
        times: int | None = None,
        share: float = 1.0,
    ) -> Rule:
        """Let a fault meet requests from now on; the first rule that applies is the one.

        Args:
            fault: what goes wrong.
            method: of the requests; None is any.
            path: regular expression that is searched for in the path and query.
            after: the first so many of them are spared.
            times: it stops after so many; None is never.
            share: of the requests. Which of them is drawn from the seed and the request, and so does not depend on
                the order in which threads ask.
        """
        rule = Rule(fault, method, re.compile(path), after, times, share)
        with self._lock:
            self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self.rules.clear()

    def forget(self) -> None:
        """Count from zero again."""
        with self._lock:
            self.seen.clear()
            self.body_bytes.clear()

    def requests(self, method: str | None = None, path: str = "") -> int:
        """How many came, of one method, with this regular expression in path and query."""
        with self._lock:
            return sum(method in (None, each.method) and bool(re.search(path, each.path)) for each in self.seen)

    def down(self) -> None:
        """Refuse connections, and break those that there are."""
        if self._server is not None:
            self._server.end()
            self._server = None

    def up(self) -> None:
        """Accept connections, at the same address as before."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def fault_for(self, method: str, path: str, range_: str | None) -> Fault | None:
        """What this request meets; it counts."""
        with self._lock:
            repeated = sum((each.method, each.path, each.range) == (method, path, range_) for each in self.seen)
            fault = None
            for number, rule in enumerate(self.rules):
                if rule.method not in (None, method) or not rule.path.search(path):
                    continue
                if rule.times is not None and rule.met >= rule.times:
                    continue
                if rule.spared:
                    rule.spared -= 1
                    continue
                drawn = random.Random(f"{self.seed} {number} {method} {path} {range_} {repeated}").random()
                if drawn < rule.share:
                    rule.met += 1
                    fault = rule.fault
                    break
            self.seen.append(Request(method, path, range_, fault and fault.name))
            return fault

    def sent(self, method: str, count: int) -> None:
        """Count bytes of a body."""
        with self._lock:
            self.body_bytes[method] += count


@contextlib.contextmanager
def fault_proxy(upstream: str, seed: int = 0) -> Iterator[FaultProxy]:
    """A proxy in front of `upstream` (`http://host:port`) for as long as the context lasts."""
    proxy = FaultProxy(upstream, seed)
    proxy.up()
    try:
        yield proxy
    finally:
        proxy.down()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", proxy.port), _Handler)

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                _break(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left, which is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def _relay(self) -> None:
        proxy, content = self.server.proxy, self._content()
        fault = proxy.fault_for(self.command, self.path, self.headers.get("Range")) or Fault("none")
        time.sleep(fault.delay)
        if fault.status is not None:
            self._refuse(fault.status, fault.code)
            return
        if not fault.forward:
            _break(self.connection)
            self.close_connection = True
            return
        answer, body = self._asked(content)
        if fault.reset and fault.body is None:
            _break(self.connection)
            self.close_connection = True
            return
        self._answer(answer, body, fault)

    def do_GET(self) -> None:
        self._relay()

    def do_HEAD(self) -> None:
        self._relay()

    def do_PUT(self) -> None:
        self._relay()

    def do_POST(self) -> None:
        self._relay()

    def do_DELETE(self) -> None:
        self._relay()

    def _content(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _asked(self, content: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self.server.proxy.upstream.removeprefix("http://"), timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {*HOP_BY_HOP, "content-length"}:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            answer = connection.getresponse()
            return answer, answer.read()

    def _answer(self, answer: http.client.HTTPResponse, body: bytes, fault: Fault) -> None:
        self.send_response_only(answer.status, answer.reason)
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        if self.command != "HEAD" and answer.status not in (204, 304):
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        part = body if fault.body is None else body[: int(len(body) * fault.body)]
        self.server.proxy.sent(self.command, len(part))  # before a client can have it and ask
        self.wfile.write(part)
        if fault.body is not None:
            self.close_connection = True
            if fault.reset:
                time.sleep(0.05)  # RST would overtake what was sent
                _break(self.connection)

    def _refuse(self, number: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        self.send_response(number)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def _break(connection: socket.socket) -> None:
    """End a connection by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # http.server keeps files of the socket, which would keep it open.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    socket.close(connection.detach())
