"""A model folder is loaded whole and unchanged, or refused with a reason."""

import dataclasses
import hashlib
import json
import pickle
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from tiny_model import save_tiny_model, tiny_config
from torch import Tensor

from emoboost.checkpoint import (
    CARD,
    CONFIG,
    FROZEN,
    TRAINED,
    TRAINING_AUDIO,
    ModelFolder,
    bundled_models,
    find_model,
    load_frozen,
    load_network,
    save_model,
)
from emoboost.defaults import DEFAULT_MODEL
from emoboost.errors import ModelError
from emoboost.model import MsEmoBoost
from emoboost.variants import ALONE, VARIANTS


@pytest.fixture
def folder(tiny_model: ModelFolder, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_model.path, tmp_path / "model"))


def load(folder: Path) -> MsEmoBoost:
    return load_network(find_model(folder))


def write_consistently(folder: Path, name: str, content: bytes) -> None:
    """Replace a weight file and its hash, as somebody would who wants it to be loaded."""
    (folder / name).write_bytes(content)
    values = json.loads((folder / CONFIG).read_text())
    values["weights"][name] = hashlib.sha256(content).hexdigest()
    (folder / CONFIG).write_text(json.dumps(values))


def change_config(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    values = json.loads((folder / CONFIG).read_text())
    change(values)
    (folder / CONFIG).write_text(json.dumps(values))


class TestRoundTrip:
    @pytest.mark.parametrize(
        "changes", [{}, {"mfcc_branch": None}, {"spectrogram_branch": None, "mfcc_branch": None}], ids=str
    )
    def test_every_bit_comes_back(self, tmp_path: Path, changes: Mapping[str, None]) -> None:
        torch.manual_seed(1)
        network = MsEmoBoost(tiny_config(**changes))
        saved = save_model(tmp_path, network.config, network.head.state_dict(), network.frozen.state_dict())
        found = find_model(tmp_path)
        assert found == saved
        assert dataclasses.replace(found.config, weights={}) == network.config
        loaded = load_network(found)
        assert not loaded.training
        assert loaded.state_dict().keys() == network.state_dict().keys()
        for name, tensor in loaded.state_dict().items():
            assert torch.equal(tensor, network.state_dict()[name]), name

    def test_half_precision_weights_become_float32(self, tmp_path: Path) -> None:
        network = MsEmoBoost(tiny_config())
        half = {name: tensor.half() for name, tensor in network.frozen.state_dict().items()}
        loaded = load_network(save_model(tmp_path, network.config, network.head.state_dict(), half))
        for name, tensor in loaded.frozen.state_dict().items():
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, half[name].float())

    def test_same_content_same_bytes(self, tmp_path: Path) -> None:
        first, second = (save_tiny_model(tmp_path / name, seed=4) for name in "ab")
        assert first.identity == second.identity
        for name in (CONFIG, TRAINED, FROZEN):
            assert (first.path / name).read_bytes() == (second.path / name).read_bytes()

    def test_config_is_written_last(self, tmp_path: Path) -> None:
        network = MsEmoBoost(tiny_config())
        (tmp_path / FROZEN).mkdir()
        with pytest.raises(IsADirectoryError):
            save_model(tmp_path, network.config, network.head.state_dict(), network.frozen.state_dict())
        assert not (tmp_path / CONFIG).exists()

    def test_card_and_size(self, folder: Path) -> None:
        assert find_model(folder).card == ""
        (folder / CARD).write_text("# Modell für Übungen\n", encoding="utf-8")
        found = find_model(folder)
        assert found.card == "# Modell für Übungen\n"
        assert found.size == sum((folder / name).stat().st_size for name in (CONFIG, TRAINED, FROZEN, CARD))


class TestIdentity:
    def test_verify(self, folder: Path, tiny_model: ModelFolder) -> None:
        tiny_model.verify()
        for name in (TRAINED, FROZEN):
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content + b"x")
            with pytest.raises(ModelError, match=rf"{name}: SHA-256 is .* changed or damaged"):
                find_model(folder).verify()
            (folder / name).unlink()
            with pytest.raises(ModelError, match=f"{name}: cannot be read"):
                find_model(folder).verify()
            (folder / name).write_bytes(content)

    def test_name_and_12_digits_over_config_and_weights(self, tiny_model: ModelFolder) -> None:
        text = (tiny_model.path / CONFIG).read_bytes()
        assert tiny_model.identity == f"tiny@{hashlib.sha256(text).hexdigest()[:12]}"
        for name, digest in json.loads(text)["weights"].items():
            assert digest == hashlib.sha256((tiny_model.path / name).read_bytes()).hexdigest()

    def test_bundled_models_keep_theirs(self) -> None:
        """A release that knows more keys still writes the text that it reads, byte for byte."""
        for name in bundled_models():
            folder = find_model(name)
            text = (folder.path / CONFIG).read_bytes()
            assert folder.config.to_json().encode() == text
            assert folder.identity == f"{name}@{hashlib.sha256(text).hexdigest()[:12]}"
        identities = [find_model(name).identity for name in bundled_models()]
        assert identities == ["whisper-base-emodb@bc7d478adea1", "whisper-base-emodb-encoder@19becc69360b"]

    @pytest.mark.parametrize("file", [TRAINED, FROZEN])
    def test_one_weight_bit(self, tiny_model: ModelFolder, tmp_path: Path, file: str) -> None:
        tensors = {name: load_file(tiny_model.path / name) for name in (TRAINED, FROZEN)}
        changed = next(iter(sorted(tensors[file])))
        flat = tensors[file][changed].flatten().contiguous()
        (bits,) = struct.unpack("<I", flat[:1].numpy().tobytes())
        flat[0] = torch.frombuffer(bytearray(struct.pack("<I", bits ^ 1)), dtype=torch.float32)[0]
        tensors[file][changed] = flat.view_as(tensors[file][changed])
        other = save_model(tmp_path, tiny_model.config, tensors[TRAINED], tensors[FROZEN])
        assert other.identity != tiny_model.identity
        assert other.identity.startswith("tiny@")

    @pytest.mark.parametrize(
        "change",
        [
            {"temperature": 1.0000001},
            {"classes": ("anger", "happiness", "sadness", "neutral")},
            {"training": {"summary": "random weights."}},
            {"name": "tinier"},
            {"bias": (0.0, 0.0, 0.0, 1e-7)},
            {"calibrated_on": "calls"},
        ],
        ids=str,
    )
    def test_one_config_value(self, tiny_model: ModelFolder, change: Mapping[str, object]) -> None:
        changed = dataclasses.replace(tiny_model.config, **change)
        assert ModelFolder(tiny_model.path, changed).identity != tiny_model.identity


class TestSharedEncoders:
    """Two bundled models on the same frozen encoders: the package holds them once."""

    @pytest.fixture
    def alone(self, tiny_model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
        """The encoder alone of `tiny_model`, without its own copy of the frozen weights."""
        monkeypatch.setattr("emoboost.checkpoint.BUNDLED", tmp_path)
        shutil.copytree(tiny_model.path, tmp_path / "tiny")
        config = VARIANTS[ALONE].change(dataclasses.replace(tiny_model.config, name="alone"))
        head = MsEmoBoost(config).head.state_dict()
        saved = save_model(tmp_path / "alone", config, head, load_frozen(tiny_model))
        (saved.path / FROZEN).unlink()
        return find_model("alone")

    def test_are_found_by_their_hash(self, alone: ModelFolder, tiny_model: ModelFolder) -> None:
        alone.verify()
        assert alone.size > (alone.path.parent / "tiny" / FROZEN).stat().st_size
        assert alone.weight_file(FROZEN) == alone.path.parent / "tiny" / FROZEN
        shared, own = load_network(alone).frozen.backbone, load_network(tiny_model).frozen.backbone
        for name, tensor in own.state_dict().items():
            assert torch.equal(shared.state_dict()[name], tensor)

    def test_are_found_by_a_relative_path_too(self, alone: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(alone.path.parent)
        find_model("./alone").verify()
        assert find_model("./alone").reference == "alone"

    def test_nothing_but_weights_is_shared(self, alone: ModelFolder) -> None:
        (alone.path.parent / "tiny" / TRAINING_AUDIO).write_text("")
        assert alone.weight_file(TRAINING_AUDIO) == alone.path / TRAINING_AUDIO

    def test_others_are_not_taken(self, alone: ModelFolder) -> None:
        other = alone.path.parent / "tiny"
        change_config(other, lambda values: values.update(weights={TRAINED: "0" * 64, FROZEN: "0" * 64}))
        with pytest.raises(ModelError, match=r"alone/frozen\.safetensors: cannot be read \(No such file"):
            alone.verify()

    def test_only_bundled_models_share(self, alone: ModelFolder, tmp_path: Path) -> None:
        elsewhere = shutil.copytree(alone.path, tmp_path / "elsewhere" / "alone")
        with pytest.raises(ModelError, match=r"frozen\.safetensors: cannot be read \(No such file"):
            find_model(elsewhere).verify()


class TestDamagedWeights:
    @pytest.mark.parametrize("where", [0, 9, -1], ids=["length of the header", "header", "last weight"])
    @pytest.mark.parametrize("file", [TRAINED, FROZEN])
    def test_one_bit(self, folder: Path, file: str, where: int) -> None:
        content = bytearray((folder / file).read_bytes())
        content[where] ^= 1
        (folder / file).write_bytes(content)
        with pytest.raises(ModelError, match=rf"{file}: SHA-256 is \w{{12}}…, config\.json says \w{{12}}…; .* copy"):
            load(folder)

    @pytest.mark.parametrize("file", [TRAINED, FROZEN])
    def test_truncated(self, folder: Path, file: str) -> None:
        (folder / file).write_bytes((folder / file).read_bytes()[:-4])
        with pytest.raises(ModelError, match=rf"{file}: SHA-256 is"):
            load(folder)

    @pytest.mark.parametrize("file", [TRAINED, FROZEN])
    def test_missing(self, folder: Path, file: str) -> None:
        (folder / file).unlink()
        with pytest.raises(ModelError, match=rf"{file}: cannot be read \(No such file or directory\); copy"):
            load(folder)

    def test_without_a_hash(self, folder: Path) -> None:
        change_config(folder, lambda values: values.update(weights={}))
        with pytest.raises(ModelError, match=r"config\.json says nothing"):
            load(folder)

    def test_a_hash_that_is_no_text(self, folder: Path) -> None:
        change_config(folder, lambda values: values.update(weights={TRAINED: 5, FROZEN: None}))
        with pytest.raises(ModelError, match=r"config\.json"):
            load(folder)


class TestTensorsThatDoNotFit:
    """Their hashes are right: the folder was made this way."""

    @pytest.mark.parametrize(
        ("file", "tensor", "full_name"),
        [
            (TRAINED, "classify.bias", "head.classify.bias"),
            (TRAINED, "standardise.std", "head.standardise.std"),
            (FROZEN, "backbone.encoder.conv1.bias", "frozen.backbone.encoder.conv1.bias"),
            (FROZEN, "alexnet.features.10.weight", "frozen.alexnet.features.10.weight"),
        ],
    )
    def test_missing(self, folder: Path, file: str, tensor: str, full_name: str) -> None:
        tensors = load_file(folder / file)
        del tensors[tensor]
        write_consistently(folder, file, save(tensors))
        with pytest.raises(ModelError, match=rf"tensor {full_name} is missing \(1 in all\)"):
            load(folder)

    @pytest.mark.parametrize(("file", "prefix"), [(TRAINED, "head"), (FROZEN, "frozen")])
    def test_extra(self, folder: Path, file: str, prefix: str) -> None:
        tensors = load_file(folder / file) | {"more": torch.zeros(1), "most": torch.zeros(1)}
        write_consistently(folder, file, save(tensors))
        with pytest.raises(ModelError, match=rf"tensor {prefix}\.more is not part of the model \(2 in all\)"):
            load(folder)

    @pytest.mark.parametrize(
        "reshape", [lambda tensor: tensor[None], lambda tensor: tensor[:-1].clone(), lambda tensor: tensor[:1].clone()]
    )
    def test_misshaped(self, folder: Path, reshape: Callable[[Tensor], Tensor]) -> None:
        tensors = load_file(folder / TRAINED)
        tensors["classify.bias"] = reshape(tensors["classify.bias"])
        write_consistently(folder, TRAINED, save(tensors))
        with pytest.raises(ModelError, match=r"head\.classify\.bias is \(.*\), the config asks for \(4,\)"):
            load(folder)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_no_numbers(self, folder: Path, value: float) -> None:
        """It would call every row `ok` and give it no probability."""
        tensors = load_file(folder / TRAINED)
        tensors["classify.bias"][1] = value
        write_consistently(folder, TRAINED, save(tensors))
        with pytest.raises(ModelError, match=r"head\.classify\.bias holds NaN or infinity"):
            load(folder)

    def test_an_ablation_does_not_accept_the_whole_model(self, folder: Path) -> None:
        change_config(folder, lambda values: values.update(mfcc_branch=None))
        with pytest.raises(ModelError, match=r"head\.enhance\.weight is \(150, 32\)|head\.mfcc\..* is not part"):
            load(folder)


class TestNeverUnpickled:
    class Bomb:
        """Writes a file when it is unpickled."""

        def __init__(self, marker: Path) -> None:
            self.marker = marker

        def __reduce__(self) -> tuple[object, ...]:
            return Path.write_text, (self.marker, "exploded")

    @pytest.fixture
    def content(self, tmp_path: Path) -> bytes:
        content = pickle.dumps(self.Bomb(tmp_path / "marker"))
        pickle.loads(content)
        assert (tmp_path / "marker").exists(), "the bomb works"
        (tmp_path / "marker").unlink()
        return content

    def test_a_pickle_under_the_weights_name(self, folder: Path, tmp_path: Path, content: bytes) -> None:
        (folder / TRAINED).write_bytes(content)
        with pytest.raises(ModelError, match=r"model\.safetensors: SHA-256 is"):
            load(folder)
        assert not (tmp_path / "marker").exists()

    def test_a_pickle_whose_hash_is_in_the_config(self, folder: Path, tmp_path: Path, content: bytes) -> None:
        write_consistently(folder, TRAINED, content)
        with pytest.raises(ModelError, match=r"model\.safetensors"):
            load(folder)
        assert not (tmp_path / "marker").exists()

    def test_torchs_own_format(self, folder: Path) -> None:
        torch.save(load_file(folder / TRAINED), folder / "weights.pt")
        write_consistently(folder, TRAINED, (folder / "weights.pt").read_bytes())
        with pytest.raises(ModelError, match=r"model\.safetensors"):
            load(folder)


class TestFindModel:
    def test_bundled_by_name(self) -> None:
        assert DEFAULT_MODEL in bundled_models()
        for name in bundled_models():
            found = find_model(name)
            assert found.config.name == name
            assert found.size < 50e6
            assert found.config.training["summary"]
            assert "What law forbids" in found.card
        assert find_model() == find_model(DEFAULT_MODEL)

    def test_by_folder_also_with_a_slash_or_a_tilde(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(folder.parent))
        assert find_model(f"{folder}/").config == find_model("~/model").config == find_model(folder).config

    def test_unknown(self) -> None:
        with pytest.raises(ModelError, match=r"wisper: no such model; .* one of: .*whisper-base-emodb"):
            find_model("wisper")

    def test_a_file(self, folder: Path) -> None:
        with pytest.raises(ModelError, match=r"model\.safetensors: no such model; give a model folder"):
            find_model(folder / TRAINED)

    def test_a_folder_without_config(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"not a model folder, config\.json is missing"):
            find_model(tmp_path)

    def test_a_config_that_is_not_text(self, folder: Path) -> None:
        (folder / CONFIG).write_bytes(b"\xff\xfe\x00{")
        with pytest.raises(ModelError, match=r"config\.json"):
            find_model(folder)

    def test_a_config_that_does_not_parse_is_named(self, folder: Path) -> None:
        change_config(folder, lambda values: values.update(temperatur=1.0))
        with pytest.raises(ModelError, match=r"model/config\.json: unknown key 'temperatur'"):
            find_model(folder)
