"""Two stages on Ray Data: what CPU tasks prepare, network actors turn into results, one shard a block all the way."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from cluster.resources import NETWORK_MEMORY, PREPARE_CPUS, PREPARE_MEMORY, Layout


@contextlib.contextmanager
def stream(
    shards: int,
    prepare: Callable[..., pa.Table],
    prepare_work: Any,
    network: type,
    network_work: Any,
    layout: Layout,
) -> Iterator[Iterator[dict[str, Any]]]:
    """Run every shard through both stages, for the length of the context.

    Args:
        shards: how many; the first stage is given their numbers.
        prepare: (one-row table with the column `id`, work=`prepare_work`) -> one-row table.
        prepare_work: what every task of the first stage is told.
        network: class of the second stage's actors: made with `network_work`, called with the first stage's table.
        network_work: what every actor is told.
        layout: how the stages share the cluster.

    Yields:
        each row of the second stage as it is done, in any order.
    """
    import ray.data

    numbers = ray.data.range(shards, override_num_blocks=shards)
    prepared = numbers.map_batches(
        prepare,
        fn_kwargs={"work": prepare_work},
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=PREPARE_CPUS,
        memory=PREPARE_MEMORY,
    )
    done = prepared.map_batches(
        network,
        fn_constructor_args=(network_work,),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(layout.network_actors, shards), max_tasks_in_flight_per_actor=1),
        num_cpus=layout.network_cpus,
        num_gpus=layout.network_gpus,
        memory=NETWORK_MEMORY,
    )
    with _rows_of(done) as rows:
        yield rows


@contextlib.contextmanager
def stream_alone(
    shards: int, network: type, work: tuple[Any, ...], layout: Layout
) -> Iterator[Iterator[dict[str, Any]]]:
    """The same with one stage, whose actors do all of the work of a shard.

    Args:
        shards: how many; the actors are given their numbers.
        network: class of the actors: made with `work`, called with a one-row table that has the column `id`.
        work: what every actor is told.
        layout: how many actors the cluster holds.

    Yields:
        each row as it is done, in any order.
    """
    import ray.data

    numbers = ray.data.range(shards, override_num_blocks=shards)
    done = numbers.map_batches(
        network,
        fn_constructor_args=work,
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(layout.network_actors, shards), max_tasks_in_flight_per_actor=1),
        num_cpus=layout.network_cpus,
        num_gpus=layout.network_gpus,
        memory=NETWORK_MEMORY,
    )
    with _rows_of(done) as rows:
        yield rows


@contextlib.contextmanager
def _rows_of(done: Any) -> Iterator[Iterator[dict[str, Any]]]:
    batches = iter(done.iter_batches(batch_size=None, batch_format="pyarrow"))
    try:
        yield (row for rows in batches for row in rows.to_pylist())
    finally:
        # Where an error or Ctrl-C ended the loop, Ray Data's executor would otherwise be ended by the collector: after
        # Ray itself was, which makes it start Ray anew.
        with contextlib.suppress(Exception):
            batches.close()
