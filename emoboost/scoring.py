"""From the results of trials to the scores of an evaluation."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from emoboost.evaluation import Scores
from emoboost.segment_means import utterance_means
from emoboost.trials import Pooled, Trial, TrialResult, fit_temperature, pool


def scores_of(
    results: Mapping[Trial, TrialResult],
    variant: str,
    seeds: Sequence[int],
    truth: np.ndarray,
    conditions: Sequence[str] = (),
) -> list[Scores]:
    """Every seed of a variant, with calibrated probabilities where its inner folds were trained.

    Args:
        results: of all trials of an experiment.
        variant: its name.
        seeds: in order.
        truth: (utterances,) class numbers.
        conditions: names of those that were tried, by number.
    """
    return [_scores_of_seed(results, variant, seed, truth, conditions) for seed in seeds]


def _scores_of_seed(
    results: Mapping[Trial, TrialResult], variant: str, seed: int, truth: np.ndarray, conditions: Sequence[str]
) -> Scores:
    own = {trial: result for trial, result in results.items() if trial.variant == variant and trial.seed == seed}
    outer = [own[trial] for trial in sorted((t for t in own if t.inner is None), key=lambda t: t.fold)]
    pooled = pool(outer)
    tested, probabilities = pooled.probabilities()
    order = np.argsort(np.concatenate([result.utterance for result in outer]), kind="stable")
    vectors = np.concatenate([result.vectors for result in outer])[order].astype(np.float32)
    number = np.searchsorted(tested, pooled.utterance)
    fold = np.zeros(len(tested), np.int64)
    fold[number] = pooled.fold
    scores = Scores(
        seed,
        tested,
        fold,
        probabilities,
        vectors=utterance_means(vectors, number, len(tested)).astype(np.float32),
        histories=[result.history for result in outer],
        changed={name: _under(outer, number) for number, name in enumerate(conditions)},
        adapted={name: _adapted(outer, name, tested) for name in outer[0].adapted},
    )
    inner = {n: [r for t, r in own.items() if t.fold == n and t.inner is not None] for n in range(len(outer))}
    if not all(inner.values()):
        return scores
    temperatures = [_temperature(inner[n], truth) for n in range(len(outer))]
    _, calibrated = pooled.probabilities(np.array(temperatures)[pooled.fold])
    return dataclasses.replace(scores, calibrated=calibrated, temperatures=tuple(temperatures))


def _under(results: Sequence[TrialResult], condition: int) -> np.ndarray:
    """Probabilities of all tested utterances under a condition: (n, classes), in the order of their numbers."""
    tried = [result.changed for result in results if result.changed is not None]
    logits = np.concatenate([changed.logits[changed.condition == condition] for changed in tried])
    utterance = np.concatenate([changed.utterance[changed.condition == condition] for changed in tried])
    return Pooled(logits, utterance, np.zeros(len(logits), np.int64)).probabilities()[1]


def _adapted(results: Sequence[TrialResult], enrolment: str, tested: np.ndarray) -> np.ndarray:
    """Labels of all folds: (draws, n), in the order of the utterances' numbers."""
    labels = np.full((len(results[0].adapted[enrolment]), len(tested)), -1)
    for result in results:
        labels[:, np.searchsorted(tested, np.unique(result.utterance))] = result.adapted[enrolment]
    return labels


def _temperature(results: Sequence[TrialResult], truth: np.ndarray) -> float:
    return fit_temperature(
        np.concatenate([result.logits for result in results]),
        np.concatenate([truth[result.utterance] for result in results]),
    )


def pooled_temperature(results: Mapping[Trial, TrialResult], variant: str, truth: np.ndarray) -> float:
    """The temperature of a model that is trained on all speakers: fitted on the held-out logits of its folds."""
    return _temperature([r for t, r in results.items() if t.variant == variant and t.inner is None], truth)
