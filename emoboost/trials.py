"""Many small trainings over one corpus: a trial is one fold, one seed, one variant, and depends on nothing else."""

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from emoboost.config import ModelConfig
from emoboost.folds import Fold
from emoboost.frozen import FrozenFeatures
from emoboost.recipe import Recipe
from emoboost.training import EpochReport, segment_logits, train_head, utterance_means


@dataclass(frozen=True)
class Trial:
    """Which training."""

    variant: str
    seed: int
    fold: int
    """Position in the list of folds."""

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.variant}-seed{self.seed}-fold{self.fold:03}"


@dataclass(frozen=True)
class Experiment:
    """What all trials share."""

    features: FrozenFeatures
    truth: np.ndarray
    """(utterances,) class numbers."""
    folds: Sequence[Fold]
    variants: Mapping[str, ModelConfig]
    recipe: Recipe

    def trials(self, seeds: Sequence[int]) -> Iterator[Trial]:
        """Every fold of every seed of every variant, in a fixed order."""
        for variant in self.variants:
            for seed in seeds:
                for fold in range(len(self.folds)):
                    yield Trial(variant, seed, fold)


@dataclass(frozen=True)
class TrialResult:
    """What a trial gives: logits of utterances that it was not trained on."""

    logits: np.ndarray
    """(segments, classes) float32, of the clean copy."""
    utterance: np.ndarray
    """(segments,) number of the utterance in the corpus."""
    history: tuple[EpochReport, ...]

    def save(self, file: Path) -> None:
        """Write in one step: the file is there and whole, or it is not there."""
        buffer = io.BytesIO()
        history = np.array([[np.nan if value is None else value for value in astuple(e)] for e in self.history])
        np.savez(buffer, logits=self.logits, utterance=self.utterance, history=history)
        temporary = file.with_name(f"{file.name}.{os.getpid()}.partial")
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(file)

    @classmethod
    def load(cls, file: Path) -> Self:
        """The inverse of `save`."""
        with np.load(file, allow_pickle=False) as stored:
            history = tuple(
                EpochReport(int(epoch), float(loss), None if np.isnan(ua) else float(ua))
                for epoch, loss, ua in stored["history"]
            )
            return cls(stored["logits"], stored["utterance"], history)


def run_trial(
    experiment: Experiment,
    trial: Trial,
    *,
    state: Path | None = None,
    report: Callable[[EpochReport], None] | None = None,
) -> TrialResult:
    """Train on the fold's training utterances (all copies) and predict its test utterances (clean copy).

    Args:
        experiment: data, folds, variants.
        trial: which of them.
        state: where training keeps its state after each epoch, and goes on from.
        report: called after each epoch.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    features, fold = experiment.features, experiment.folds[trial.fold]
    clean = np.flatnonzero(features.copy == 0)
    tested = clean[np.isin(features.utterance[clean], fold.test)]
    trained = train_head(
        features,
        experiment.truth[features.utterance],
        np.flatnonzero(np.isin(features.utterance, fold.train)),
        experiment.variants[trial.variant],
        experiment.recipe,
        trial.seed,
        report,
        validation=clean[np.isin(features.utterance[clean], fold.validation)] if len(fold.validation) else None,
        state=state,
    )
    return TrialResult(segment_logits(trained.head, features, tested), features.utterance[tested], trained.history)


@dataclass(frozen=True)
class Pooled:
    """All folds of one variant and seed together."""

    variant: str
    seed: int
    logits: np.ndarray
    """(segments, classes), sorted by utterance."""
    utterance: np.ndarray
    """(segments,) number of the utterance in the corpus."""
    fold: np.ndarray
    """(segments,) position of the fold that tested it."""

    def probabilities(self, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Utterances that were tested (n,) and the mean of their segments' probabilities (n, classes)."""
        tested, number = np.unique(self.utterance, return_inverse=True)
        return tested, utterance_means(softmax(self.logits / temperature, axis=1), number, len(tested))


def pool(variant: str, seed: int, results: Sequence[TrialResult]) -> Pooled:
    """Join the results of all folds; each utterance is tested at most once.

    Raises:
        ValueError: an utterance was tested by two folds.
    """
    utterance = np.concatenate([result.utterance for result in results])
    fold = np.repeat(np.arange(len(results)), [len(result.utterance) for result in results])
    for earlier, later in ((a, b) for b in range(len(results)) for a in range(b)):
        if shared := set(results[earlier].utterance.tolist()) & set(results[later].utterance.tolist()):
            raise ValueError(f"utterance {min(shared)} is tested by folds {earlier} and {later}")
    order = np.argsort(utterance, kind="stable")
    logits = np.concatenate([result.logits for result in results])
    return Pooled(variant, seed, logits[order], utterance[order], fold[order])


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that makes held-out segment logits most likely (Guo et al. 2017).

    Args:
        logits: (segments, classes), predicted by heads that never heard the speaker.
        truth: (segments,) class numbers.
    """
    rows = np.arange(len(truth))

    def negative_log_likelihood(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, truth].mean())

    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=(-3, 3), method="bounded").x))
