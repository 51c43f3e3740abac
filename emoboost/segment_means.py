"""What is said of an utterance: the mean of what is said of its segments (paper, Input)."""

from collections.abc import Sequence

import numpy as np


def utterance_means(segments: np.ndarray, utterance: np.ndarray, count: int) -> np.ndarray:
    """Means of segments in any order.

    Args:
        segments: (S, D).
        utterance: (S,) number of each segment's utterance; every number below `count` is there.
        count: of utterances.

    Returns:
        (count, D) float64.
    """
    sums = np.zeros((count, segments.shape[1]))
    np.add.at(sums, utterance, segments)
    return sums / np.bincount(utterance, minlength=count)[:, None]


def consecutive_means(segments: np.ndarray, counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Means of segments that lie one utterance after the other.

    Args:
        segments: (sum of counts, D).
        counts: (n,) segments of each utterance.

    Returns:
        (n, D) float64; zeros where there is no segment.
    """
    each = np.asarray(counts, np.int64)
    means, there = np.zeros((len(each), segments.shape[1])), each > 0
    if there.any():
        first = (np.cumsum(each) - each)[there]
        means[there] = np.add.reduceat(segments, first, axis=0, dtype=np.float64) / each[there, None]
    return means
