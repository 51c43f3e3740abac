"""Labels for the voice of one speaker, from unlabelled utterances of his.

What a speaker's utterances have in common, beyond the emotions in them, is taken from each. That is more than their
mean: a speaker who speaks mostly in anger would lose the anger with it. So the mean of the classes that the model hears
in them is left, in proportion to how surely it hears them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from emoboost.discriminant import fit_discriminant

if TYPE_CHECKING:
    import torch

SHRINKAGE = 0.5
"""Share of the plain classifier's shrinkage that the adapted one has: without the speakers' offsets the covariance is
better known (docs/experiments.md)."""
FITTING_ROUNDS = 3
"""In which training's offsets and class means, which depend on each other, are found."""


@dataclass(frozen=True)
class AdaptationConfig:
    """How a speaker's offset is found."""

    temperature: float = 20.0
    """The logits' own are too sure of themselves: they are divided by this for the classes' shares of an utterance."""
    prior_utterances: float = 2.0
    """The offset is shrunk toward that of the training speakers, 0, as by so many utterances without one."""
    rounds: int = 3
    """The first takes its shares from the unadapted classifier, each later one from the adapted one."""


@dataclass(frozen=True)
class AdaptedHead:
    """A linear classifier of vectors without their speaker's offset."""

    weights: np.ndarray
    """(classes, D) float32."""
    biases: np.ndarray
    """(classes,) float32."""
    means: np.ndarray
    """(classes, D) float32: of each class, without the speakers' offsets."""

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """(n, D) without offset -> (n, classes)."""
        found: np.ndarray = vectors @ self.weights.T + self.biases
        return found


def fit_adapted(
    vectors: np.ndarray,
    labels: np.ndarray,
    speakers: Sequence[str],
    is_clean: np.ndarray,
    classes: int,
    shrinkage: float,
) -> AdaptedHead:
    """Train on vectors from which each training speaker's own offset was taken.

    Offsets come from the unchanged copies, whose labels are known here; copies lose the offset of their speaker.

    Args:
        vectors: (n, D) of the training segments.
        labels: (n,) class numbers.
        speakers: (n,) who speaks.
        is_clean: (n,) bool, rows of unchanged utterances; every speaker has some.
        classes: how many there are.
        shrinkage: of the plain classifier; see `SHRINKAGE`.
    """
    names, speaker = np.unique(np.array(speakers), return_inverse=True)
    offsets, means = _offsets(vectors[is_clean], labels[is_clean], speaker[is_clean], len(names), classes)
    without = vectors - offsets[speaker]
    weights, biases = fit_discriminant(without, labels, classes, SHRINKAGE * shrinkage, speakers)
    return AdaptedHead(weights, biases, means)


def _offsets(
    vectors: np.ndarray, labels: np.ndarray, speaker: np.ndarray, speakers: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each speaker's mean distance from the classes' means, and these without it: (speakers, D), (classes, D) float32.

    A class's mean counts every speaker of it alike, however much he says.
    """
    offsets = np.zeros((speakers, vectors.shape[1]))
    means = np.zeros((classes, vectors.shape[1]))
    for _ in range(FITTING_ROUNDS):
        for label in np.unique(labels):
            of_class = labels == label
            present = np.unique(speaker[of_class])
            means[label] = np.mean(
                [vectors[of_class & (speaker == who)].mean(axis=0) - offsets[who] for who in present], axis=0
            )
        for who in np.unique(speaker):
            mine = speaker == who
            offsets[who] = (vectors[mine] - means[labels[mine]]).mean(axis=0)
    return offsets.astype(np.float32), means.astype(np.float32)


def speaker_offset(
    vectors: np.ndarray, plain_logits: np.ndarray, head: AdaptedHead, config: AdaptationConfig
) -> np.ndarray:
    """What a speaker's utterances have in common beyond their emotions: (D,) float64.

    Args:
        vectors: (n, D) of his utterances.
        plain_logits: (n, classes) of the unadapted classifier.
        head: of the adapted one.
        config: how.
    """
    return offset_of_sum(vectors.sum(axis=0), plain_logits, head.logits(vectors), head, config)


def offset_of_sum(
    total: np.ndarray, plain_logits: np.ndarray, head_logits: np.ndarray, head: AdaptedHead, config: AdaptationConfig
) -> np.ndarray:
    """The same from what is left of the vectors when they are too many to hold.

    Args:
        total: (D,) sum of the vectors.
        plain_logits: (n, classes) of the unadapted classifier.
        head_logits: (n, classes) of the adapted one, for the vectors as they are.
        head: it.
        config: how.
    """
    offset, logits = np.zeros(len(total)), plain_logits
    for _ in range(config.rounds):
        shares = softmax(logits / config.temperature, axis=1)
        offset = (total - shares.sum(axis=0) @ head.means) / (len(plain_logits) + config.prior_utterances)
        logits = head_logits - head.weights @ offset
    return offset


def head_tensors(head: AdaptedHead) -> "dict[str, torch.Tensor]":
    """As a model folder stores it."""
    import torch

    return {name: torch.from_numpy(values) for name, values in vars(head).items()}


def head_from(tensors: "Mapping[str, torch.Tensor]") -> AdaptedHead:
    """The inverse.

    Raises:
        LookupError: a tensor is missing.
    """
    names = ("weights", "biases", "means")
    return AdaptedHead(**{name: tensors[name].float().numpy() for name in names})
