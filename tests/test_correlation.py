"""Two people on a call, or one scene in stereo."""

from pathlib import Path

import numpy as np
import pytest
from bad_audio import RATE
from reading import CLIP, OTHER, samples_of, written

from emoboost.access import Access
from emoboost.audio import correlation_of_channels
from emoboost.errors import AudioError


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return samples_of(CLIP)


def two_channels(path: Path, left: np.ndarray, right: np.ndarray) -> str:
    return str(written(path / "two.wav", np.stack([left, right], axis=1)))


@pytest.fixture(scope="module")
def call(speech: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two people who take turns of their own clips' length, 26 s in all, each on a line with a little noise."""
    other = samples_of(OTHER)
    left = np.tile(np.concatenate([speech, np.zeros_like(other)]), 4)
    right = np.tile(np.concatenate([np.zeros_like(speech), other]), 4)
    noise = np.random.default_rng(5).standard_normal((2, len(left))).astype(np.float32) * 1e-3
    return left + noise[0], right + noise[1]


def test_a_call_is_told_from_one_scene(tmp_path: Path, speech: np.ndarray, call: tuple[np.ndarray, np.ndarray]) -> None:
    other = samples_of(OTHER)
    left, right = call
    for echo in (0.0, 0.03, 0.1):
        found = correlation_of_channels(two_channels(tmp_path, left + echo * right, right + echo * left), Access())
        assert found is not None
        assert found < 0.1
    both_at_once = correlation_of_channels(
        two_channels(tmp_path, np.resize(speech, 400_000), np.resize(other, 400_000)), Access()
    )
    assert both_at_once is not None
    assert both_at_once < 0.3


def test_one_scene_in_stereo(tmp_path: Path, call: tuple[np.ndarray, np.ndarray]) -> None:
    scene = call[0] + call[1]
    assert correlation_of_channels(two_channels(tmp_path, scene, scene), Access()) == pytest.approx(1.0, abs=1e-9)
    assert correlation_of_channels(two_channels(tmp_path, scene, 0.2 * scene), Access()) == pytest.approx(1.0, abs=1e-4)
    assert correlation_of_channels(two_channels(tmp_path, scene, -scene), Access()) == pytest.approx(1.0, abs=1e-4)
    # A microphone 3 m further away: 9 ms later.
    delayed = correlation_of_channels(two_channels(tmp_path, scene, 0.5 * np.roll(scene, 144)), Access())
    assert delayed is not None
    assert delayed > 0.9


def test_no_question_without_two_voices(tmp_path: Path, call: tuple[np.ndarray, np.ndarray]) -> None:
    left = call[0]
    noise = np.random.default_rng(6).standard_normal(len(left)).astype(np.float32)
    silence = np.zeros_like(left)
    for other in (silence, 0.02 * noise, 1e-3 * np.roll(left, 3 * RATE)):
        assert correlation_of_channels(two_channels(tmp_path, left, other), Access()) is None
    assert correlation_of_channels(two_channels(tmp_path, silence, silence), Access()) is None
    assert (
        correlation_of_channels(two_channels(tmp_path, left[: RATE - 1], left[RATE : 2 * RATE - 1]), Access()) is None
    )
    assert correlation_of_channels(str(CLIP), Access()) is None


def test_a_long_call_is_heard_at_three_places(tmp_path: Path, call: tuple[np.ndarray, np.ndarray]) -> None:
    """A greeting of half a minute on both channels does not hide the two people who follow."""
    left, right = call
    greeting = np.resize(left + right, 30 * RATE)
    path = two_channels(tmp_path, np.concatenate([greeting, left, left]), np.concatenate([greeting, right, right]))
    beginning = correlation_of_channels(path, Access(), seconds=1_000.0)
    three_places = correlation_of_channels(path, Access())
    assert beginning is not None
    assert three_places is not None
    assert three_places < 0.5
    assert three_places < beginning


def test_a_broken_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("Anna: Guten Tag!")
    with pytest.raises(AudioError, match="holds text"):
        correlation_of_channels(str(path), Access())
