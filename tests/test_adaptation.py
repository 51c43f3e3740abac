"""Offsets of speakers: against plain loops, and on speakers whose offset is known."""

import numpy as np
import pytest
from scipy.special import softmax

from emoboost.adaptation import SHRINKAGE, AdaptationConfig, AdaptedHead, fit_adapted, speaker_offset
from emoboost.discriminant import fit_discriminant

CLASSES, CHANNELS = 3, 12


def archive(seed: int, speakers: int = 6, each: int = 30) -> tuple[np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Vectors, labels and speakers, and each speaker's true offset, which is larger than what tells the classes."""
    random = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(0, 2.0, (CLASSES, CHANNELS))
    offsets = random.normal(0, 3.0, (speakers, CHANNELS))
    speaker = np.repeat(np.arange(speakers), each)
    labels = random.integers(CLASSES, size=len(speaker))
    vectors = means[labels] + offsets[speaker] + random.normal(0, 0.7, (len(speaker), CHANNELS))
    return vectors.astype(np.float32), labels, [f"s{number}" for number in speaker], offsets


@pytest.fixture(scope="module")
def head() -> AdaptedHead:
    vectors, labels, speakers, _ = archive(0)
    return fit_adapted(vectors, labels, speakers, np.ones(len(labels), bool), CLASSES, 0.3)


def plain_head() -> tuple[np.ndarray, np.ndarray]:
    vectors, labels, _, _ = archive(0)
    return fit_discriminant(vectors, labels, CLASSES, 0.3)


class TestFit:
    def test_equals_a_plain_recomputation(self, head: AdaptedHead) -> None:
        vectors, labels, speakers, _ = archive(0)
        names = sorted(set(speakers))
        means = np.zeros((CLASSES, CHANNELS))
        offsets = dict.fromkeys(names, np.zeros(CHANNELS))
        for _ in range(3):
            for label in range(CLASSES):
                rows = {
                    n: [v for v, k, s in zip(vectors, labels, speakers, strict=True) if k == label and s == n]
                    for n in names
                }
                means[label] = np.mean([np.mean(own, axis=0) - offsets[n] for n, own in rows.items() if own], axis=0)
            for name in names:
                own = [v - means[k] for v, k, s in zip(vectors, labels, speakers, strict=True) if s == name]
                offsets[name] = np.mean(own, axis=0)
        without = np.array([v - offsets[s] for v, s in zip(vectors, speakers, strict=True)])
        labelled = np.array(labels)
        covariance = np.mean([np.cov(without[labelled == k].T, bias=True) for k in range(CLASSES)], axis=0)
        shrinkage = 0.3 * SHRINKAGE
        covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / CHANNELS * np.eye(CHANNELS)
        who = np.array(speakers)
        centers = np.array(
            [
                np.mean([without[(labelled == k) & (who == n)].mean(axis=0) for n in names], axis=0)
                for k in range(CLASSES)
            ]
        )
        weights = np.linalg.solve(covariance, centers.T).T
        expected = without @ weights.T - 0.5 * (weights * centers).sum(axis=1)
        found = head.logits(without)
        np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(head.means, means, rtol=1e-4, atol=1e-4)

    def test_offsets_come_from_unchanged_copies_alone(self, head: AdaptedHead) -> None:
        vectors, labels, speakers, _ = archive(0)
        doubled = np.concatenate([vectors, vectors + 100])
        clean = np.arange(len(doubled)) < len(vectors)
        found = fit_adapted(doubled, np.tile(labels, 2), speakers * 2, clean, CLASSES, 0.3)
        np.testing.assert_array_equal(found.means, head.means)


class TestOffset:
    def test_equals_a_plain_loop(self, head: AdaptedHead) -> None:
        vectors, *_ = archive(5, speakers=1, each=7)
        weights, biases = plain_head()
        config = AdaptationConfig(temperature=3.0, prior_utterances=1.5, rounds=2)
        logits, offset = vectors @ weights.T + biases, np.zeros(CHANNELS)
        for _ in range(2):
            total = np.zeros(CHANNELS)
            for vector, row in zip(vectors, logits, strict=True):
                shares = softmax(row / 3.0)
                total += vector - sum(share * mean for share, mean in zip(shares, head.means, strict=True))
            offset = total / (7 + 1.5)
            logits = np.array([head.weights @ (vector - offset) + head.biases for vector in vectors])
        found = speaker_offset(vectors, vectors @ weights.T + biases, head, config)
        np.testing.assert_allclose(found, offset, rtol=1e-4, atol=1e-4)

    def test_new_voices_are_labelled_better_with_it(self, head: AdaptedHead) -> None:
        vectors, labels, speakers, _ = archive(1, speakers=20)
        weights, biases = plain_head()
        plain = vectors @ weights.T + biases
        adapted = np.zeros_like(plain)
        for name in set(speakers):
            mine = np.array([speaker == name for speaker in speakers])
            adapted[mine] = head.logits(
                vectors[mine] - speaker_offset(vectors[mine], plain[mine], head, AdaptationConfig(temperature=2.0))
            )
        before, after = ((logits.argmax(axis=1) == labels).mean() for logits in (plain, adapted))
        assert after > before + 0.1

    def test_no_utterance_has_no_offset(self, head: AdaptedHead) -> None:
        none = np.zeros((0, CHANNELS), np.float32)
        assert not speaker_offset(none, np.zeros((0, CLASSES)), head, AdaptationConfig()).any()

    def test_one_utterance_moves_little(self, head: AdaptedHead) -> None:
        vectors, *_ = archive(2, speakers=1, each=1)
        weights, biases = plain_head()
        few, many = (
            np.linalg.norm(
                speaker_offset(vectors, vectors @ weights.T + biases, head, AdaptationConfig(prior_utterances=prior))
            )
            for prior in (1_000.0, 2.0)
        )
        assert few < many / 100
