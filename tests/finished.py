"""A whole output, made by both stages of annotation one after the other, without Ray."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from emoboost.attempts import Attempts
from emoboost.checkpoint import ModelFolder
from emoboost.ledger import Ledger
from emoboost.runners import new_id
from emoboost.storage import Folder
from emoboost.summary import Summary
from emoboost.task import Task
from jobs.annotate import AnnotateOptions
from jobs.finishing import checked, marked
from jobs.planning import open_or_plan
from jobs.stages import LabelShards, NetworkWork, PrepareWork, prepare_shard


def annotated(manifest: Path | str, output: Path | str, model: ModelFolder, **options: Any) -> Ledger:
    """What `annotate` leaves behind, with its marker."""
    ledger = planned(manifest, output, model, **options)
    label(ledger, model, ledger.missing())
    marked(ledger, checked(ledger))
    return ledger


def copied(output: Path, place: Path) -> Ledger:
    """A copy of an output that a test may break."""
    shutil.copytree(output, place)
    found = Ledger.open(Folder.at(place))
    assert found is not None
    return found


def summarise(ledger: Ledger) -> Summary:
    """What an output holds, after every check."""
    return checked(ledger).summary


def planned(manifest: Path | str, output: Path | str, model: ModelFolder, **options: Any) -> Ledger:
    """An output with a plan and no part."""
    chosen = AnnotateOptions(manifest=str(manifest), output=str(output), model=str(model.path), **options)
    return open_or_plan(chosen, model)


def label(ledger: Ledger, model: ModelFolder, shards: Iterable[int], work: Task | None = None) -> None:
    """Publish the parts of these shards; `work` is what is done with them, if not to label all rows."""
    defaults = AnnotateOptions(manifest="")
    numbers = np.array(list(shards))
    task, attempts = work or Task(ledger), Attempts(new_id())
    prepare = PrepareWork(task, model.config, defaults.max_duration, defaults.access, numbers, attempts)
    network = LabelShards(NetworkWork(task, str(model.path), "cpu", "fp32", attempts))
    for position in range(len(numbers)):
        network(prepare_shard(pa.table({"id": [position]}), prepare))
