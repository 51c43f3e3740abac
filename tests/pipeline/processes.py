"""A run as the operating system sees it: its processes, what they listen on, and who gets in."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.shell import Shell

AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's helpers that notice only after a minute that the process they serve is gone."""
SECOND_DRIVER = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False)
print("CONNECTED", len(ray.nodes()))
"""


@dataclass(frozen=True)
class Listening:
    """One open TCP port."""

    process: str
    address: str
    port: int
    http_answer: str
    """First line of the answer to a plain HTTP request without a token; empty when it is not HTTP."""


@dataclass
class Stopped:
    """A run that was started, and what became of it."""

    cwd: Path
    words: list[str]
    process: "subprocess.Popen[str]"
    tree: list[psutil.Process]

    def parts(self) -> list[Path]:
        return list(self.cwd.glob("*/labels/*.parquet"))

    @property
    def stderr(self) -> str:
        return (self.cwd / "stderr.txt").read_text()

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = 90) -> None:
        """Until `condition()` holds; the run must still be going on."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended before {what}: {self.stderr}"
            assert time.monotonic() < end, f"no {what} in {seconds} s: {self.stderr}"
            time.sleep(0.05)
        self.tree = family(self.process.pid)

    def end(self, seconds: float = 30) -> tuple[int, float]:
        """Exit code, and how many seconds it took from now."""
        begin = time.monotonic()
        return self.process.wait(timeout=seconds), time.monotonic() - begin

    def left(self, seconds: float = 5) -> list[str]:
        """Names of processes of the run that are still alive after some seconds."""
        _, alive = psutil.wait_procs(self.tree, timeout=seconds)
        return [name_of(process) for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def started(shell: Shell, words: list[str], cwd: Path) -> Iterator[Stopped]:
    """A run in a process group of its own, of which nothing is left afterwards."""
    run = Stopped(cwd, words, shell.start(*words, cwd=cwd), [])
    try:
        yield run
    finally:
        with suppress(psutil.NoSuchProcess):
            run.tree += family(run.process.pid)
        for process in run.tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        run.process.wait()


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def name_of(process: psutil.Process) -> str:
    """Short: `ray::RuntimeEnvAgent`, `gcs_server`, `dashboard.py`."""
    with suppress(psutil.NoSuchProcess):
        words = [word for word in process.cmdline() if word.strip()]
        script = next((word for word in words[1:] if word.endswith((".py", "emoboost-batch"))), None)
        return Path(script or words[0]).name if words and "/" in words[0] else " ".join(words).strip()
    return "gone"


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Hold a driver, so that its session stays open as long as one looks at it, however fast the machine is."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def listening(tree: list[psutil.Process]) -> list[Listening]:
    """Every TCP port that these processes accept connections on."""
    found = []
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    address, port = connection.laddr
                    found.append(Listening(name_of(process), address, port, http_answer(address, port)))
    return found


def http_answer(address: str, port: int) -> str:
    """First line of the answer to GET without a token; gRPC answers with bytes that are no HTTP/1.1."""
    host = {"::": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(address, address)
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = connection.recv(200)
    except OSError:
        return ""
    return answer.split(b"\r\n")[0].decode(errors="replace") if answer.startswith(b"HTTP/") else ""


def gcs_address(tree: list[psutil.Process]) -> str:
    """Where the session's control store is reached, from the command line of its raylet, as an intruder finds it."""
    prefix = "--gcs-address="
    found = {word.removeprefix(prefix) for each in tree for word in each.cmdline() if word.startswith(prefix)}
    (address,) = found
    return address


def token_of(tree: list[psutil.Process]) -> str:
    """The session's token, as only the same user can read it."""
    (token,) = {each.environ()["RAY_AUTH_TOKEN"] for each in tree if name_of(each) == "raylet"}
    return token


def second_drivers(shell: Shell, address: str, tokens: dict[str, str | None]) -> dict[str, tuple[int, str]]:
    """Exit code and output of programs that try to join a session, all at once; None: no token and no token mode."""
    running = {}
    # Without it a driver takes 127.0.0.1 for another address of this machine, and would knock where nothing listens.
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    for name, token in tokens.items():
        changes = {} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        running[name] = subprocess.Popen(
            ["timeout", "60", sys.executable, "-c", SECOND_DRIVER, address],
            env=shell.environment(RAY_USAGE_STATS_ENABLED="0", **loopback, **changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    outputs = {name: process.communicate()[0] for name, process in running.items()}
    return {name: (process.returncode, outputs[name]) for name, process in running.items()}
