"""One repository of the Hugging Face hub on this machine: the four requests that a download makes."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A running server."""

    endpoint: str
    fetched: set[str] = field(default_factory=set)
    """Names of the files whose content was asked for."""


@contextlib.contextmanager
def serve_repository(folder: Path, name: str) -> Iterator[Hub]:
    """The files of `folder` as the only commit of `name`; every other repository does not exist."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_HEAD(self) -> None:
            self.answer()

        def answer(self) -> None:
            path = self.path.partition("?")[0]
            if path == f"/api/models/{name}" or path.startswith(f"/api/models/{name}/revision/"):
                self.send(json.dumps({"id": name, "sha": COMMIT}).encode())
            elif path.startswith(f"/api/models/{name}/tree/{COMMIT}"):
                self.send(json.dumps([describe(file) for file in sorted(folder.iterdir())]).encode())
            elif path.startswith(f"/{name}/resolve/{COMMIT}/"):
                file = folder / path.rpartition("/")[2]
                hub.fetched.add(file.name)
                self.send(file.read_bytes(), {"X-Repo-Commit": COMMIT, "ETag": f'"{describe(file)["oid"]}"'})
            else:
                self.send(b"{}", {"X-Error-Code": "RepoNotFound"}, status=404)

        def send(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    def describe(file: Path) -> dict[str, object]:
        oid = hashlib.sha1(file.read_bytes()).hexdigest()
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": oid}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
