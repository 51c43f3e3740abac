"""`emoboost-batch annotate`: label every utterance of a manifest.

plan -> prepare (CPU tasks: decode, segment, features) -> label (network actors, publish one part a shard)
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from cluster.resources import Layout
from emoboost.access import Access
from emoboost.checkpoint import find_model
from emoboost.defaults import DEFAULT_MODEL, MAX_SECONDS
from emoboost.summary import Summary, summarise
from jobs.console import say
from jobs.pipeline import stream
from jobs.planning import open_or_plan
from jobs.progress import progress
from jobs.stages import LabelShards, NetworkWork, PrepareWork, prepare_shard


@dataclass(frozen=True, kw_only=True)
class AnnotateOptions:
    """What a user may choose."""

    manifest: str
    output: str | None = None
    model: str = DEFAULT_MODEL
    precision: str = "fp32"
    channel: str | None = None
    limit: int | None = None
    max_duration: float = MAX_SECONDS
    ray_address: str | None = None
    access: Access = field(default_factory=Access)


def annotate(options: AnnotateOptions, log: Path) -> tuple[Summary, float]:
    """Complete the output of these options.

    Returns:
        What the output holds, and the seconds of audio that this call labelled.

    Args:
        options: what the user chose.
        log: where Ray's messages go.

    Raises:
        UsageError: a bad argument, manifest, model or output folder, found before any work started.
        EmoboostError: the job failed; what is published stays and the same command continues.
    """
    model = find_model(options.model, options.access)
    model.verify()
    refuse_unreachable(options.ray_address)
    with quiet(Path(os.devnull)):  # decoders complain about damaged recordings
        ledger = open_or_plan(options, model)
    labelled = 0.0
    if missing := ledger.missing():
        ledger.withdraw_success()
        with quiet(log), connected(options.ray_address) as cluster:
            layout = cluster.layout
            say(f"Running on {cluster.describe()}: {layout.describe()}")
            say(f"Output: {ledger.folder.display}")
            prepare = PrepareWork(ledger, model.config, options.max_duration, options.access, np.array(missing))
            network = NetworkWork(ledger, model.reference, layout.device, options.precision, options.access)
            labelled = label_shards(prepare, network, layout)
    summary = summarise(ledger)
    if summary.complete:
        ledger.succeed(summary.to_dict())
    return summary, labelled


def label_shards(prepare: PrepareWork, network: NetworkWork, layout: Layout) -> float:
    """The pipeline: publish the part of every shard in `prepare.shards`; returns the seconds of audio labelled."""
    with progress(*network.ledger.remaining(prepare.shards.tolist())) as running:
        for counts in stream(len(prepare.shards), prepare_shard, prepare, LabelShards, network, layout):
            running.add(**counts)
        return running.seconds
