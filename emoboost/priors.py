"""Probabilities of a model that learned with one mix of classes, corrected for speech with another."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emoboost.config import ModelConfig
from emoboost.errors import ModelError, UsageError
from emoboost.printable import shown
from emoboost.shares_file import read_shares
from emoboost.user_path import user_path

TRAIN, UNIFORM, ESTIMATE = "train", "uniform", "estimate"
CLASS_SHARES = "class_shares"
"""Key of `ModelConfig.training`, and of its part `calibration`: class -> share of it where the model learned."""
TOLERANCE = 1e-9
"""`estimate` stops when no share moves by more."""
ITERATIONS = 10_000
"""`estimate` stops after so many steps in any case; each is one pass over the probabilities."""
LEAST = 1e-12
"""No estimated share is smaller, so that it can be divided by."""


def corrected(probabilities: np.ndarray, trained_on: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """What the model would say if it had learned with another mix of classes: p * prior / trained_on, renormalised.

    Exact where only the mix differs, and speech of one emotion sounds the same in both places.

    Args:
        probabilities: (n, classes). A row of zeros, an utterance without audio, stays one.
        trained_on: (classes,) positive: the mix that the model learned with.
        prior: (classes,) positive: the mix to correct for.

    Returns:
        (n, classes) float64.

    Raises:
        ValueError: a share is not positive.
    """
    factor = _shares(prior, "prior") / _shares(trained_on, "trained_on")
    weighted = np.asarray(probabilities, np.float64) * factor
    total = weighted.sum(axis=1, keepdims=True)
    shares: np.ndarray = np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)
    return shares


def estimate(
    probabilities: np.ndarray,
    trained_on: np.ndarray,
    *,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> np.ndarray:
    """The mix of classes in unlabelled speech, by the EM of Saerens, Latinne and Decaestecker (2002).

    Each step corrects all probabilities for the mix so far and takes their mean as the next. The likelihood rises with
    every step and has one maximum, so that the result does not depend on where it starts, which is `trained_on`. It is
    as good as the probabilities are: those of a model that is too sure, or that hears other speech than it learned
    from, give a wrong mix without a sign of it.

    Args:
        probabilities: (n, classes); rows of zeros are left out.
        trained_on: (classes,) positive: the mix that the model learned with.
        tolerance: stop when no share moves by more.
        iterations: stop after so many steps in any case.

    Returns:
        (classes,) float64, positive, sums to 1.

    Raises:
        ValueError: no row has a probability, or a share of `trained_on` is not positive.
    """
    given = np.asarray(probabilities, np.float64)
    given = given[given.sum(axis=1) > 0]
    if not len(given):
        raise ValueError("no row has a probability")
    prior = _shares(trained_on, "trained_on")
    for _ in range(iterations):
        found = np.maximum(corrected(given, trained_on, prior).mean(axis=0), LEAST)
        found /= found.sum()
        moved = np.abs(found - prior).max()
        prior = found
        if moved <= tolerance:
            break
    return prior


def trained_on(config: ModelConfig, source: str = "config.json") -> tuple[np.ndarray, str | None]:
    """The mix of classes that a model's probabilities belong to.

    That of the speech it was calibrated on; else that of its training, unless there every class weighed the same, by
    `class_weights` or because a classifier in closed form takes each for as likely as any other.

    Args:
        config: of the model.
        source: how messages name it.

    Returns:
        (classes,) float64 that sum to 1, and a remark for people where the model does not say and all are taken as
        equally frequent.

    Raises:
        ModelError: what it says are no shares of its classes.
    """
    training = config.training
    uniform = np.full(len(config.classes), 1 / len(config.classes))
    calibration, recipe = training.get("calibration"), training.get("recipe")
    if isinstance(calibration, Mapping) and CLASS_SHARES in calibration:
        return _named_shares(calibration[CLASS_SHARES], config.classes, f"{source}: training: calibration"), None
    if isinstance(recipe, Mapping) and (recipe.get("class_weights") is True or recipe.get("shrinkage") is not None):
        return uniform, None
    if CLASS_SHARES in training:
        return _named_shares(training[CLASS_SHARES], config.classes, f"{source}: training"), None
    return uniform, (
        f"{config.name} does not say how frequent its classes were in training; all are taken as equally frequent"
    )


def parse_prior(text: str, classes: Sequence[str], trained_on: np.ndarray) -> np.ndarray | None:
    """The mix of classes that a user asks for.

    Args:
        text: `train` for the model's own, `uniform`, `estimate`, or a file with lines such as `anger: 0.2` (YAML or
            JSON; `anger,0.2` in .csv, a tab in .tsv) that names every class; shares need not sum to 1.
        classes: of the model.
        trained_on: (classes,) the mix that the model learned with.

    Returns:
        (classes,) float64 that sum to 1; None when it is to be estimated.

    Raises:
        UsageError: no such word or file, or a file that does not give every class one positive share.
    """
    if text == ESTIMATE:
        return None
    if text == UNIFORM:
        return np.full(len(classes), 1 / len(classes))
    if text == TRAIN:
        return _shares(trained_on, "trained_on")
    file = user_path(text)
    if not file.is_file():
        raise UsageError(
            f"{shown(text)}: no such mix of classes; give {TRAIN}, {UNIFORM}, {ESTIMATE}, or a file with lines such as "
            f"'{classes[0]}: 0.2'"
        )
    return _shares(read_shares(file, classes), str(file))


def _named_shares(given: Any, classes: Sequence[str], where: str) -> np.ndarray:
    fits = isinstance(given, Mapping) and given.keys() == set(classes)
    if not fits or not all(type(each) in (int, float) and 0 < each < math.inf for each in given.values()):
        raise ModelError(
            f"{where}: {CLASS_SHARES}: {shown(given)} must give each class a positive number; "
            "copy the model folder again"
        )
    return _shares(np.array([given[name] for name in classes], np.float64), where)


def _shares(values: np.ndarray, what: str) -> np.ndarray:
    found = np.asarray(values, np.float64)
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise ValueError(f"{what}: {found.tolist()} are not all positive")
    shares: np.ndarray = found / found.sum()
    return shares
