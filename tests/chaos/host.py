"""Runs of `annotate` that can be killed at any step: forked from a process that has imported everything.

The run is the real one, but for Ray: both stages are called one after the other in the process of the command, so that
a step of the command, of a part and of the end can be counted and killed at. One request is a line of JSON on standard
input, one answer a line of JSON on standard output.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from cluster.connect import Cluster
from cluster.resources import GIB, Layout, Node
from emoboost.access import Access
from emoboost.errors import EmoboostError
from emoboost.patient_store import PatientStore
from emoboost.predict import load_model, preparation_for
from emoboost.utterance import Utterance
from jobs import annotate as annotate_module
from jobs import passes
from jobs.annotate import AnnotateOptions, annotate

CHANGES = frozenset({"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir"})
"""Audit events before which a run can be killed, where they concern the output and change it."""


@dataclass
class Steps:
    """Counts what a run does to the output, and does something before the chosen step."""

    output: str
    chosen: int | None
    action: Callable[[], None]
    names: list[str]

    def before(self, name: str) -> None:
        """The run is about to take this step."""
        self.names.append(name)
        if self.chosen == len(self.names):
            self.action()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """A hook of the interpreter's: called before every such operation."""
        if event not in CHANGES or not self._concerns_output(arguments):
            return
        if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
            return
        self.before(f"{event} {Path(str(arguments[0])).name.split('.')[0]}")

    def _concerns_output(self, arguments: tuple[Any, ...]) -> bool:
        return any(str(argument).startswith(self.output) for argument in arguments if isinstance(argument, str | Path))


def watch(steps: Steps) -> None:
    """Count from now on; for the rest of this process."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        steps.before("fsync")
        real(descriptor)

    os.fsync = fsync
    sys.addaudithook(steps.audit)
    ask = PatientStore.ask

    def counted(store: PatientStore, path: str, request: Any) -> Any:
        if path.startswith(steps.output.partition("://")[2] or "/dev/null"):
            steps.before(f"ask {path.rsplit('/', 1)[-1].split('.', maxsplit=1)[0]}")
        return ask(store, path, request)

    PatientStore.ask = counted


@contextlib.contextmanager
def one_after_the_other(shards: int, prepare: Any, prepare_work: Any, network: Any, work: Any, layout: Layout) -> Any:
    """`jobs.pipeline.stream` without Ray."""
    label = network(work)
    tables = (label(prepare(pa.table({"id": [shard]}), prepare_work)) for shard in range(shards))
    yield (row for table in tables for row in table.to_pylist())


@contextlib.contextmanager
def alone(shards: int, network: Any, work: tuple[Any, ...], layout: Layout) -> Any:
    """`jobs.pipeline.stream_alone` without Ray."""
    label = network(*work)
    yield (row for shard in range(shards) for row in label(pa.table({"id": [shard]})).to_pylist())


@contextlib.contextmanager
def here(address: str | None) -> Iterator[Cluster]:
    """`cluster.connect.connected` without Ray."""
    yield Cluster(None, {"this": Node(2, 0, 8 * GIB)})


def kill() -> None:
    """The end, as by a power cut of this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    """Fall asleep until someone sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """One run to its end; what came of it."""
    steps = Steps(request["output"], request.get("at"), {"kill": kill, "stop": stop}[request.get("action", "kill")], [])
    watch(steps)
    options = AnnotateOptions(
        manifest=request["manifest"],
        output=request["output"],
        model=request["model"],
        access=Access(**request.get("access", {})),
        stop_at=request.get("stop_at", 1),
    )
    try:
        summary, _ = annotate(options, Path("/dev/null"))
        return {"complete": summary.complete, "steps": steps.names, "error": None}
    except EmoboostError as error:
        return {"complete": False, "steps": steps.names, "error": str(error)}
    except Exception:
        return {"complete": False, "steps": steps.names, "error": traceback.format_exc()}


def forked(request: dict[str, Any]) -> int:
    """Start a run in a process of its own, which writes its answer into the file `answer`; returns its number."""
    child = os.fork()
    if child:
        return child
    try:
        Path(request["answer"]).write_text(json.dumps(run(request)))
    finally:
        os._exit(0)


def main() -> None:
    """Serve requests: `start` a run, `wait` for one, or a `shell` command; runs go on side by side."""
    passes.stream, passes.stream_alone = one_after_the_other, alone
    annotate_module.connected = here
    torch.set_num_threads(1)
    # What a run imports and caches, once for all of them.
    model = load_model(sys.argv[1])
    model.utterance_probabilities(preparation_for(model.config)([Utterance("warm", sys.argv[2])]))
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "start":
            print(json.dumps(forked(request)), flush=True)
        elif request["command"] == "shell":
            print(json.dumps(subprocess.run(request["words"], check=False).returncode), flush=True)
        else:
            _, status = os.waitpid(request["process"], 0)
            print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main()
