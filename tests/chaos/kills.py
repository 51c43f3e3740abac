"""Random kills of a real run on Ray: the command itself, its workers and actors, Ray's own processes."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.world import PORTABLE

COMMAND = Path(sys.executable).with_name("emoboost-batch")
RAY_SERVERS = ("raylet", "gcs_server")
GIVES_UP_WITHIN = 180.0
"""Seconds until a command whose Ray is gone has noticed."""


@dataclass
class Killer:
    """Runs a command again and again until it is done, and kills what the dice say."""

    words: list[str]
    folder: Path
    dice: random.Random
    kinds: dict[str, int]
    """What is killed, with weights: `command`, `reader`, `actor`, `raylet`, `gcs_server`."""
    budget: int
    """Kills in all; after them it runs undisturbed."""
    kills: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    starts: int = 0

    def run(self) -> None:
        """Until the command ends by itself with code 0 or 3."""
        while True:
            code = self._once()
            self.codes[code] += 1
            if code in (0, 3):
                return
            assert self.kills.total(), f"ended with {code} undisturbed: {self.said()}"

    def said(self) -> str:
        """What the command wrote last."""
        return (self.folder / "said.txt").read_text()[-2_000:]

    def _once(self) -> int:
        self.starts += 1
        with (self.folder / "said.txt").open("w") as said:
            command = subprocess.Popen(
                [str(COMMAND), *self.words],
                cwd=self.folder,
                env=PORTABLE,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        tree = [psutil.Process(command.pid)]
        try:
            while self.kills.total() < self.budget and command.poll() is None:
                time.sleep(self.dice.uniform(0.3, 3.0))
                tree = family(command.pid) or tree
                if self._kill(command, tree) in ("command", *RAY_SERVERS):
                    break
            return command.wait(timeout=GIVES_UP_WITHIN if self.kills.total() < self.budget else 600)
        finally:
            bury(tree)

    def _kill(self, command: "subprocess.Popen[bytes]", tree: list[psutil.Process]) -> str | None:
        """Kill one process of a kind that the dice choose; None when there is none."""
        if "Running on" not in self.said():
            return None
        (kind,) = self.dice.choices(list(self.kinds), list(self.kinds.values()))
        victims = tree[:1] if kind == "command" else [each for each in tree[1:] if is_a(each, kind)]
        if not victims or command.poll() is not None:
            return None
        self.dice.choice(victims).send_signal(signal.SIGKILL)
        self.kills[kind] += 1
        return kind


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started; none when it is gone."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_a(process: psutil.Process, kind: str) -> bool:
    """Whether a process of Ray's is a reader of recordings, an actor with the network, or a server."""
    try:
        title = process.cmdline()[0] if process.cmdline() else ""
        if kind in RAY_SERVERS:
            return process.name() == kind
        return title.startswith({"reader": "ray::MapBatches(prepare", "actor": "ray::MapWorker"}[kind])
    except psutil.Error:
        return False


def bury(tree: list[psutil.Process]) -> None:
    """End what a run has left, so that the next one has the machine for itself."""
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, timeout=10)
