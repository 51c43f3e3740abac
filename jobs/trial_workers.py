"""Trials on Ray Train: one run with one worker a slot; each worker takes trials by index modulo the slots.

A trial's files are the truth. While it trains, `<trial>.state` holds everything after its last epoch; when it is
done, `<trial>.npz` appears and the state goes, unless it is to be kept. So a worker that dies costs its group the
epochs that were under way, and a command that dies costs nothing that was finished: whoever comes next skips results
and goes on from states. Nothing is handed to `ray.train.report` before the end, because it makes the workers of a run
wait for each other.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emoboost.config import ModelConfig
from emoboost.encoder_source import EncoderSource
from emoboost.enrolment import Enrolment
from emoboost.feature_cache import FeatureCache
from emoboost.folds import Fold
from emoboost.recipe import Recipe
from emoboost.trials import Experiment, Trial, TrialResult, run_trial

EVENTS = "events"
"""Folder with one file of JSON lines for each worker."""
FAILURES = 3
"""So many dead workers are forgiven in a run."""


@dataclass(frozen=True)
class TrialWork:
    """What every worker is told; small, because features are mapped from the cache."""

    cache: FeatureCache
    entries: Sequence[Sequence[str]]
    """For each utterance the names of its copies."""
    truth: np.ndarray
    folds: Sequence[Fold]
    inner: Sequence[Sequence[Fold]]
    variants: dict[str, ModelConfig]
    recipe: Recipe
    source: EncoderSource
    trials: Sequence[Trial]
    folder: Path
    """Where states and results lie; absolute, and the same on every machine."""
    device: str
    keep_checkpoints: bool = False
    """Leave a trial's state where it is when the trial is done."""
    changed: Sequence[Sequence[str]] = ()
    """For each utterance its names under the conditions that are tried; empty when none is."""
    adapt: Sequence[Enrolment] = ()
    speakers: Sequence[str] = ()

    def experiment(self) -> Experiment:
        """The same with features."""
        encoders = None
        if self.recipe.tunes:
            config = next(iter(self.variants.values()))
            encoders = self.source.load(config.name, config.classes)[1]
        features = self.cache.features(self.entries)
        changed = self.cache.features(self.changed) if self.changed else None
        return Experiment(
            features,
            self.truth,
            self.folds,
            self.variants,
            self.recipe,
            self.inner,
            encoders,
            changed,
            self.adapt,
            self.speakers,
            self.source.kept(),
        )

    def result_file(self, trial: Trial) -> Path:
        """Where its result appears."""
        return self.folder / f"{trial.name}.npz"

    def missing(self) -> list[Trial]:
        """Trials without a result."""
        return [trial for trial in self.trials if not self.result_file(trial).exists()]

    def results(self) -> dict[Trial, TrialResult]:
        """All of them; every trial must be done."""
        return {trial: TrialResult.load(self.result_file(trial)) for trial in self.trials}


def work_through(config: dict[str, Any]) -> None:
    """The loop of one Ray Train worker."""
    import ray.train
    import torch

    work: TrialWork = config["work"]
    context = ray.train.get_context()
    rank, slots = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    events = Events(work.folder / EVENTS / f"{rank}.jsonl")
    experiment = None
    for trial in work.trials[rank::slots]:
        if work.result_file(trial).exists():
            continue
        experiment = experiment or work.experiment()
        if not run_one(work, experiment, trial, events):
            break
    ray.train.report({})


def run_one(work: TrialWork, experiment: Experiment, trial: Trial, events: "Events") -> bool:
    """Train one trial and store its result; False when it failed in a way that no repetition would mend."""
    state = work.folder / f"{trial.name}.state"
    events.add(trial, "start")
    try:
        result = run_trial(
            experiment,
            trial,
            state=state,
            report=lambda epoch: events.add(trial, "epoch", **asdict(epoch)),
            device=work.device,
        )
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, FloatingPointError) else f"{type(error).__name__}: {error}"
        events.add(trial, "failed", reason=reason)
        state.unlink(missing_ok=True)
        return False
    result.save(work.result_file(trial))
    if not work.keep_checkpoints:
        state.unlink(missing_ok=True)
    events.add(trial, "done")
    return True


@dataclass(frozen=True)
class Events:
    """What happens, as JSON lines that outlive the process."""

    file: Path

    def add(self, trial: Trial, event: str, **more: object) -> None:
        """Append one line."""
        line = json.dumps(
            {"time": round(time.time(), 3), "process": os.getpid(), "trial": trial.name, "event": event, **more}
        )
        with self.file.open("a", encoding="utf-8") as target:
            target.write(line + "\n")


def run_trials(work: TrialWork, slots: int, gpus: float) -> None:
    """Complete every trial of `work`; returns when all are done or one has failed for good.

    Args:
        work: what to do.
        slots: workers at a time.
        gpus: share of a GPU for each.
    """
    # A worker's end is noticed, and a run returns, after at most this long; the default of two seconds adds up.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    (work.folder / EVENTS).mkdir(parents=True, exist_ok=True)
    resources = {"CPU": 1.0, **({"GPU": gpus} if gpus else {})}
    storage = work.folder / "ray-train"
    trainer = TorchTrainer(
        work_through,
        train_loop_config={"work": work},
        scaling_config=ScalingConfig(num_workers=slots, use_gpu=gpus > 0, resources_per_worker=resources),
        run_config=RunConfig(
            name=f"run-{time.time_ns()}",
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=FAILURES),
        ),
    )
    with _interruptible():
        trainer.fit()
    shutil.rmtree(storage, ignore_errors=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, as everywhere; Ray Train takes the signal for itself, and exits without a word.

    Raises:
        KeyboardInterrupt: SIGINT came.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        signal.signal(signal.SIGINT, before)
