"""`emoboost-batch annotate`: label every utterance of a manifest.

plan -> passes: prepare (CPU tasks: decode, segment, features) -> label (network actors, publish one part a shard)
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from emoboost.access import Access
from emoboost.checkpoint import ModelFolder, find_model
from emoboost.defaults import DEFAULT_MODEL, MAX_SECONDS, STOP_AT
from emoboost.ledger import Ledger
from emoboost.runners import Runner, announced, new_id
from emoboost.summary import Summary
from emoboost.task import Task
from jobs.console import say
from jobs.finishing import finished, put_aside
from jobs.passes import Done, Job, complete
from jobs.planning import fitting_output, open_or_plan
from jobs.reuse import reuse


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
    stop_at: float = STOP_AT
    embeddings: bool = False
    """Whether the enhanced vectors are kept, for `relabel`."""
    reuse: str | None = None
    """An older output."""


def annotate(options: AnnotateOptions, log: Path) -> tuple[Summary, Done]:
    """Complete the output of these options.

    Returns:
        What the output holds, and what this call did.

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
    old = None if options.reuse is None else fitting_output(options, model)
    with quiet(Path(os.devnull)):  # decoders complain about damaged recordings
        ledger = open_or_plan(options, model)
        if old is not None:
            reuse(ledger, old, options.access)
    done, runner = Done(), Runner(new_id())

    def label() -> None:
        if missing := ledger.missing():
            ledger.withdraw_success()
            with quiet(log), connected(options.ray_address) as cluster:
                complete(job_of(options, ledger, model), missing, cluster, runner, done)

    with announced(ledger.folder, runner):
        say(f"Output: {ledger.folder.display}")
        put_aside(ledger, ledger.damaged())
        label()
        summary = finished(ledger, label)
    done.left = summary.missing_shards
    return summary, done


def job_of(options: AnnotateOptions, ledger: Ledger, model: ModelFolder) -> Job:
    """What is to be done."""
    return Job(
        task=Task(ledger),
        config=model.config,
        model=model.reference,
        precision=options.precision,
        max_seconds=options.max_duration,
        access=options.access,
        storm_share=options.stop_at,
    )
