"""The shares of a cluster: what is asked for always fits, wherever Ray puts it, and the two stages never ask alike."""

import math
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cluster.resources import (
    GIB,
    NETWORK_MEMORY,
    PREPARE_CPUS,
    PREPARE_MEMORY,
    Layout,
    Node,
    layout_for,
    slots_for,
)
from emoboost.errors import EmoboostError

PLENTY = 4096 * GIB
LEAST = PREPARE_MEMORY + NETWORK_MEMORY
EPSILON = 1e-9
"""CPUs: Ray counts in ten-thousandths, floats do not."""


def actors_beside_a_task(node: Node, layout: Layout) -> int:
    """How many of the layout's actors this node holds when one feature task keeps its place."""
    if node.cpus < PREPARE_CPUS or node.memory < PREPARE_MEMORY:
        return 0
    limits = [
        (node.cpus - PREPARE_CPUS + EPSILON) / layout.network_cpus,
        (node.memory - PREPARE_MEMORY) / NETWORK_MEMORY,
    ]
    if layout.network_gpus:
        limits.append(node.gpus / layout.network_gpus)
    return math.floor(min(limits))


def assert_sound(nodes: list[Node]) -> Layout:
    layout = layout_for(nodes)
    assert layout.network_actors >= 1
    assert layout.prepare_tasks >= 1
    # Ray fuses two stages that ask for the same, and a decoder's crash would then kill a model.
    assert 0 < layout.network_cpus < PREPARE_CPUS
    assert layout.network_cpus * 10_000 == pytest.approx(round(layout.network_cpus * 10_000), abs=1e-6)
    usable = [node for node in nodes if node.cpus >= 2 and node.memory >= LEAST]
    assert layout.network_actors <= sum(actors_beside_a_task(node, layout) for node in usable)
    cpus = layout.network_actors * layout.network_cpus + layout.prepare_tasks * PREPARE_CPUS
    assert cpus <= sum(node.cpus for node in usable) + EPSILON
    memory = layout.network_actors * NETWORK_MEMORY + layout.prepare_tasks * PREPARE_MEMORY
    assert memory <= sum(node.memory for node in usable)
    return layout


@pytest.mark.parametrize("cpus", range(2, 129))
def test_one_machine_of_any_size(cpus: int) -> None:
    layout = assert_sound([Node(cpus, 0, PLENTY)])
    assert (layout.network_actors, layout.prepare_tasks) == (cpus, math.ceil(cpus / 4))
    assert layout.network_gpus == 0
    assert layout.device == "cpu"
    # Nothing is left lying idle that another whole task could use.
    assert layout.network_actors * layout.network_cpus + layout.prepare_tasks > cpus - 1


@pytest.mark.parametrize("gpus", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("cpus", [2, 3, 4, 8, 16, 31, 64, 128])
def test_one_machine_with_gpus(cpus: int, gpus: int) -> None:
    layout = assert_sound([Node(cpus, gpus, PLENTY)])
    assert layout.network_actors == gpus
    assert layout.network_gpus == 1
    assert layout.device == "cuda"
    assert layout.prepare_tasks == max(1, int(cpus - gpus * layout.network_cpus))


@pytest.mark.parametrize("cpus", [2, 3, 4, 8, 64, 128])
@pytest.mark.parametrize("memory", [2.5, 3, 4, 5.5, 6, 8, 16, 33, 64])
def test_one_machine_of_any_memory(cpus: int, memory: float) -> None:
    layout = assert_sound([Node(cpus, 0, memory * GIB)])
    assert layout.network_actors <= cpus


def test_memory_bounds_the_actors() -> None:
    assert layout_for([Node(16, 0, 10 * GIB)]) == Layout(4, 4, 0.95, 0)
    assert layout_for([Node(4, 0, 4 * GIB)]) == Layout(1, 2, 0.95, 0)


@pytest.mark.parametrize(("gpus", "memory"), [(8, 4), (4, 5), (2, 3.9), (8, 12.5)])
def test_gpus_that_memory_cannot_feed_stay_idle(gpus: int, memory: float) -> None:
    layout = assert_sound([Node(32, gpus, memory * GIB)])
    assert layout.network_actors == min(gpus, int((memory - 1) / 1.5))


nodes = st.builds(
    Node,
    cpus=st.integers(1, 128) | st.sampled_from([0.5, 1.5, 2.5, 15.9, 64.25]),
    gpus=st.sampled_from([0, 0, 0, 0.5, 1, 2, 4, 8]),
    memory=st.sampled_from([0.5, 1, 2, 2.5, 3, 4, 6, 8, 16, 64, 512]).map(lambda gib: gib * GIB),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(nodes, min_size=1, max_size=6))
@example([Node(2, 0, LEAST), Node(128, 0, PLENTY)])
@example([Node(16, 0, PLENTY), Node(16, 1, PLENTY), Node(2, 8, PLENTY)])
def test_any_cluster(cluster: list[Node]) -> None:
    if any(node.cpus >= 2 and node.memory >= LEAST for node in cluster):
        assert_sound(cluster)
    else:
        with pytest.raises(EmoboostError, match="2 CPUs"):
            layout_for(cluster)


@settings(max_examples=300, deadline=None)
@given(st.lists(nodes, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_wherever_the_actors_are_put_a_feature_task_can_start(cluster: list[Node], random: Random) -> None:
    """Ray places actors without knowing of the tasks to come: every placement must leave room for one."""
    try:
        layout = layout_for(cluster)
    except EmoboostError:
        return
    free = [[node.cpus, node.gpus, node.memory] for node in cluster]
    request = (layout.network_cpus, layout.network_gpus, NETWORK_MEMORY)
    for _ in range(layout.network_actors):
        fitting = [node for node in free if all(a >= b - EPSILON for a, b in zip(node, request, strict=True))]
        if not fitting:
            break  # Ray Data goes on with the actors that did start
        chosen = random.choice(fitting)
        chosen[:] = [a - b for a, b in zip(chosen, request, strict=True)]
    assert any(node[0] >= PREPARE_CPUS - EPSILON and node[2] >= PREPARE_MEMORY for node in free)


@pytest.mark.parametrize(
    "cluster",
    [
        [],
        [Node(1, 0, PLENTY)],
        [Node(1, 8, PLENTY), Node(1.9, 0, PLENTY)],
        [Node(64, 0, LEAST - 1)],
        [Node(64, 4, 2 * GIB), Node(1, 1, PLENTY)],
    ],
)
def test_a_cluster_that_holds_nothing(cluster: list[Node]) -> None:
    with pytest.raises(EmoboostError, match=r"no machine of this cluster gives Ray 2 CPUs and 2\.5 GiB of memory"):
        layout_for(cluster)


def test_machines_that_are_too_small_take_no_part() -> None:
    assert layout_for([Node(8, 0, PLENTY), Node(1, 0, PLENTY), Node(8, 0, GIB)]) == layout_for([Node(8, 0, PLENTY)])


def test_in_words() -> None:
    assert layout_for([Node(8, 0, PLENTY)]).describe() == "2 feature + 8 network workers (cpu)"
    assert layout_for([Node(8, 1, PLENTY)]).describe() == "7 feature + 1 network workers (cuda)"


@pytest.mark.parametrize(
    ("nodes", "trials", "count", "gpus"),
    [
        ([Node(2, 0, 24 * GIB)], 150, 2, 0.0),
        ([Node(2, 0, 24 * GIB)], 1, 1, 0.0),
        ([Node(64, 0, 16 * GIB)], 150, 16, 0.0),
        ([Node(16, 1, 128 * GIB)], 150, 4, 0.25),
        ([Node(16, 1, 128 * GIB), Node(64, 8, 512 * GIB)], 150, 36, 0.25),
        ([Node(2, 8, 64 * GIB)], 150, 2, 0.25),
        ([Node(16, 1, 128 * GIB)], 3, 3, 0.25),
        ([Node(1, 0, GIB // 2)], 10, 1, 0.0),
    ],
)
def test_slots_for_many_small_trainings(nodes: list[Node], trials: int, count: int, gpus: float) -> None:
    slots = slots_for(nodes, trials)
    assert (slots.count, slots.gpus) == (count, gpus)
    assert slots.device == ("cuda" if gpus else "cpu")
