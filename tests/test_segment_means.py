"""Means over an utterance's segments against a plain loop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emoboost.segment_means import consecutive_means, utterance_means


@given(counts=st.lists(st.integers(0, 5), max_size=8), seed=st.integers(0, 1_000))
def test_consecutive_means_equal_a_plain_loop(counts: list[int], seed: int) -> None:
    segments = np.random.default_rng(seed).dirichlet(np.ones(3), sum(counts)).astype(np.float32)
    found = consecutive_means(segments, counts)
    assert found.dtype == np.float64
    assert found.shape == (len(counts), 3)
    rows = iter(segments.tolist())
    for mean, count in zip(found, counts, strict=True):
        taken = [next(rows) for _ in range(count)]
        expected = [sum(column) / count for column in zip(*taken, strict=True)] if count else [0.0] * 3
        np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-12)


@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=8), seed=st.integers(0, 1_000))
def test_the_order_of_segments_does_not_matter(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    segments, utterance = rng.normal(size=(sum(counts), 4)), np.repeat(np.arange(len(counts)), counts)
    shuffled = rng.permutation(sum(counts))
    found = utterance_means(segments[shuffled], utterance[shuffled], len(counts))
    np.testing.assert_allclose(found, consecutive_means(segments, counts), rtol=0, atol=1e-12)
