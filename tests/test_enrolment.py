"""Adaptation as a protocol: what tells a voice is never tested."""

import numpy as np
import pytest
from test_adaptation import CHANNELS, CLASSES, archive, plain_head

from emoboost.adaptation import AdaptationConfig, AdaptedHead, fit_adapted, speaker_offset
from emoboost.enrolment import DRAWS, Enrolment, adapted_labels, parse_adapt, refuse_few
from emoboost.errors import UsageError

CONFIG = AdaptationConfig(temperature=2.0)


@pytest.fixture(scope="module")
def head() -> AdaptedHead:
    vectors, labels, speakers, _ = archive(0)
    return fit_adapted(vectors, labels, speakers, np.ones(len(labels), bool), CLASSES, 0.3)


@pytest.fixture(scope="module")
def tested() -> tuple[np.ndarray, np.ndarray, list[str]]:
    vectors, _, speakers, _ = archive(1, speakers=3, each=8)
    weights, biases = plain_head()
    return vectors, vectors @ weights.T + biases, speakers


def test_all_but_the_tested_one(head: AdaptedHead, tested: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    vectors, plain, speakers = tested
    (labels,) = adapted_labels(vectors, plain, speakers, head, CONFIG, Enrolment(None), seed=0)
    for row, speaker in enumerate(speakers):
        others = [n for n, name in enumerate(speakers) if name == speaker and n != row]
        offset = speaker_offset(vectors[others], plain[others], head, CONFIG)
        assert labels[row] == head.logits(vectors[row] - offset).argmax()


def test_enrolment_is_not_tested(head: AdaptedHead, tested: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    vectors, plain, speakers = tested
    labels = adapted_labels(vectors, plain, speakers, head, CONFIG, Enrolment(3), seed=0)
    assert labels.shape == (DRAWS, len(speakers))
    names = np.array(speakers)
    for draw in labels:
        for name in set(speakers):
            assert (draw[names == name] < 0).sum() == 3
    assert len({tuple(draw < 0) for draw in labels}) > 1, "drawn anew"
    again = adapted_labels(vectors, plain, speakers, head, CONFIG, Enrolment(3), seed=0)
    np.testing.assert_array_equal(again, labels)


def test_tested_utterances_tell_nothing_of_each_other(
    head: AdaptedHead, tested: tuple[np.ndarray, np.ndarray, list[str]]
) -> None:
    """Whatever the tested ones are, the label of one depends on it and on the enrolment alone."""
    vectors, plain, speakers = tested
    labels = adapted_labels(vectors, plain, speakers, head, CONFIG, Enrolment(3), seed=0)
    there = labels[0] >= 0
    changed = vectors.copy()
    first = int(np.flatnonzero(there)[0])
    others = there.copy()
    others[first] = False
    changed[others] += np.random.default_rng(0).normal(0, 5, (int(others.sum()), CHANNELS)).astype(np.float32)
    found = adapted_labels(changed, plain, speakers, head, CONFIG, Enrolment(3), seed=0)
    assert found[0, first] == labels[0, first]


@pytest.mark.parametrize(
    ("text", "names"),
    [("speaker", ["all"]), ("speaker:5", ["5"]), ("speaker: 5, 10 ,all", ["5", "10", "all"])],
)
def test_parsed(text: str, names: list[str]) -> None:
    assert [each.name for each in parse_adapt(text)] == names


@pytest.mark.parametrize("text", ["", "gender", "speaker:", "speaker:-1", "speaker:x", "speaker:1.5", "speaker:5,5"])
def test_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--adapt "):
        parse_adapt(text)


def test_too_few_utterances() -> None:
    refuse_few(parse_adapt("speaker:2,all"), ["a"] * 3 + ["b"] * 4)
    with pytest.raises(
        UsageError, match=r"3 enrolment utterances asked for, and one to test; speaker a has 3 in a fold"
    ):
        refuse_few(parse_adapt("speaker:3,all"), ["a"] * 3 + ["b"] * 4)
    with pytest.raises(UsageError, match=r"speaker c has 1 in a fold"):
        refuse_few(parse_adapt("speaker"), ["a", "a", "c"])
