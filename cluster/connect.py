"""Joining a Ray cluster, or starting a private one for the length of a job."""

import contextlib
import importlib
import os
import secrets
import signal
import socket
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.lost_nodes import loss_noticed
from cluster.quiet import quiet_loggers
from cluster.resources import GIB, Layout, Node, layout_for
from cluster.session_folder import session_folder
from emoboost.errors import EmoboostError, UsageError
from emoboost.importing import collector_paused

OBJECT_STORE_BYTES = GIB // 2
NO_PROGRESS_SECONDS = 1_800
ANSWER_SECONDS = 5.0
PRIVATE_ENVIRONMENT: Mapping[str, str] = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # Where this is off Ray calls its node 127.0.0.1, and each of its processes then listens on the loopback interface
    # alone. The name is of the systems where that is Ray's own default; it is read when ray is imported.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": "1",
    # glibc: keep freed blocks of up to 32 MiB. Giving each segment's arrays back to the system and taking them anew
    # costs a feature worker a fifth of its time (docs/benchmarks.md).
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
    "TRANSFORMERS_VERBOSITY": "error",
}


@dataclass(frozen=True)
class Cluster:
    """Where the job runs."""

    address: str | None
    """None for a private Ray on this machine."""
    machines: Mapping[str, Node]
    """By Ray's id."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What its machines offer."""
        return tuple(self.machines.values())

    @property
    def layout(self) -> Layout:
        """How the stages share it."""
        return layout_for(self.nodes)

    def now(self) -> "Cluster":
        """The same as it is by now; machines come and go."""
        return Cluster(self.address, _machines())

    @contextlib.contextmanager
    def loss_noticed(self) -> Iterator[Callable[[], None]]:
        """See `cluster.lost_nodes`; a private Ray does not outlive its only machine."""
        if self.address is None:
            yield lambda: None
            return
        with loss_noticed(self.machines.keys(), lambda: _machines().keys()) as move:
            yield move

    def describe(self) -> str:
        """One line for people: nodes, CPUs, GPUs."""
        cpus, gpus = sum(node.cpus for node in self.nodes), sum(node.gpus for node in self.nodes)
        place = f"Ray cluster at {self.address}" if self.address else "this machine (private Ray)"
        return f"{place}: {len(self.nodes)} node{'s' * (len(self.nodes) != 1)}, {cpus:g} CPUs, {gpus:g} GPUs"


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[Cluster]:
    """A connection to Ray for the length of the context.

    Without an address (and without `RAY_ADDRESS`) a private Ray starts on this machine: no dashboard, no usage
    reporting, ports on the loopback interface only, a random token that only this process and its workers know, its
    files in a temporary folder. SIGTERM raises KeyboardInterrupt, as Ctrl-C does.

    Raises:
        EmoboostError: the cluster cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    temporary = None
    own_folder = contextlib.ExitStack()
    if address is None:
        temporary = own_folder.enter_context(session_folder())
        os.environ.update(PRIVATE_ENVIRONMENT)
        # Ray reads it once in a process: a second private Ray must have the same one.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with collector_paused():
        import ray
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with collector_paused(), _sigterm_as_before(handler):
            # Its import takes as long as starting Ray does, most of which is waiting for other processes.
            importing = threading.Thread(target=importlib.import_module, args=("ray.data",))
            importing.start()
            _init(address, temporary)
            importing.join()
        quiet_loggers()
        _set_streaming()
        signal.signal(signal.SIGTERM, _interrupt)
        yield Cluster(address, _machines())
    finally:
        with _undisturbed():
            ray.shutdown()
            own_folder.close()
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _sigterm_as_before(handler: Any) -> Iterator[None]:
    """Ray's start gives SIGTERM a handler of its own, which leaves without a word; undo that."""
    try:
        yield
    except SystemExit as left:
        raise KeyboardInterrupt from left
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No second Ctrl-C or SIGTERM while Ray's processes are ended: it would leave them behind."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def refuse_unreachable(address: str | None) -> None:
    """Stop when nothing listens at the address of a cluster; Ray itself would wait for minutes.

    Args:
        address: of the user's choice; None is that of `RAY_ADDRESS`. One without a port (`auto`) is left to Ray.

    Raises:
        UsageError: the host is unknown, or does not answer.
    """
    address = address or os.environ.get("RAY_ADDRESS") or ""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address} ({error}); check --ray-address or RAY_ADDRESS"
        ) from error


def _set_streaming() -> None:
    """Settings of Ray Data for this process: a shard is a block, nothing is printed, nothing waits for ever."""
    import ray.data

    context = ray.data.DataContext.get_current()
    # None: a block is neither split nor merged on its way, so that one row stays one shard.
    context.target_max_block_size = None
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_SECONDS


def _init(address: str | None, temporary: Path | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        ray.init(
            address="local",
            # Shares of two processors are the least that both stages fit into.
            num_cpus=max(2, len(os.sched_getaffinity(0))),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(temporary),
            **quiet,
        )
        return
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise EmoboostError(
            f"no Ray cluster answers at {address} ({first}); check --ray-address or RAY_ADDRESS and, when the cluster "
            "asks for one, RAY_AUTH_MODE=token with RAY_AUTH_TOKEN"
        ) from error


def _machines() -> Mapping[str, Node]:
    import ray

    return {entry["NodeID"]: _node(entry) for entry in ray.nodes() if entry["Alive"]}


def _node(entry: Mapping[str, Any]) -> Node:
    resources = entry["Resources"]
    return Node(resources.get("CPU", 0), resources.get("GPU", 0), resources.get("memory", 0))


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt
