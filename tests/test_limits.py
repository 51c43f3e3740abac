"""A config cannot ask for more memory than any model needs, and model files are read with limits."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from changed_config import changed
from reading import REPOSITORY
from tiny_waveform import save_waveform_encoder

from emoboost.backbone import load_encoder
from emoboost.checkpoint import CONFIG, FROZEN, TRAINED, ModelFolder, bundled_models, find_model, load_network
from emoboost.config import ModelConfig
from emoboost.errors import ModelError
from emoboost.limits import SIZES, parameters, read_whole
from emoboost.model import MsEmoBoost

BUNDLED = json.loads(find_model().config.to_json())
Change = Callable[[dict[str, Any]], object]


def sizes(values: dict[str, Any], *path: str) -> list[tuple[str, ...]]:
    """Where a config has a size."""
    found: list[tuple[str, ...]] = []
    for name, value in values.items():
        if name == "training":
            continue
        if isinstance(value, dict):
            found += sizes(value, *path, name)
        elif isinstance(value, int | list) and not isinstance(value, bool) and name != "classes":
            found.append((*path, name))
    return found


@pytest.mark.parametrize("path", sizes(BUNDLED), ids=".".join)
def test_every_size_has_a_limit(path: tuple[str, ...]) -> None:
    is_list = path[-1] == "layers"
    for value in (SIZES[path[-1]] + 1, 10**30, -1):
        with pytest.raises(ModelError, match=rf"{path[-1]}: {value} is not a whole number|schema_version is"):
            ModelConfig.from_json(changed(BUNDLED, path, [value] if is_list else value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("mfcc_branch", "lstm_hidden"), 8_192, "the parameters are [0-9,]+, the limit is 4,000,000,000"),
        (("backbone", "ffn"), 0, "ffn: 0 is not a whole number from 1 to"),
        (("mfcc", "hop_length"), 0, "hop_length: 0 is not"),
        (("temperature",), float("nan"), "temperature: nan is not a finite number"),
        (("segment", "preemphasis"), float("inf"), "preemphasis: inf is not a finite number"),
        (("classes",), [str(number) for number in range(1_001)], "the classes are 1,001, the limit is 1,000"),
        (("backbone", "layers"), [1] * 1_001, "the layers are 1,001"),
        (("spectrogram_branch", "width"), 8_192 * 2, "width: 16384 is not"),
        (("segment", "samples"), 960_000, "are [0-9,]+, the limit is 268,435,456"),
    ],
)
def test_what_sizes_multiply_to(path: tuple[str, ...], value: object, message: str) -> None:
    values = json.loads(changed(BUNDLED, path, value))
    if path == ("mfcc_branch", "lstm_hidden"):
        values["enhancement"]["guidance_dim"] = 8_192
    if path == ("segment", "samples"):
        values["mfcc"] |= {"hop_length": 1, "n_fft": 16_384}
    with pytest.raises(ModelError, match=message):
        ModelConfig.from_json(json.dumps(values))


def test_parameters_are_those_of_the_network(tiny_model: ModelFolder) -> None:
    for folder in (tiny_model, *map(find_model, bundled_models())):
        with torch.device("meta"):
            network = MsEmoBoost(folder.config)
        real = sum(tensor.numel() for tensor in network.state_dict().values())
        assert real <= parameters(folder.config) <= 1.2 * real + 100_000


@pytest.mark.parametrize(
    ("key", "value"), [("hidden_size", 10**6), ("num_hidden_layers", 10**6), ("conv_dim", [10**6])]
)
def test_an_encoder_of_absurd_size(tmp_path: Path, key: str, value: object) -> None:
    folder = save_waveform_encoder(tmp_path / "encoder", "wav2vec2", "base")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, key: value}))
    with pytest.raises(ModelError, match=r"config\.json"):
        load_encoder(folder)


def test_json_that_nests_without_end(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not JSON"):
        ModelConfig.from_json("[" * 200_000)
    (tmp_path / CONFIG).write_text("[" * 200_000)
    with pytest.raises(ModelError, match="not JSON"):
        load_encoder(tmp_path)


def test_a_config_of_many_bytes(tmp_path: Path) -> None:
    for size in (4 * 2**20 + 1, 2**40):
        with (tmp_path / CONFIG).open("wb") as file:
            file.truncate(size)  # takes no room on the disk
        for work in (find_model, load_encoder):
            with pytest.raises(ModelError, match=rf"config\.json: {size:,} bytes, no such file has more than"):
                work(tmp_path)


def test_weights_of_many_bytes_and_a_pipe(tiny_model: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_bytes((tiny_model.path / CONFIG).read_bytes())
    with (tmp_path / TRAINED).open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(ModelError, match=r"model\.safetensors: 68,719,476,736 bytes"):
        find_model(tmp_path).verify()
    (tmp_path / TRAINED).unlink()
    os.mkfifo(tmp_path / TRAINED)
    with pytest.raises(ModelError, match=r"model\.safetensors: not a file"):
        find_model(tmp_path).verify()


def test_a_file_of_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_whole(tmp_path / "x", 5) == b"12345"
    with pytest.raises(ModelError, match="5 bytes"):
        read_whole(tmp_path / "x", 4)


SMALL_MACHINE = """
import resource, sys
from pathlib import Path
from emoboost.limits import WEIGHT_BYTES, read_whole
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
print(len(read_whole(Path(sys.argv[1]), WEIGHT_BYTES)))
"""


def test_reading_takes_the_memory_of_the_file_and_not_of_the_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(2**20))
    result = subprocess.run(
        [sys.executable, "-c", SMALL_MACHINE, str(tmp_path / "x")], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("1048576\n", "")


# No code comes with data

UNSAFE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|cloudpickle|dill|joblib|shelve|marshal)\b"
    r"|\b(?:pickle|cloudpickle|dill|joblib|marshal)\.loads?\("
    r"|trust_remote_code\s*=\s*True|weights_only\s*=\s*False|allow_pickle\s*=\s*True"
    r"|torch\.load\((?![^\n]*weights_only=True)"
    r"|np\.load\((?![^\n]*allow_pickle=False)"
    r"|\byaml\.(?:load|unsafe_load|full_load)\(|(?<![\w.])(?:eval|exec)\(|\bpd\.read_pickle\(|\bAuto(?:Model|Config)\.from_(?!pretrained\(\.\.\.\))",
    re.MULTILINE,
)


def test_the_source_reads_nothing_that_may_hold_code() -> None:
    files = [file for folder in ("emoboost", "jobs", "cluster") for file in (REPOSITORY / folder).rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.relative_to(REPOSITORY)}: {match[0].strip()}"
        for file in files
        for match in UNSAFE.finditer(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        *("import pickle", "from pickle import loads", "  import dill as d", "pickle.loads(x)", "torch.load(file)"),
        *("torch.load(file, weights_only=False)", "trust_remote_code = True", "np.load(file)", "yaml.load(text)"),
        *("np.load(file, allow_pickle=True)", "eval(text)", "exec(text)", "pd.read_pickle(file)"),
        "AutoModel.from_pretrained(folder)",
    ],
)
def test_the_search_finds(line: str) -> None:
    assert UNSAFE.search(f"x = 1\n{line}\n")


@pytest.mark.parametrize(
    "line",
    ["torch.load(file, weights_only=True)", "np.load(file, allow_pickle=False)", "yaml.safe_load(x)", "model.eval()"],
)
def test_the_search_passes(line: str) -> None:
    assert not UNSAFE.search(f"x = 1\n{line}\n")


@pytest.mark.parametrize("length", [2**63, 2**40, 10**8 + 1, 200_000_000])
def test_a_safetensors_header_of_absurd_size(tiny_model: ModelFolder, tmp_path: Path, length: int) -> None:
    """The first 8 bytes say how long the header is; the library refuses more than 100 MB, and more than there is."""
    weights = length.to_bytes(8, "little") + b"{}" + b" " * 100
    (tmp_path / TRAINED).write_bytes(weights)
    (tmp_path / FROZEN).write_bytes((tiny_model.path / FROZEN).read_bytes())
    values = json.loads((tiny_model.path / CONFIG).read_text())
    values["weights"][TRAINED] = hashlib.sha256(weights).hexdigest()
    (tmp_path / CONFIG).write_text(json.dumps(values))
    folder = find_model(tmp_path)
    folder.verify()
    with pytest.raises(ModelError, match=r"model\.safetensors: not a safetensors file \(.*[Hh]eader"):
        load_network(folder)
    encoder = save_waveform_encoder(tmp_path / "encoder", "wav2vec2", "base")
    (encoder / TRAINED).write_bytes(weights)
    with pytest.raises(ModelError, match=r"model\.safetensors: not a complete safetensors file"):
        load_encoder(encoder)
