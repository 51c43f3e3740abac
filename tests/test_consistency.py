"""A model folder works, or is refused with a message for people, before memory is taken; nothing else."""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from changed_config import changed
from reading import CLIP
from tiny_model import save_tiny_model
from tiny_waveform import save_waveform_encoder

from emoboost.backbone import load_encoder
from emoboost.checkpoint import CARD, CONFIG, TRAINED, TRAINING_AUDIO, ModelFolder, find_model, load_network
from emoboost.config import ModelConfig
from emoboost.errors import ModelError
from emoboost.predict import load_model
from jobs.model import show_command

Values = dict[str, Any]


def numbers_in(values: Values, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and name not in ("training", "weights"):
            yield from numbers_in(value, *path, name)
        elif isinstance(value, int | float | list) and not isinstance(value, bool):
            yield (*path, name), value


@pytest.fixture(scope="module", params=["whisper", "wav2vec2", "hubert", "wavlm"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model on each kind of encoder."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "whisper":
        return save_tiny_model(folder / "model")
    encoder = save_waveform_encoder(folder / "encoder", request.param, "base")
    return save_tiny_model(folder / "model", encoder=load_encoder(encoder, [1, 2]))


def with_config(folder: ModelFolder, text: str, target: Path) -> Path:
    shutil.copytree(folder.path, target, dirs_exist_ok=True)
    (target / CONFIG).write_text(text, encoding="utf-8")
    return target


def test_a_number_that_was_changed_is_refused_or_works(family: ModelFolder, tmp_path: Path) -> None:
    values = json.loads(family.config.to_json())
    refused = worked = 0
    for path, value in numbers_in(values):
        if path[0] != "backbone" and family.config.backbone.family != "whisper":
            continue  # the rest is alike
        sizes = [1, 7, 300, 4_096] if not isinstance(value, float) else [-1.0, 0.0, 5.0, 1e-30]
        for other in ([[each] for each in sizes] + [[]]) if isinstance(value, list) else sizes:
            try:
                model = load_model(with_config(family, changed(values, path, other), tmp_path / "model"))
            except ModelError:
                refused += 1
                continue
            prediction = model.predict(CLIP)
            assert prediction.label in model.classes, (path, other, prediction.error_message)
            assert math.isclose(sum(prediction.probabilities.values()), 1, abs_tol=1e-4), (path, other)
            worked += 1
    assert refused > 20
    assert worked > 2


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("backbone", "heads"), 7, "backbone: heads: 7 must be a divisor of the width, 32"),
        (("backbone", "layers"), [], r"backbone: layers: \[\] must be at least one, each from 0 to full_layers, 3"),
        (("backbone", "layers"), [4], r"backbone: layers: \[4\] must be at least one"),
        (("mfcc_branch", "lstm_dropout"), 5, "mfcc_branch: lstm_dropout: 5.0 must be from 0 to 1"),
        (("enhancement", "guidance_dropout"), -0.1, "enhancement: guidance_dropout: -0.1 must be from 0 to 1"),
        (("mfcc", "hop_length"), 16_384, "mfcc: frames: 300 must be at most 3, which a segment of 48000 samples gives"),
        (("backbone", "log_mel", "hop_length"), 16_384, "backbone: log_mel: frames: 300 must be at most 3"),
        (("spectrogram_branch", "height"), 1, "spectrogram_branch: height: 1 must be at least 63"),
        (("temperature",), 0, "temperature: 0.0 must be from 0.001 to 1000"),
        (("temperature",), -1, "temperature: -1.0 must be from"),
        (("mfcc_branch", "frame_pool"), 7, "mfcc_branch: frame_pool: 7 must be a divisor of the frames of mfcc, 300"),
        (("spectrogram", "win_length"), 801, "spectrogram: win_length: 801 must be at most n_fft, 800"),
        (("classes",), ["anger", "anger"], "classes: .* must be different names"),
        (("classes",), [], "classes: .* must be different names, at least one"),
    ],
)
def test_messages(tiny_model: ModelFolder, path: tuple[str, ...], value: object, message: str) -> None:
    text = changed(json.loads(tiny_model.config.to_json()), path, value)
    with pytest.raises(ModelError, match=rf"^m/config\.json: {message}.*; copy the model folder again$"):
        ModelConfig.from_json(text, "m/config.json")


SMALL_MACHINE = """
import sys
from emoboost.checkpoint import find_model, load_network
from emoboost.errors import ModelError
from emoboost.model import MsEmoBoost
import resource, transformers.models.whisper.modeling_whisper
folder = find_model(sys.argv[1])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
try:
    load_network(folder)
except ModelError as error:
    print(error)
"""


def test_a_config_that_exaggerates(tiny_model: ModelFolder, tmp_path: Path) -> None:
    """Its sizes are those of some model, and would take 6 GB; they are compared with the weights' own first."""
    text = changed(json.loads(tiny_model.config.to_json()), ("mfcc_branch", "lstm_hidden"), 8_192)
    folder = with_config(tiny_model, text, tmp_path / "model")
    result = subprocess.run(
        [sys.executable, "-c", SMALL_MACHINE, str(folder)], capture_output=True, text=True, check=False
    )
    assert "the config asks for" in result.stdout, result.stderr


def test_weights_larger_than_the_config_can_use(tiny_model: ModelFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "model"))
    with (folder / TRAINED).open("wb") as file:
        file.truncate(2**33)  # takes no room on the disk
    with pytest.raises(ModelError, match=r"model\.safetensors: 8,589,934,592 bytes, no such file has more than"):
        load_network(find_model(folder))


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "not a file"),
        (lambda file: file.symlink_to("/dev/zero"), "not a file"),
        (lambda file: file.mkdir(), "not a file"),
        (lambda file: file.write_bytes(b"\xff\xfe\0"), "is not UTF-8"),
        (lambda file: file.write_bytes(b"\xed\xa0\x80"), "is not UTF-8"),
        (lambda file: os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 2**40), "bytes, no such file has more than"),
    ],
    ids=["pipe", "device", "folder", "binary", "surrogate", "huge"],
)
def test_a_card_that_is_none(
    tiny_model: ModelFolder, tmp_path: Path, make: Callable[[Path], object], message: str, as_json: bool
) -> None:
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "model"))
    for name in (CARD, TRAINING_AUDIO):
        (folder / name).unlink(missing_ok=True)
        make(folder / name)
    begin = time.monotonic()
    with pytest.raises(ModelError, match=rf"README\.md: .*{message}"):
        show_command(str(folder), as_json=as_json)
    with pytest.raises(ModelError, match=rf"training_audio\.txt: .*{message}"):
        _ = find_model(folder).training_audio
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("depth", [51, 900, 200_000])
def test_json_that_nests_deeply(tiny_model: ModelFolder, tmp_path: Path, depth: int) -> None:
    text = tiny_model.config.to_json().replace('"training": {', f'"training": {{"x": {"[" * depth}{"]" * depth},')
    folder = with_config(tiny_model, text, tmp_path / "model")
    with pytest.raises(ModelError, match=r"config\.json: not JSON \(nested deeper than 50\)"):
        show_command(str(folder), as_json=True)


@pytest.mark.parametrize("key", ["name", "training"])
def test_half_a_character(tiny_model: ModelFolder, tmp_path: Path, key: str) -> None:
    values = json.loads(tiny_model.config.to_json())
    values[key] = "\ud800" if key == "name" else {"summary": "\ud800"}
    folder = with_config(tiny_model, json.dumps(values), tmp_path / "model")
    with pytest.raises(ModelError, match=r"config\.json: not JSON \(.*surrogates not allowed\)"):
        show_command(str(folder), as_json=False)


def test_a_message_is_no_longer_than_a_line(tiny_model: ModelFolder) -> None:
    text = changed(json.loads(tiny_model.config.to_json()), ("mfcc", "n_fft"), "x" * 1_000_000)
    with pytest.raises(ModelError) as caught:
        ModelConfig.from_json(text)
    assert len(str(caught.value)) < 200
