"""Many small trainings over one corpus: a trial is one fold, one seed, one variant, and depends on nothing else."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import Tensor

from emoboost.adaptation import AdaptationConfig, AdaptedHead, fit_adapted
from emoboost.atomic import write_whole
from emoboost.calibration import probabilities
from emoboost.config import ModelConfig
from emoboost.enrolment import Enrolment, adapted_labels
from emoboost.folds import Fold
from emoboost.frozen import FrozenFeatures
from emoboost.model import FrozenEncoders, HeadOutput
from emoboost.recipe import Recipe
from emoboost.segment_means import utterance_means
from emoboost.training import EpochReport, Learner, segment_outputs, train_head

LOG_TEMPERATURES = (-3.0, 6.9)
"""Within what a config may hold."""
CHANGED, ADAPTED = "changed_", "adapted_"
"""How arrays of a `ChangedResult`, and labels of adapted speakers, begin in a result's file."""


@dataclass(frozen=True)
class Trial:
    """Which training."""

    variant: str
    seed: int
    fold: int
    """Position in the list of folds."""
    inner: int | None = None
    """Position in the fold's list of inner folds, which divide its training speakers; None is the fold itself."""

    @property
    def name(self) -> str:
        """Of its files."""
        inner = "" if self.inner is None else f"-inner{self.inner}"
        return f"{self.variant}-seed{self.seed}-fold{self.fold:03}{inner}"


@dataclass(frozen=True)
class Experiment:
    """What all trials share."""

    features: FrozenFeatures
    truth: np.ndarray
    """(utterances,) class numbers."""
    folds: Sequence[Fold]
    variants: Mapping[str, ModelConfig]
    recipe: Recipe
    inner: Sequence[Sequence[Fold]] = ()
    """For each fold the folds over its training speakers alone, from which its temperature is fitted."""
    encoders: FrozenEncoders | None = None
    """Where tuning starts; only a recipe that tunes them needs them."""
    changed: FrozenFeatures | None = None
    """What is tested beside the clean copies and never trained on: utterances under conditions, which `copy` counts
    from 0."""
    adapt: Sequence[Enrolment] = ()
    """Ways to adapt to the tested speakers that are tried, too; the recipe then has a shrinkage."""
    speakers: Sequence[str] = ()
    """(utterances,) who speaks; empty when that is not known. `adapt` needs it."""
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    """Of another head, as `train_head` takes it."""

    @property
    def speaking(self) -> list[str]:
        """Who speaks in each row of the features; empty when that is not known."""
        return [self.speakers[utterance] for utterance in self.features.utterance] if self.speakers else []

    def fold_of(self, trial: Trial) -> Fold:
        """The rows of a trial."""
        return self.folds[trial.fold] if trial.inner is None else self.inner[trial.fold][trial.inner]


def list_trials(
    variants: Sequence[str], seeds: Sequence[int], folds: int, inner: Sequence[int] = (), calibrated: Sequence[str] = ()
) -> Iterator[Trial]:
    """Every fold of every seed of every variant, in a fixed order; the inner folds last.

    Args:
        variants: names.
        seeds: of each variant.
        folds: how many there are.
        inner: for each fold how many inner folds it has; empty for none.
        calibrated: names of the variants whose inner folds are trained.
    """
    for variant in variants:
        for seed in seeds:
            for fold in range(folds):
                yield Trial(variant, seed, fold)
    for variant in calibrated:
        for seed in seeds:
            for fold, count in enumerate(inner):
                for number in range(count):
                    yield Trial(variant, seed, fold, number)


@dataclass(frozen=True)
class ChangedResult:
    """Predictions of utterances that were changed, one row a segment."""

    logits: np.ndarray
    """(rows, classes) float32."""
    utterance: np.ndarray
    """(rows,) number of the utterance in the corpus."""
    condition: np.ndarray
    """(rows,) number of the condition."""


@dataclass(frozen=True)
class TrialResult:
    """What a trial gives: predictions of utterances that it was not trained on."""

    logits: np.ndarray
    """(segments, classes) float32, of the clean copy."""
    utterance: np.ndarray
    """(segments,) number of the utterance in the corpus."""
    vectors: np.ndarray
    """(segments, D) float16: X'_w."""
    frame_weights: np.ndarray
    """(segments, T') float32: X_enh."""
    history: tuple[EpochReport, ...]
    weights_hash: str
    """SHA-256 of the trained network."""
    changed: ChangedResult | None = None
    """Of the same utterances under conditions; None where none was tried."""
    adapted: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name of an enrolment -> (draws, utterances) class numbers in the order of the utterances' numbers; -1 where one
    tells the voice and is not tested."""

    def save(self, file: Path) -> None:
        """Write in one step: the file is there and whole, or it is not there."""
        buffer = io.BytesIO()
        history = np.array([[np.nan if value is None else value for value in astuple(e)] for e in self.history])
        arrays: dict[str, Any] = {
            "logits": self.logits,
            "utterance": self.utterance,
            "vectors": self.vectors,
            "frame_weights": self.frame_weights,
            "history": history,
            "weights_hash": np.array(self.weights_hash),
            **{f"{ADAPTED}{name}": labels for name, labels in self.adapted.items()},
        }
        if self.changed is not None:
            arrays |= {f"{CHANGED}{name}": rows for name, rows in vars(self.changed).items()}
        np.savez(buffer, **arrays)
        write_whole(file, buffer.getvalue())

    @classmethod
    def load(cls, file: Path) -> Self:
        """The inverse of `save`."""
        with np.load(file, allow_pickle=False) as stored:
            history = tuple(
                EpochReport(int(epoch), float(loss), None if np.isnan(ua) else float(ua))
                for epoch, loss, ua in stored["history"]
            )
            changed = {name.removeprefix(CHANGED): stored[name] for name in stored.files if name.startswith(CHANGED)}
            return cls(
                stored["logits"],
                stored["utterance"],
                stored["vectors"],
                stored["frame_weights"],
                history,
                str(stored["weights_hash"]),
                ChangedResult(**changed) if changed else None,
                {name.removeprefix(ADAPTED): stored[name] for name in stored.files if name.startswith(ADAPTED)},
            )


def run_trial(
    experiment: Experiment,
    trial: Trial,
    *,
    state: Path | None = None,
    report: Callable[[EpochReport], None] | None = None,
    device: str = "cpu",
) -> TrialResult:
    """Train on the fold's training utterances (all copies) and predict its test utterances (clean copy).

    Args:
        experiment: data, folds, variants.
        trial: which of them.
        state: where training keeps its state after each epoch, and goes on from.
        report: called after each epoch.
        device: where to compute.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    features, fold = experiment.features, experiment.fold_of(trial)
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
        device=device,
        encoders=experiment.encoders,
        speakers=experiment.speaking,
        kept=experiment.kept,
    )
    output = segment_outputs(trained.learner, features, tested)
    is_inner = trial.inner is not None
    adapts = bool(experiment.adapt) and not is_inner
    return TrialResult(
        output.logits.numpy(),
        features.utterance[tested],
        output.vector.half().numpy(),
        output.weights.numpy(),
        trained.history,
        trained.weights_hash,
        None if experiment.changed is None or is_inner else _changed(trained.learner, experiment.changed, fold),
        _adapted(experiment, trained.learner, fold, trial.seed, tested, output) if adapts else {},
    )


def _adapted(
    experiment: Experiment, learner: Learner, fold: Fold, seed: int, rows: np.ndarray, output: HeadOutput
) -> dict[str, np.ndarray]:
    """Labels of a fold's test utterances, in the order of their numbers, for each way to adapt to their speakers.

    Args:
        experiment: data, ways to adapt.
        learner: trained on the fold.
        fold: which.
        seed: of the draws.
        rows: (m,) the tested rows of the features.
        output: what the network gives for them.
    """
    features, speakers = experiment.features, np.array(experiment.speakers)
    head = adapted_head(experiment, learner, fold.train)
    assert head is not None
    tested, number = np.unique(features.utterance[rows], return_inverse=True)
    vectors, plain = (utterance_means(values.numpy(), number, len(tested)) for values in (output.vector, output.logits))
    config = AdaptationConfig()
    return {
        each.name: adapted_labels(vectors, plain, speakers[tested].tolist(), head, config, each, seed)
        for each in experiment.adapt
    }


def adapted_head(experiment: Experiment, learner: Learner, train: np.ndarray) -> AdaptedHead | None:
    """The classifier for known speakers; None when the recipe has no closed form or the corpus no speakers.

    Args:
        experiment: the data.
        learner: trained on `train`.
        train: numbers of utterances.
    """
    features, shrinkage = experiment.features, experiment.recipe.shrinkage
    if shrinkage is None or not experiment.speakers:
        return None
    seen = np.flatnonzero(np.isin(features.utterance, train))
    return fit_adapted(
        segment_outputs(learner, features, seen).vector.numpy(),
        experiment.truth[features.utterance[seen]],
        np.array(experiment.speakers)[features.utterance[seen]].tolist(),
        features.copy[seen] == 0,
        learner.head.classify.out_features,
        shrinkage,
    )


def _changed(learner: Learner, features: FrozenFeatures, fold: Fold) -> ChangedResult:
    """What a network says of a fold's test utterances under every condition."""
    rows = np.flatnonzero(np.isin(features.utterance, fold.test))
    logits = segment_outputs(learner, features, rows).logits.numpy()
    return ChangedResult(logits, features.utterance[rows], features.copy[rows])


@dataclass(frozen=True)
class Pooled:
    """All folds of one variant and seed together."""

    logits: np.ndarray
    """(segments, classes), sorted by utterance."""
    utterance: np.ndarray
    """(segments,) number of the utterance in the corpus."""
    fold: np.ndarray
    """(segments,) position of the fold that tested it."""

    def probabilities(
        self, temperature: float | np.ndarray = 1.0, bias: Sequence[float] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Utterances that were tested, and the mean of their segments' probabilities.

        Args:
            temperature: one for all, or (segments,) one each.
            bias: (classes,); empty is none.

        Returns:
            (n,) numbers of utterances, and (n, classes).
        """
        tested, number = np.unique(self.utterance, return_inverse=True)
        divisor = np.broadcast_to(temperature, len(self.logits))[:, None]
        return tested, utterance_means(probabilities(self.logits, divisor, bias), number, len(tested))


def pool(results: Sequence[TrialResult]) -> Pooled:
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
    return Pooled(logits[order], utterance[order], fold[order])


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that makes held-out segment logits most likely (Guo et al. 2017).

    Args:
        logits: (segments, classes), predicted by heads that never heard the speaker.
        truth: (segments,) class numbers.
    """
    rows = np.arange(len(truth))

    def negative_log_likelihood(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[rows, truth].mean())

    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=LOG_TEMPERATURES, method="bounded").x))
