"""The second part of a model: from enhanced vectors to probabilities, without the network."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from emoboost.adaptation import AdaptedHead
from emoboost.calibration import probabilities
from emoboost.checkpoint import ModelFolder, load_adapted, load_trained
from emoboost.config import ModelConfig
from emoboost.encoder_identity import CLASSIFIER


@dataclass(frozen=True)
class Classifier:
    """Linear in the vector; its scores go through the model's temperature and bias."""

    config: ModelConfig
    weights: np.ndarray
    """(classes, D) float32."""
    biases: np.ndarray
    """(classes,) float32."""
    adapted: AdaptedHead | None
    """For vectors without their speaker's offset; None when the model has none."""

    @classmethod
    def of(cls, folder: ModelFolder) -> Self:
        """That of a model.

        Raises:
            ModelError: the weights are missing, or were changed since training.
        """
        trained = load_trained(folder)
        weights, biases = (trained[f"{CLASSIFIER}{name}"].float().numpy() for name in ("weight", "bias"))
        return cls(folder.config, weights, biases, load_adapted(folder))

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, classes), unadapted."""
        found: np.ndarray = vectors @ self.weights.T + self.biases
        return found

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(n, classes) -> (n, classes); rows sum to 1."""
        return probabilities(logits.astype(np.float64), self.config.temperature, self.config.bias)
