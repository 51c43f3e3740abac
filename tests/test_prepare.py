"""Utterances to inputs: neighbours do not matter, and one broken file harms nothing but its own row."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from reading import samples_of
from tiny_model import tiny_config

from emoboost.errors import AudioErrorType
from emoboost.predict import preparation_for
from emoboost.prepare import Preparation
from emoboost.segment import segment
from emoboost.utterance import Utterance


@pytest.fixture(scope="module")
def prepare() -> Preparation:
    return preparation_for(tiny_config())


def utterances_of(*files: Path | str) -> list[Utterance]:
    return [Utterance(str(number), str(file)) for number, file in enumerate(files)]


def test_equals_segment_and_extractor_on_each_clip(prepare: Preparation, clips: list[Path]) -> None:
    chosen = clips[7:12]
    prepared = prepare(utterances_of(*chosen))
    first = 0
    for clip, outcome in zip(chosen, prepared.outcomes, strict=True):
        samples = samples_of(clip)
        cut = segment(samples, prepare.segments)
        rows = slice(first, first + len(cut.valid))
        for name, values in prepare.extractor(cut.waveforms, cut.emphasised, cut.valid).items():
            np.testing.assert_array_equal(prepared.inputs[name][rows], values)
        np.testing.assert_array_equal(prepared.valid[rows], cut.valid)
        np.testing.assert_array_equal(prepared.starts[rows], cut.starts)
        assert outcome.n_segments == len(cut.valid)
        assert outcome.duration == outcome.end == len(samples) / 16_000
        first = rows.stop
    assert first == len(prepared.valid)


def test_broken_files_change_no_bit_of_their_neighbours(
    prepare: Preparation, clips: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    files = [tmp_path / "text.wav", clips[0], tmp_path / "missing.wav", clips[9], tmp_path / "empty.wav", tmp_path]
    mixed, clean = prepare(utterances_of(*files)), prepare(utterances_of(clips[0], clips[9]))
    for name, values in clean.inputs.items():
        np.testing.assert_array_equal(mixed.inputs[name], values)
    np.testing.assert_array_equal(mixed.valid, clean.valid)
    assert [outcome.error_type for outcome in mixed.outcomes][:5] == [
        AudioErrorType.UNSUPPORTED_FORMAT,
        None,
        AudioErrorType.NOT_FOUND,
        None,
        AudioErrorType.EMPTY,
    ]
    assert mixed.outcomes[5].error_type is not None
    for file, outcome in zip(files, mixed.outcomes, strict=True):
        if outcome.error_type is not None:
            assert file.name in str(outcome.error_message)
            assert (outcome.end, outcome.duration, outcome.n_segments) == (None, None, 0)


def test_spans_of_one_recording(prepare: Preparation, clips: list[Path]) -> None:
    uri = str(clips[9])
    spans = [
        Utterance("a", uri, start=0.5, end=2.0),
        Utterance("b", uri, start=500.0),
        Utterance("c", uri, channel=5),
        Utterance("d", uri, start=1.0),
    ]
    prepared = prepare(spans)
    kinds = [outcome.error_type for outcome in prepared.outcomes]
    assert kinds == [None, AudioErrorType.OUTSIDE_FILE, AudioErrorType.NO_CHANNEL, None]
    assert (prepared.outcomes[0].end, prepared.outcomes[0].duration) == (2.0, 1.5)
    assert prepared.outcomes[3].end == pytest.approx(soundfile.info(uri).duration)
    assert prepared.valid[0] == 24_000


def test_no_utterance_that_can_be_read(prepare: Preparation) -> None:
    for utterances in ([], utterances_of("missing.wav")):
        prepared = prepare(utterances)
        assert len(prepared.outcomes) == len(utterances)
        assert {name: values.shape for name, values in prepared.inputs.items()} == {
            "mfcc": (0, 300, 40),
            "spectrogram": (0, 300, 200),
            "log_mel": (0, 80, 300),
        }
        assert prepared.valid.shape == prepared.starts.shape == (0,)
        assert {values.dtype for values in prepared.inputs.values()} == {np.dtype(np.float16)}


def test_relative_to_its_base_and_no_longer_than_allowed(clips: list[Path]) -> None:
    prepare = preparation_for(tiny_config(), base=str(clips[0].parent), max_seconds=1.5)
    (outcome,) = prepare(utterances_of(clips[0].name)).outcomes
    assert outcome.error_type is AudioErrorType.TOO_LONG
    prepare = preparation_for(tiny_config(), base=str(clips[0].parent), max_seconds=2.5)
    (outcome,) = prepare(utterances_of(clips[0].name)).outcomes
    assert outcome.error_type is None


def test_travels_pickled(prepare: Preparation, clips: list[Path]) -> None:
    there = pickle.loads(pickle.dumps(prepare))
    ours, theirs = prepare(utterances_of(clips[0])), there(utterances_of(clips[0]))
    for name, values in ours.inputs.items():
        np.testing.assert_array_equal(theirs.inputs[name], values)
