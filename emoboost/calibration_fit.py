"""Temperature and class bias of a finished model, fitted on labelled utterances that it has heard.

What is fitted is what the product gives: the probability of an utterance is the mean of its segments' softmax, and the
fit makes the labels that people gave most likely. Nothing is random.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emoboost.calibration import probabilities
from emoboost.metrics import reliability
from emoboost.segment_means import consecutive_means

SPREAD = 1.0
"""How large a bias is expected to be before any label was seen, as a standard deviation around 0.

A bias of 1 makes the odds of a class 2.7 times what they were, about as far as the mixes of classes of two kinds of
speech lie apart, and costs half a nat, about what one label costs that had a probability of 0.6. So a hundred labels
outweigh it, while a class that none of them names keeps a small probability rather than none.
"""
TEMPERATURES = (-3.0, 3.0)
"""Natural logarithms of the lowest and the highest temperature; beyond them all probabilities are 0 or 1, or equal."""
FOLDS = 5
LEAST = 1e-300
"""No probability is taken as smaller, so that it has a logarithm."""


@dataclass(frozen=True)
class Heard:
    """What a model said of labelled utterances, before its temperature and bias."""

    logits: np.ndarray
    """(segments, classes), those of an utterance next to each other."""
    segments: np.ndarray
    """(n,) segments of each utterance, at least one."""
    truth: np.ndarray
    """(n,) class numbers."""
    weight: np.ndarray
    """(n,) positive: how many utterances each stands for."""
    group: Sequence[str]
    """(n,) whom an utterance is of, or what recording: a group is never on both sides of a fold."""

    @property
    def first(self) -> np.ndarray:
        """(n,) first segment of each utterance."""
        return np.asarray(np.cumsum(self.segments) - self.segments)

    def probabilities(self, fitted: "Calibration") -> np.ndarray:
        """Mean over each utterance's segments: (n, classes) float64."""
        each = probabilities(self.logits.astype(np.float64), fitted.temperature, fitted.bias)
        return consecutive_means(each, self.segments)

    def rows(self, chosen: np.ndarray) -> "Heard":
        """Some of the utterances.

        Args:
            chosen: (n,) bool.
        """
        of_segment = np.repeat(chosen, self.segments)
        return Heard(
            self.logits[of_segment],
            self.segments[chosen],
            self.truth[chosen],
            self.weight[chosen],
            [name for name, here in zip(self.group, chosen, strict=True) if here],
        )


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities."""

    temperature: float
    bias: tuple[float, ...]
    """One a class; empty is none."""


@dataclass(frozen=True)
class Figures:
    """How good probabilities are."""

    nll: float
    """Mean negative log-likelihood of the truth, in nats."""
    ece: float
    """Expected calibration error, in [0, 1]."""
    ua: float
    """Mean recall of the classes that occur, in [0, 1]."""


@dataclass(frozen=True)
class Checked:
    """A calibration, and what became of probabilities that it was not fitted on."""

    fitted: Calibration
    """On all utterances."""
    before: Figures
    """Of the model as it was."""
    after: Figures
    """Each utterance with the calibration that was fitted on the other folds."""
    folds: int

    @property
    def is_better(self) -> bool:
        """Whether utterances that it was not fitted on are more likely with it."""
        return self.after.nll < self.before.nll


def fit(heard: Heard, spread: float = SPREAD) -> Calibration:
    """The temperature and bias that make the truth most likely, with a bias near 0 where the labels do not say.

    Minimises the weighted sum of -log p(truth) plus half of the squared norm of bias / spread, by L-BFGS-B with the
    exact gradient, from temperature 1 and bias 0. Weights count relative to their mean.

    Args:
        heard: at least one utterance.
        spread: see `SPREAD`.
    """
    from scipy.optimize import minimize

    classes = heard.logits.shape[1]
    start = np.zeros(1 + classes)
    bounds = [TEMPERATURES, *[(None, None)] * classes]
    options = {"maxiter": 1_000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(
        lambda point: _loss(heard, point, spread), start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return Calibration(float(np.exp(found.x[0])), tuple(found.x[1:].tolist()))


def cross_validated(heard: Heard, before: Calibration, spread: float = SPREAD) -> Checked:
    """Fit on all utterances, and measure fits on some of them by the others.

    Args:
        heard: of at least two groups.
        before: temperature and bias of the model as it is.
        spread: see `SPREAD`.
    """
    fold = folds_of(heard.group, heard.truth)
    after = np.zeros((len(heard.truth), heard.logits.shape[1]))
    for number in np.unique(fold):
        tested = fold == number
        after[tested] = heard.rows(tested).probabilities(fit(heard.rows(~tested), spread))
    return Checked(
        fit(heard, spread),
        figures_of(heard.probabilities(before), heard.truth, heard.weight),
        figures_of(after, heard.truth, heard.weight),
        int(fold.max()) + 1,
    )


def folds_of(group: Sequence[str], truth: np.ndarray, most: int = FOLDS) -> np.ndarray:
    """Divide utterances such that no group is in two folds, the folds are of about one size, and so are the classes.

    The largest group goes first, each into the smallest fold so far; groups of one size follow by class, so that
    groups of one utterance are dealt out class by class.

    Args:
        group: (n,) at least two different ones.
        truth: (n,) class numbers.
        most: folds; fewer where there are fewer groups.

    Returns:
        (n,) number of the fold of each.
    """
    size, label = Counter(group), dict(zip(reversed(group), reversed(truth.tolist()), strict=True))
    first = {name: place for place, name in enumerate(dict.fromkeys(group))}
    filled = [0] * min(most, len(size))
    fold_of: dict[str, int] = {}
    for name in sorted(size, key=lambda name: (-size[name], label[name], first[name])):
        fold_of[name] = filled.index(min(filled))
        filled[fold_of[name]] += size[name]
    return np.array([fold_of[name] for name in group])


def figures_of(shares: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> Figures:
    """Figures of probabilities, each utterance counted as often as its weight says.

    Args:
        shares: (n, classes) probabilities.
        truth: (n,) class numbers.
        weight: (n,) positive.
    """
    likely = np.maximum(shares[np.arange(len(truth)), truth], LEAST)
    right = np.bincount(truth, weight * (shares.argmax(axis=1) == truth))
    of_class = np.bincount(truth, weight)
    return Figures(
        nll=float(np.average(-np.log(likely), weights=weight)),
        ece=reliability(shares, truth, weights=weight).error,
        ua=float((right[of_class > 0] / of_class[of_class > 0]).mean()),
    )


def _loss(heard: Heard, point: np.ndarray, spread: float) -> tuple[float, np.ndarray]:
    """What `fit` minimises, divided by the utterances, and its gradient.

    Args:
        heard: n utterances.
        point: (1 + classes,) logarithm of the temperature, then the bias.
        spread: see `SPREAD`.
    """
    from scipy.special import log_softmax

    bias, scaled = point[1:], heard.logits / np.exp(point[0])
    log_shares = log_softmax(scaled + bias, axis=1)
    truth, weight = np.repeat(heard.truth, heard.segments), heard.weight / heard.weight.mean()
    of_truth = log_shares[np.arange(len(truth)), truth]
    # The logarithm of a mean of shares, from their logarithms: the largest one is taken out first.
    largest = np.maximum.reduceat(of_truth, heard.first)
    relative = np.exp(of_truth - np.repeat(largest, heard.segments))
    together = np.add.reduceat(relative, heard.first)
    log_mean = largest + np.log(together / heard.segments)
    # Of each segment: how much of its utterance's probability it brings, times what moving its logits does.
    brought = relative / np.repeat(together, heard.segments) * np.repeat(weight, heard.segments)
    slope = np.exp(log_shares) * brought[:, None]
    slope[np.arange(len(truth)), truth] -= brought
    loss = -(weight * log_mean).sum() + 0.5 * ((bias / spread) ** 2).sum()
    gradient = np.concatenate([[-(slope * scaled).sum()], slope.sum(axis=0) + bias / spread**2])
    return loss / len(heard.truth), gradient / len(heard.truth)
