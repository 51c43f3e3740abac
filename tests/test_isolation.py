"""One recording at a time in a process of its own: the one at fault gets the error, all others are read as ever."""

import ctypes
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emoboost.access import Access
from emoboost.child import Child
from emoboost.config import ModelConfig
from emoboost.decoder import Decoder
from emoboost.errors import AudioErrorType, StorageStop
from emoboost.isolation import HEADERS, durations, prepared_alone, read_durations
from emoboost.predict import EmotionModel, preparation_for
from emoboost.prepare import Preparation, Prepared, regrouped
from emoboost.utterance import Utterance


@pytest.fixture
def child() -> Iterator[Child]:
    with Child(20) as child:
        yield child


class Poisoned(Preparation):
    """Reads as ever, but for recordings whose name says how they end the process."""

    def __call__(self, utterances, *args, **kwargs) -> Prepared:  # type: ignore[no-untyped-def]
        for utterance in utterances:
            if "crash" in utterance.uri:
                ctypes.string_at(0)
            if "hang" in utterance.uri:
                ctypes.PyDLL(None).sleep(60)
            if "greedy" in utterance.uri:
                bytearray(2**50)
            if "wrong" in utterance.uri:
                raise KeyError("nobody foresaw this")
            if "store" in utterance.uri:
                raise StorageStop("s3://b", "the token has expired", "renew it")
        return super().__call__(utterances, *args, **kwargs)


@pytest.fixture
def poisoned(bundled: EmotionModel) -> Poisoned:
    plain = preparation_for(bundled.config)
    return Poisoned(plain.segments, plain.extractor, plain.base, plain.max_seconds, Access(max_decode_seconds=3))


def same(one: Prepared, other: Prepared) -> bool:
    arrays = all(np.array_equal(one.inputs[name], other.inputs[name]) for name in other.inputs)
    return one.outcomes == other.outcomes and arrays and np.array_equal(one.valid, other.valid)


class TestPreparedAlone:
    def test_equals_reading_in_this_process(self, child: Child, bundled: EmotionModel, clips: list[Path]) -> None:
        prepare = preparation_for(bundled.config)
        for clip in clips[:3]:
            utterance = Utterance(clip.stem, str(clip))
            assert same(prepared_alone(prepare, utterance, child), prepare([utterance]))

    @pytest.mark.parametrize(
        ("name", "error_type", "words"),
        [
            ("crash", AudioErrorType.DECODER_CRASH, "ended the decoder's process (signal SIGSEGV)"),
            ("hang", AudioErrorType.TIMEOUT, "took longer than 3 s"),
            ("greedy", AudioErrorType.OUT_OF_MEMORY, "more memory than a worker may have"),
            ("wrong", AudioErrorType.INTERNAL, "KeyError: 'nobody foresaw this'"),
        ],
    )
    def test_the_one_at_fault_gets_the_error(
        self, poisoned: Poisoned, clips: list[Path], name: str, error_type: AudioErrorType, words: str
    ) -> None:
        good = Utterance("good", str(clips[0]))
        with Child(3) as child:
            (outcome,) = prepared_alone(poisoned, Utterance("bad", f"{name}.wav"), child).outcomes
            assert (outcome.error_type, outcome.n_segments) == (error_type, 0)
            assert outcome.error_message is not None
            assert outcome.error_message.startswith(f"{name}.wav: ")
            assert words in outcome.error_message
            assert same(prepared_alone(poisoned, good, child), poisoned([good]))

    def test_a_wrong_set_up_is_no_fault_of_the_recording(self, poisoned: Poisoned, child: Child) -> None:
        with pytest.raises(StorageStop, match="expired"):
            prepared_alone(poisoned, Utterance("x", "store.wav"), child)


def crashing_headers(locations: list[str], access: Access) -> list[float | None]:
    real = Decoder.__init__

    def init(self: Decoder, location: str, *rest: object) -> None:
        if "crash" in location:
            ctypes.string_at(0)
        real(self, location, *rest)  # type: ignore[arg-type]

    Decoder.__init__ = init  # type: ignore[method-assign]
    return read_durations(locations, access)


class TestDurations:
    def test_of_recordings_and_what_is_none(self, child: Child, clips: list[Path], tmp_path: Path) -> None:
        locations = [str(clips[0]), str(tmp_path / "missing.wav"), "s3://bucket/a.wav", __file__]
        assert durations(locations, Access(), child) == [2.0, None, None, None]

    def test_more_than_one_call(self, child: Child, clips: list[Path]) -> None:
        assert durations([str(clips[0])] * (HEADERS + 1), Access(), child) == [2.0] * (HEADERS + 1)

    def test_a_header_that_ends_the_process_has_no_length(
        self, child: Child, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("emoboost.isolation.read_durations", crashing_headers)
        locations = [str(shutil.copy(clips[0], tmp_path / f"{name}.flac")) for name in ("a", "crash", "b", "c")]
        assert durations(locations, Access(), child) == [2.0, None, 2.0, 2.0]


class TestPieces:
    """A shard in pieces gives the bits of the whole."""

    @pytest.mark.parametrize("size", [1, 3, 16])
    def test_regrouped(self, bundled: EmotionModel, clips: list[Path], size: int) -> None:
        prepare = preparation_for(bundled.config)
        utterances = [Utterance(clip.stem, str(clip)) for clip in clips[:5]]
        utterances.insert(2, Utterance("missing", "missing.wav"))
        whole = prepare(utterances)
        groups = list(regrouped(map(prepare, [[utterance] for utterance in utterances]), size))
        assert [len(valid) for _, valid in groups[:-1]] == [size] * (len(groups) - 1)
        assert np.array_equal(np.concatenate([valid for _, valid in groups]), whole.valid)
        for name, values in whole.inputs.items():
            assert np.array_equal(np.concatenate([inputs[name] for inputs, _ in groups]), values)

    def test_probabilities(self, bundled: EmotionModel, clips: list[Path]) -> None:
        prepare = preparation_for(bundled.config)
        utterances = [Utterance(clip.stem, str(clip)) for clip in [*clips, *clips[:4]]]
        whole = prepare(utterances)
        for vectors in (False, True):
            labelled = bundled.labelled(map(prepare, [[each] for each in utterances]), vectors=vectors)
            assert labelled.outcomes == whole.outcomes
            assert np.array_equal(labelled.probabilities, bundled.utterance_probabilities(whole))

    def test_no_piece(self, bundled: EmotionModel) -> None:
        labelled = bundled.labelled([], vectors=True)
        assert (labelled.outcomes, labelled.probabilities.shape) == ((), (0, len(bundled.classes)))


def test_too_many_segments(bundled: EmotionModel, clips: list[Path]) -> None:
    config: ModelConfig = bundled.config
    with pytest.raises(MemoryError, match="more than 2 segments"):
        preparation_for(config)([Utterance(clip.stem, str(clip)) for clip in clips[:5]], most_segments=2)
