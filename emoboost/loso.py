"""Strict leave-one-speaker-out: every utterance is predicted by a head that never heard its speaker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from emoboost.config import ModelConfig
from emoboost.corpus import Corpus
from emoboost.folds import leave_one_speaker_out
from emoboost.frozen import FrozenFeatures
from emoboost.metrics import confusion, unweighted_accuracy, weighted_accuracy
from emoboost.recipe import Recipe
from emoboost.training import segment_logits, train_head


@dataclass(frozen=True)
class LosoResult:
    """One seed's predictions for a whole corpus."""

    seed: int
    logits: np.ndarray
    """(segments, classes) of the clean copy."""
    utterance: np.ndarray
    """(segments,) utterance number of each row."""
    counts: np.ndarray
    """(classes, classes) confusion over utterances, rows are the truth."""

    @property
    def wa(self) -> float:
        """Pooled over all test utterances, in [0, 1]."""
        return weighted_accuracy(self.counts)

    @property
    def ua(self) -> float:
        """Pooled over all test utterances, in [0, 1]."""
        return unweighted_accuracy(self.counts)


def run_loso(
    corpus: Corpus,
    features: FrozenFeatures,
    config: ModelConfig,
    recipe: Recipe,
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> LosoResult:
    """Train and test one head a speaker.

    Args:
        corpus: labels and speakers.
        features: of all copies; tests use copy 0 only.
        config: which parts the head has.
        recipe: the numbers of training.
        seed: the same for every fold.
        progress: called with the speaker's name after each fold.
    """
    truth = corpus.class_numbers(config.classes)
    clean = np.flatnonzero(features.copy == 0)
    logits = np.zeros((len(clean), len(config.classes)), np.float32)
    for fold in leave_one_speaker_out(corpus.speakers):
        rows = np.flatnonzero(np.isin(features.utterance, fold.train))
        head = train_head(features, truth[features.utterance], rows, config, recipe, seed)
        tested = np.isin(features.utterance[clean], fold.test)
        logits[tested] = segment_logits(head, features, clean[tested])
        if progress is not None:
            progress(fold.name)
    utterance = features.utterance[clean]
    predicted = utterance_means(softmax(logits, axis=1), utterance, len(truth)).argmax(axis=1)
    return LosoResult(seed, logits, utterance, confusion(truth, predicted, len(config.classes)))


def utterance_means(segments: np.ndarray, utterance: np.ndarray, count: int) -> np.ndarray:
    """Mean over each utterance's segments: (segments, classes) -> (count, classes)."""
    sums = np.zeros((count, segments.shape[1]))
    np.add.at(sums, utterance, segments)
    return sums / np.bincount(utterance, minlength=count)[:, None]


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
