"""From logits to probabilities: divided by the temperature, plus the bias of each class, softmax. Nowhere else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def probabilities(
    logits: np.ndarray, temperature: float | np.ndarray = 1.0, bias: Sequence[float] | np.ndarray = ()
) -> np.ndarray:
    """Softmax of every row.

    Args:
        logits: (n, classes).
        temperature: one for all, or (n, 1).
        bias: (classes,); empty is none.

    Returns:
        (n, classes), rows sum to 1.
    """
    from scipy.special import softmax

    scaled = logits / temperature
    shares: np.ndarray = softmax(scaled + np.asarray(bias) if len(bias) else scaled, axis=1)
    return shares


def tensor_probabilities(logits: "torch.Tensor", temperature: float, bias: Sequence[float]) -> "torch.Tensor":
    """The same on the device where the logits are: (n, classes) -> (n, classes)."""
    scaled = logits / temperature
    return (scaled + logits.new_tensor(bias) if bias else scaled).softmax(1)
