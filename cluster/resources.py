"""How many workers of each stage a cluster can hold without a deadlock.

Ray starts a task or an actor only when its whole request is free. If the actors' requests and one feature task do not
fit together, nothing ever runs; so the requests of all actors and feature tasks of a node sum to at most what it has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emoboost.errors import EmoboostError

GIB = 1024**3
PREPARE_MEMORY = GIB
"""Bytes a feature task may need: one shard's audio and features, twice while they are joined."""
NETWORK_MEMORY = 3 * GIB // 2
"""Bytes a network actor may need: the bundled model, one shard, one sub-batch's activations."""
PREPARE_CPUS = 1
TRIALS_PER_GPU = 4
"""Small trainings that share a GPU; one alone leaves most of it idle."""
TRIAL_MEMORY = GIB
"""Bytes a training may need; features are mapped and do not count."""
LARGEST_SHARE = 0.95
STEP = 10_000
"""Ray counts a processor in ten-thousandths."""


@dataclass(frozen=True)
class Node:
    """What one machine of the cluster offers."""

    cpus: float
    gpus: float
    memory: float
    """Bytes."""


@dataclass(frozen=True)
class Layout:
    """Resources of each stage: `prepare` is the CPU stage, `network` the model's actors."""

    prepare_tasks: int
    """Feature tasks that fit beside all actors; each takes one CPU."""
    network_actors: int
    network_cpus: float
    network_gpus: int

    def describe(self) -> str:
        """One clause for people."""
        return f"{self.prepare_tasks} feature + {self.network_actors} network workers ({self.device})"

    @property
    def device(self) -> str:
        """Where the network runs."""
        return "cuda" if self.network_gpus else "cpu"


@dataclass(frozen=True)
class Slots:
    """How many trainings run at a time, and the share of a GPU for each (0 without one)."""

    count: int
    gpus: float

    @property
    def device(self) -> str:
        """Where they compute."""
        return "cuda" if self.gpus else "cpu"


def slots_for(nodes: Sequence[Node], trials: int) -> Slots:
    """One one-thread training a processor, or four a GPU; never more than there are trials.

    Args:
        nodes: every machine of the cluster.
        trials: how many trainings there are to do.
    """
    if any(node.gpus >= 1 for node in nodes):
        held = sum(min(int(node.gpus) * TRIALS_PER_GPU, math.floor(node.cpus)) for node in nodes)
        return Slots(max(1, min(held, trials)), 1 / TRIALS_PER_GPU)
    held = sum(min(math.floor(node.cpus), int(node.memory // TRIAL_MEMORY)) for node in nodes)
    return Slots(max(1, min(held, trials)), 0.0)


def layout_for(nodes: Sequence[Node]) -> Layout:
    """Share the processors of a cluster.

    With GPUs: one actor a GPU, features on the other cores. Without: one one-thread actor a core (faster than one
    actor with many threads), and one feature task for every four cores shares them.

    Args:
        nodes: every machine of the cluster; those with less than 2 CPUs or too little memory take no part.

    Raises:
        EmoboostError: no node can hold one actor beside one feature task.
    """
    least = PREPARE_MEMORY + NETWORK_MEMORY
    usable = [node for node in nodes if node.cpus >= 2 and node.memory >= least]
    if not usable:
        raise EmoboostError(
            f"no machine of this cluster gives Ray 2 CPUs and {least / GIB:.1f} GiB of memory; "
            "free some, or use a larger machine"
        )
    with_gpu = [node for node in usable if node.gpus >= 1]
    return _with_gpus(usable, with_gpu) if with_gpu else _on_cpus(usable)


def _on_cpus(nodes: Sequence[Node]) -> Layout:
    tasks, actors, shares = 0, 0, []
    for node in nodes:
        cores = math.floor(node.cpus)
        node_tasks = math.ceil(cores / 4)
        node_actors = min(cores, int((node.memory - node_tasks * PREPARE_MEMORY) // NETWORK_MEMORY))
        if node_actors < 1:
            node_tasks, node_actors = 1, 1
        tasks += node_tasks
        actors += node_actors
        shares.append((node.cpus - node_tasks) / node_actors)
    return Layout(tasks, actors, _share(min(shares)), 0)


def _with_gpus(nodes: Sequence[Node], with_gpu: Sequence[Node]) -> Layout:
    share = _share(min((node.cpus - 1) / _gpu_actors(node) for node in with_gpu))
    tasks = 0
    for node in nodes:
        actors = _gpu_actors(node)
        free_memory = node.memory - actors * NETWORK_MEMORY
        tasks += max(0, min(int(node.cpus - actors * share), int(free_memory // PREPARE_MEMORY)))
    return Layout(max(1, tasks), sum(map(_gpu_actors, with_gpu)), share, 1)


def _gpu_actors(node: Node) -> int:
    """Actors of a node: one a GPU, as far as its memory goes beside one feature task."""
    return min(int(node.gpus), int((node.memory - PREPARE_MEMORY) // NETWORK_MEMORY))


def _share(cpus: float) -> float:
    """An actor's request: less than a feature task's, or Ray would fuse both stages into one process."""
    return math.floor(min(cpus, LARGEST_SHARE) * STEP) / STEP
