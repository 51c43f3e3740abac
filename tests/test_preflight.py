"""A wrong set-up is found on a few recordings; a few bad files are not one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from reading import samples_of

from emoboost.access import Access
from emoboost.errors import ManifestError, UsageError
from emoboost.preflight import LOOKED_AT, check_recordings, spread
from emoboost.utterance import Utterance


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_spread(count: int, of: int) -> None:
    found = spread(count, of)
    assert len(found) == min(count, of)
    assert found == sorted(set(found))
    if count:
        assert (found[0], found[-1]) == (0, count - 1)
    if count > of:
        steps = np.diff(found)
        assert steps.max() - steps.min() <= 1
    assert len(spread(1_000_000)) == LOOKED_AT == 20


def check(*uris: object, base: Path | str = "", channel: int | None = None, channel_chosen: bool = False) -> None:
    utterances = [Utterance(str(number), str(uri), channel) for number, uri in enumerate(uris)]
    check_recordings(utterances, str(base), Access(), channel_chosen=channel_chosen)


@pytest.fixture
def call(clips: list[Path], tmp_path: Path) -> Path:
    """Two people, one a channel."""
    left, right = (samples_of(clip)[:32_000] for clip in (clips[0], clips[8]))
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16_000)
    return tmp_path / "call.wav"


def test_good_recordings_pass(clips: list[Path]) -> None:
    check(*clips)
    check(*(clip.name for clip in clips[:8]), base=clips[0].parent)
    check()


def test_all_missing(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none of the 3 recordings") as caught:
        check("a.wav", "b.wav", "c.wav", base=tmp_path)
    assert f"{tmp_path}/a.wav" in str(caught.value)
    assert "relative paths are relative to the manifest's folder" in str(caught.value)
    assert caught.value.exit_code == 2


def test_some_missing_or_for_different_reasons_pass(clips: list[Path], tmp_path: Path) -> None:
    check("a.wav", clips[0], base=tmp_path)
    (tmp_path / "text.wav").write_text("no audio")
    check("a.wav", "text.wav", base=tmp_path)


def test_a_call_asks_for_a_channel(call: Path, clips: list[Path]) -> None:
    with pytest.raises(UsageError, match=r"call\.wav: its two channels have little in common \(correlation -?0\.\d\d"):
        check(clips[0], call)
    check(call, channel_chosen=True)
    check(call, channel=0)


def test_one_recording_in_stereo_passes(clips: list[Path], tmp_path: Path) -> None:
    mono = samples_of(clips[0])
    soundfile.write(tmp_path / "stereo.wav", np.stack([mono, 0.5 * mono], axis=1), 16_000)
    check(tmp_path / "stereo.wav")


def test_a_call_cut_short_is_left_to_the_job(call: Path) -> None:
    call.write_bytes(call.read_bytes()[:100])
    check(call, call.with_name("missing.wav"))
