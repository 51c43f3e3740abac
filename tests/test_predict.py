"""One label for one utterance, whatever else is in the batch; and the examples in the documentation."""

import csv
import doctest
import importlib
import pkgutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import fsspec
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import CLIP, REPOSITORY

import emoboost
import jobs
from emoboost.checkpoint import ModelFolder
from emoboost.errors import AudioErrorType, ModelError
from emoboost.predict import EmotionModel, load_model, mean_of_segments, preparation_for
from emoboost.prepare import Preparation, Prepared
from emoboost.schema import Outcome
from emoboost.utterance import Utterance
from jobs.predict import to_dict, write_csv

TOLERANCE = 1e-5
MISSING = "no-such-file.wav"


def utterances_of(files: list[Path]) -> list[Utterance]:
    return [Utterance(str(number), str(file)) for number, file in enumerate(files)]


def soft_maximum(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def prepare(bundled: EmotionModel) -> Preparation:
    return preparation_for(bundled.config)


@pytest.fixture(scope="module")
def alone(bundled: EmotionModel, prepare: Preparation, clips: list[Path]) -> dict[Path, np.ndarray]:
    """Each clip's probabilities when it is the only one, one segment a pass."""
    found = {}
    for clip in clips:
        prepared = prepare(utterances_of([clip]))
        segments = bundled.segment_probabilities(prepared.inputs, prepared.valid, sub_batch=1)
        found[clip] = mean_of_segments(segments, prepared.outcomes)[0]
    return found


class TestBatchInvariance:
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_any_company_order_sub_batch_and_shards(
        self,
        bundled: EmotionModel,
        prepare: Preparation,
        alone: dict[Path, np.ndarray],
        clips: list[Path],
        data: st.DataObject,
    ) -> None:
        """Subsets in any order, with a broken file among them, cut into shards, in passes of any size."""
        chosen = data.draw(st.lists(st.sampled_from(clips), min_size=1, max_size=5, unique=True), label="utterances")
        sub_batch = data.draw(st.integers(1, 12), label="sub_batch")
        broken_at = data.draw(st.none() | st.integers(0, len(chosen)), label="broken file at")
        cut = data.draw(st.integers(0, len(chosen)), label="first shard")
        files = list(chosen)
        if broken_at is not None:
            files.insert(broken_at, Path(MISSING))
        found: dict[Path, np.ndarray] = {}
        for shard in (files[:cut], files[cut:]):
            prepared = prepare(utterances_of(shard))
            segments = bundled.segment_probabilities(prepared.inputs, prepared.valid, sub_batch)
            found |= dict(zip(shard, mean_of_segments(segments, prepared.outcomes), strict=True))
        for clip in chosen:
            np.testing.assert_allclose(found[clip], alone[clip], rtol=0, atol=TOLERANCE, err_msg=clip.name)
        if broken_at is not None:
            assert not found[Path(MISSING)].any()

    def test_predict_equals_the_batch(
        self, bundled: EmotionModel, prepare: Preparation, alone: dict[Path, np.ndarray], clips: list[Path]
    ) -> None:
        """`predict` on single files and `annotate`'s path over all of them."""
        together = bundled.utterance_probabilities(prepare(utterances_of(clips)))
        np.testing.assert_allclose(together, [alone[clip] for clip in clips], rtol=0, atol=TOLERANCE)
        for clip, row in list(zip(clips, together, strict=True))[7:12]:
            prediction = bundled.predict(clip)
            assert tuple(prediction.probabilities) == bundled.classes
            np.testing.assert_allclose(list(prediction.probabilities.values()), row, rtol=0, atol=TOLERANCE)
            assert prediction.label == bundled.classes[int(row.argmax())]

    def test_a_loud_neighbour_and_silence_change_nothing(
        self, bundled: EmotionModel, prepare: Preparation, clips: list[Path], tmp_path: Path
    ) -> None:
        quiet, silence = tmp_path / "quiet.wav", tmp_path / "silence.wav"
        samples, rate = soundfile.read(clips[0], dtype="float32")
        soundfile.write(quiet, samples * 1e-3, rate, subtype="FLOAT")
        soundfile.write(silence, np.zeros(48_000), rate)
        together = bundled.utterance_probabilities(prepare(utterances_of([clips[3], quiet, silence])))
        apart = [bundled.utterance_probabilities(prepare(utterances_of([file])))[0] for file in (quiet, silence)]
        np.testing.assert_allclose(together[1:], apart, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(together.sum(axis=1), 1, rtol=0, atol=TOLERANCE)

    def test_the_number_of_threads(
        self, bundled: EmotionModel, prepare: Preparation, alone: dict[Path, np.ndarray], clips: list[Path]
    ) -> None:
        """`predict` uses all cores, a worker of `annotate` one; tests run with one."""
        threads = torch.get_num_threads()
        torch.set_num_threads(threads + 1)
        try:
            found = bundled.utterance_probabilities(prepare(utterances_of(clips[8:10])))
        finally:
            torch.set_num_threads(threads)
        np.testing.assert_allclose(found, [alone[clip] for clip in clips[8:10]], rtol=0, atol=TOLERANCE)

    def test_the_same_bits_twice(self, bundled: EmotionModel, prepare: Preparation, clips: list[Path]) -> None:
        first, second = (bundled.utterance_probabilities(prepare(utterances_of(clips[8:10]))) for _ in range(2))
        assert first.tobytes() == second.tobytes()


class TestProbabilities:
    def test_softmax_of_the_networks_logits_over_the_temperature(
        self, bundled: EmotionModel, prepare: Preparation, clips: list[Path]
    ) -> None:
        prepared = prepare(utterances_of([clips[9]]))
        with torch.inference_mode():
            inputs = {name: torch.from_numpy(values).float() for name, values in prepared.inputs.items()}
            logits = bundled.network(inputs, torch.from_numpy(prepared.valid)).logits.double().numpy()
        found = bundled.segment_probabilities(prepared.inputs, prepared.valid)
        assert found.dtype == np.float32
        expected = soft_maximum(logits / bundled.config.temperature)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
        assert np.abs(found - soft_maximum(logits)).max() > 1e-3  # the temperature is not 1

    def test_no_segment_at_all(self, bundled: EmotionModel, prepare: Preparation) -> None:
        prepared = prepare(utterances_of([Path(MISSING)]))
        assert bundled.segment_probabilities(prepared.inputs, prepared.valid).shape == (0, 7)
        np.testing.assert_array_equal(bundled.utterance_probabilities(prepared), np.zeros((1, 7), np.float32))

    def test_read_only_inputs(self, bundled: EmotionModel, prepare: Preparation, clips: list[Path]) -> None:
        """As they come from a store of shared memory."""
        prepared = prepare(utterances_of([clips[0]]))
        for values in (*prepared.inputs.values(), prepared.valid):
            values.flags.writeable = False
        assert bundled.segment_probabilities(prepared.inputs, prepared.valid).shape == (1, 7)


def test_an_utterance_is_the_mean_of_its_segments() -> None:
    segments = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], np.float32)
    found = mean_of_segments(segments, [Outcome(n_segments=count) for count in (2, 0, 1)])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0.375, 0.625], [0, 0], [1, 0]])


class TestPredict:
    @pytest.mark.parametrize(
        ("tail", "expected"),
        [
            ("pad", {7.5: (0, 3, 6), 6.4: (0, 3), 6.5: (0, 3, 6), 0.2: (0,)}),
            ("align", {7.5: (0, 3, 4.5), 6.4: (0, 3, 3.4), 6.5: (0, 3, 3.5), 0.2: (0,)}),
        ],
    )
    def test_a_tail_of_several_segments(
        self,
        bundled: EmotionModel,
        tiny_model: ModelFolder,
        clips: list[Path],
        tmp_path: Path,
        tail: str,
        expected: dict[float, tuple[float, ...]],
    ) -> None:
        """Padded, 7.5 s are 3 + 3 + 1.5 s; of 6.4 s the last 0.4 s are dropped, of 6.5 s they are kept. Aligned, the
        last segment ends where the recording does."""
        model = bundled if tail == "align" else load_model(str(tiny_model.path))
        assert model.config.segment.tail == tail
        speech = np.concatenate([soundfile.read(clip, dtype="float32")[0] for clip in clips[8:13]])
        for seconds, starts in expected.items():
            file = tmp_path / f"{seconds}.wav"
            soundfile.write(file, speech[: int(seconds * 16_000)], 16_000)
            prediction = model.predict(file)
            assert prediction.segment_starts == starts
            assert prediction.duration == seconds
            assert len(prediction.segments) == len(starts)
            for name, mean in prediction.probabilities.items():
                each = [segment[name] for segment in prediction.segments]
                assert mean == pytest.approx(sum(each) / len(each), abs=1e-6)
            assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.__getitem__)
            assert prediction.confidence == max(prediction.probabilities.values())

    def test_a_span_is_the_span_written_to_a_file(
        self, bundled: EmotionModel, clips: list[Path], tmp_path: Path
    ) -> None:
        samples, rate = soundfile.read(clips[9], dtype="int16")
        soundfile.write(tmp_path / "span.wav", samples[rate // 2 : 2 * rate], rate)
        span = bundled.predict(clips[9], start=0.5, end=2.0)
        assert span.probabilities == bundled.predict(tmp_path / "span.wav").probabilities
        assert span.duration == 1.5

    def test_a_channel(self, bundled: EmotionModel, clips: list[Path], tmp_path: Path) -> None:
        left, right = (soundfile.read(clip, dtype="int16")[0][:30_000] for clip in clips[:2])
        soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16_000)
        soundfile.write(tmp_path / "right.wav", right, 16_000)
        chosen = bundled.predict(tmp_path / "two.wav", channel=1)
        assert chosen.probabilities == bundled.predict(tmp_path / "right.wav").probabilities
        assert chosen.probabilities != bundled.predict(tmp_path / "two.wav").probabilities

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"max_seconds": 1.0}, AudioErrorType.TOO_LONG),
            ({"channel": 3}, AudioErrorType.NO_CHANNEL),
            ({"start": 1_000.0}, AudioErrorType.OUTSIDE_FILE),
        ],
    )
    def test_what_cannot_be_read_says_why(
        self, bundled: EmotionModel, clips: list[Path], options: dict[str, float], error: AudioErrorType
    ) -> None:
        prediction = bundled.predict(clips[0], **options)
        assert (prediction.label, prediction.confidence, prediction.probabilities) == (None, None, {})
        assert prediction.error_type is error
        assert str(clips[0]) in str(prediction.error_message)

    def test_the_clips_it_was_trained_on(self, bundled: EmotionModel, clips: list[Path]) -> None:
        """A golden value: all but one of the example's EMO-DB clips; the seventh letter but one is the emotion."""
        letters = dict(zip("WLEAFNT", bundled.classes, strict=True))
        predicted = {clip.stem: bundled.predict(clip).label for clip in clips[:7]}
        assert predicted == {name: letters[name[5]] for name in predicted}


class TestLoadModel:
    def test_by_folder(self, tiny_model: ModelFolder, clips: list[Path]) -> None:
        model = load_model(tiny_model.path)
        assert (model.identity, model.classes) == (tiny_model.identity, tiny_model.config.classes)
        assert model.predict(clips[0]).label in model.classes

    def test_options(self, tiny_model: ModelFolder, clips: list[Path]) -> None:
        exact, half = load_model(tiny_model.path), load_model(tiny_model.path, precision="bf16")
        first, second = (list(model.predict(clips[9]).probabilities.values()) for model in (exact, half))
        assert first != second
        np.testing.assert_allclose(first, second, rtol=0, atol=0.1)

    def test_needs_no_import_that_takes_seconds(self) -> None:
        """Every network worker loads a model: transformers, torchvision and torch's compiler would double its start."""
        program = """
import sys
from emoboost.predict import load_model
load_model()
print(*sorted({"transformers", "torchvision", "torch._dynamo", "librosa", "pandas"} & sys.modules.keys()))
"""
        result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        assert result.stdout.split() == []

    def test_unknown(self) -> None:
        with pytest.raises(ModelError, match="nothing: no such model"):
            load_model("nothing")

    def test_from_the_package(self) -> None:
        assert emoboost.load_model is load_model
        assert emoboost.EmotionModel is EmotionModel
        with pytest.raises(AttributeError, match="module 'emoboost' has no attribute 'nothing'"):
            emoboost.nothing  # noqa: B018


def modules_of(package: ModuleType) -> list[str]:
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(module.name for module in found)]


@pytest.mark.parametrize("name", modules_of(emoboost) + modules_of(jobs))
def test_the_documentations_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module imports by itself, and every example in its docstrings gives what it says."""
    monkeypatch.chdir(REPOSITORY)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    if name in {"emoboost", "emoboost.predict", "emoboost.segment", "jobs.planning"}:
        assert result.attempted > 0


def test_prepared_inputs_have_the_documented_shapes(prepare: Preparation, clips: list[Path]) -> None:
    prepared: Prepared = prepare(utterances_of(clips[8:10]))
    shapes = {name: values.shape for name, values in prepared.inputs.items()}
    count = len(prepared.valid)
    assert shapes == {"mfcc": (count, 300, 40), "spectrogram": (count, 300, 200), "log_mel": (count, 80, 300)}
    assert {values.dtype for values in prepared.inputs.values()} == {np.dtype(np.float16)}


def test_a_secret_in_what_was_typed_is_not_given_back(tiny_model: ModelFolder, tmp_path: Path) -> None:
    model = load_model(tiny_model.path)
    place = "memory://me:pa55word@store/=1.flac"
    fsspec.filesystem("memory").pipe_file(place, CLIP.read_bytes())
    found, missing = model.predict(place), model.predict(place.replace("=1", "none"))
    assert found.label in model.classes
    assert found.uri == "memory://REDACTED@store/=1.flac"
    assert missing.error_type == "not_found"
    write_csv([found, missing, replace(found, uri="=1+1.flac", label=None, error_message="@x")], model, tmp_path / "c")
    shown = f"{found} {missing} {to_dict(found, model)} {to_dict(missing, model)} {(tmp_path / 'c').read_text()}"
    assert "pa55word" not in shown
    with (tmp_path / "c").open(newline="", encoding="utf-8") as file:
        row = list(csv.DictReader(file))[2]
    assert (row["uri"], row["error_message"]) == ("'=1+1.flac", "'@x")
