"""The stages of annotation as Ray Data calls them: one row is one shard, from the first stage to the last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.alarm import alarm
from emoboost.attempts import Attempts
from emoboost.audio import resolve
from emoboost.child import Child
from emoboost.config import ModelConfig
from emoboost.embeddings import OPTION as EMBEDDINGS_OPTION
from emoboost.embeddings import embeddings_table, keep_embeddings, vectors_of_rows
from emoboost.errors import OutputError, StorageStop
from emoboost.importing import collector_paused
from emoboost.isolation import prepared_alone, seconds_for
from emoboost.ledger import METADATA_PREFIX
from emoboost.plan import utterances_of
from emoboost.predict import EmotionModel, load_model, preparation_for
from emoboost.prepare import Preparation, Prepared
from emoboost.schema import FORMAT_VERSION, labels_table
from emoboost.task import Task, without
from emoboost.utterance import Utterance
from jobs.failures import reason_of
from jobs.rows import EXCUSE, Excuse, counts_row, excuse_row, from_row, to_row

MOST_SEGMENTS = 1_500
"""Segments that the features of one shard may have on their way between the stages, 0.3 GB: more than an hour of audio
beside a usual shard. A larger shard is labelled piece by piece."""
MAX_DEATHS = 2
"""So many workers may die over a shard's network pass before it is left; a machine can lose one without a reason."""


@dataclass(frozen=True)
class PrepareWork:
    """What every worker that reads audio is told."""

    task: Task
    config: ModelConfig
    max_seconds: float
    """A longer utterance becomes an error row `too_long`."""
    access: Access
    """How recordings may be reached, and what they may hold."""
    shards: np.ndarray
    """(n,) the shards of this pass, by position."""
    attempts: Attempts

    def preparation(self) -> Preparation:
        """How utterances are read."""
        with collector_paused():
            return preparation_for(self.config, self.task.ledger.plan.base, self.max_seconds, self.access)

    def limit(self, utterances: Sequence[Utterance]) -> float:
        """Seconds that reading one of these may take."""
        locations = (resolve(utterance.uri, self.task.ledger.plan.base) for utterance in utterances)
        return seconds_for(locations, self.access.max_decode_seconds, self.access)


@dataclass(frozen=True)
class NetworkWork:
    """What every network actor is told."""

    task: Task
    model: str
    """Name of a bundled model, a model folder that every machine has at this path, or a URL."""
    device: str
    precision: str
    attempts: Attempts
    access: Access = field(default_factory=Access)
    """How a model in a store is reached."""


def prepare_shard(rows: pa.Table, work: PrepareWork) -> pa.Table:
    """CPU stage: the position of a shard -> its segments as network inputs, or an excuse."""
    (position,) = rows["id"].to_pylist()
    shard = int(work.shards[position])
    with work.attempts.attempt(f"prepare-{shard}") as died:
        try:
            if work.task.is_done(shard):
                return excuse_row(shard, Excuse.DONE, "")
            if died:
                return excuse_row(shard, Excuse.CARE, "a worker died while it read this shard")
            kept = work.task.kept(shard)
            todo = utterances_of(without(work.task.ledger.shard_table(shard), kept))
            # Made here and not in the driver, which would import librosa while Ray waits for it; again it takes 4 ms.
            prepare = work.preparation()
            with alarm(work.limit(todo)) as restart_alarm:
                prepared = prepare(todo, before=restart_alarm, most_segments=MOST_SEGMENTS)
        except (StorageStop, OutputError) as error:
            return excuse_row(shard, Excuse.STOP, str(error))
        except Exception as error:
            return excuse_row(shard, Excuse.CARE, reason_of(error))
    return to_row(shard, prepared, kept)


class LabelShards:
    """Network stage: a shard's inputs -> its part, published; one small row of counts comes back."""

    def __init__(self, work: NetworkWork) -> None:
        self.labeller = Labeller(work)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Label and publish; a shard that another attempt has published is not written again."""
        if EXCUSE in rows.column_names:
            return rows
        shard, prepared, kept = from_row(rows)
        return self.labeller.publish(shard, kept, [prepared])


class LabelWithCare:
    """Both stages for shards over which something died: one recording at a time, read in a process of its own."""

    def __init__(self, prepare: PrepareWork, network: NetworkWork) -> None:
        self.work = prepare
        self.labeller = Labeller(network)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The position of a shard -> its part, published, and a row of counts."""
        (position,) = rows["id"].to_pylist()
        shard, task = int(self.work.shards[position]), self.work.task
        try:
            if task.is_done(shard):
                return excuse_row(shard, Excuse.DONE, "")
            kept = task.kept(shard)
            todo = utterances_of(without(task.ledger.shard_table(shard), kept))
            preparation = self.work.preparation()
            with Child(self.work.limit(todo)) as child:
                pieces = (prepared_alone(preparation, utterance, child) for utterance in todo)
                return self.labeller.publish(shard, kept, pieces)
        except (StorageStop, OutputError) as error:
            return excuse_row(shard, Excuse.STOP, str(error))
        except Exception as error:
            return excuse_row(shard, Excuse.CARE, reason_of(error))


class Labeller:
    """A loaded model that publishes what it says."""

    def __init__(self, work: NetworkWork) -> None:
        set_up_torch(work.device)
        self.work = work
        self.model = load_model(work.model, work.access, device=work.device, precision=work.precision)
        self.facts = run_facts(work, self.model)
        self.keeps_vectors = EMBEDDINGS_OPTION in work.task.ledger.plan.options

    def publish(self, shard: int, kept: pa.Table | None, pieces: Iterable[Prepared]) -> pa.Table:
        """Publish a shard and count it.

        Args:
            shard: its number.
            kept: rows of it that are not computed again.
            pieces: the others, in order; only a few segments of an iterator are in memory at a time.

        Returns:
            A row of counts, or an excuse.
        """
        task = self.work.task
        try:
            with self.work.attempts.attempt(f"label-{shard}") as died:
                if died >= MAX_DEATHS:
                    return excuse_row(shard, Excuse.CARE, f"{died} workers died while they labelled this shard")
                labelled = self.model.labelled(pieces, vectors=self.keeps_vectors)
        except StorageStop as error:
            return excuse_row(shard, Excuse.STOP, str(error))
        except Exception as error:
            return excuse_row(shard, Excuse.CARE, reason_of(error))
        try:
            planned, carried = task.ledger.shard_table(shard), task.ledger.plan.carried.names
            computed = without(planned, kept)
            outcomes, probabilities = labelled.outcomes, labelled.probabilities
            rows = labels_table(computed, outcomes, probabilities, self.model.classes, carried, self.facts)
            if labelled.vectors is not None:
                vectors = vectors_of_rows(computed["utterance_id"].to_pylist(), outcomes, labelled.vectors)
                width = labelled.vectors.shape[1]
                keep_embeddings(task.ledger, shard, embeddings_table(vectors, width, self.facts))
            task.publish(shard, planned, rows, kept)
        except (StorageStop, OutputError) as error:
            return excuse_row(shard, Excuse.STOP, str(error))
        except OSError as error:
            return excuse_row(
                shard, Excuse.STOP, f"{task.ledger.folder.display}: cannot be written ({error.strerror or error})"
            )
        except Exception as error:
            return excuse_row(shard, Excuse.CARE, reason_of(error))
        return counts_row(shard, outcomes)


def set_up_torch(device: str) -> None:
    """One thread for each worker on a CPU; full float32 on a GPU."""
    with collector_paused():
        import torch

    if device == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def run_facts(work: NetworkWork, model: EmotionModel) -> dict[str, str]:
    """What a part's schema metadata says of the run that made it."""
    import torch

    facts = {
        "format": FORMAT_VERSION,
        "plan": work.task.ledger.plan.hash,
        "model": model.identity,
        "device": model.hardware,
        "precision": work.precision,
        "torch": torch.__version__,
        "transformers": version("transformers"),
    }
    if EMBEDDINGS_OPTION in work.task.ledger.plan.options:
        facts["encoder"] = str(work.task.ledger.plan.options[EMBEDDINGS_OPTION])
    if model.config.calibrated_on is not None:
        facts["calibrated_on"] = model.config.calibrated_on
    return {METADATA_PREFIX + name: value for name, value in facts.items()}
