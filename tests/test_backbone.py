"""The truncated Whisper encoder against transformers' full model, and against a plain re-computation."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_whisper import FULL_LAYERS, HEADS, WIDTH, save_whisper, tiny_whisper_config
from torch import Tensor
from torch.nn import functional
from transformers import WhisperModel

from emoboost.backbone import Backbone, build_backbone, load_encoder
from emoboost.config import BackboneConfig
from emoboost.errors import ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole Whisper model with random weights and positions for 30 s, as transformers saves it."""
    return save_whisper(tmp_path_factory.mktemp("hub") / "tiny-whisper")


@pytest.fixture(scope="module")
def log_mel() -> Tensor:
    return torch.randn(6, 80, 300, generator=torch.Generator().manual_seed(0)) * 0.5


@pytest.fixture(scope="module")
def full_states(folder: Path, log_mel: Tensor) -> tuple[Tensor, ...]:
    """`hidden_states` of transformers' full model for 3 s: the first 150 positions, nothing else changed."""
    model = WhisperModel(tiny_whisper_config(150)).eval()
    tensors = encoder_tensors(folder)
    tensors["embed_positions.weight"] = tensors["embed_positions.weight"][:150]
    model.encoder.load_state_dict(tensors)
    with torch.inference_mode():
        states: tuple[Tensor, ...] = model.encoder(log_mel, output_hidden_states=True).hidden_states
    return states


def encoder_tensors(folder: Path) -> dict[str, Tensor]:
    tensors = load_file(folder / "model.safetensors")
    prefix = "model.encoder."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def plain_states(backbone: Backbone, log_mel: Tensor) -> dict[int, Tensor]:
    """Layer to hidden state, re-computed from the backbone's tensors with matrix products and softmax alone."""
    config, weights = backbone.config, backbone.encoder.state_dict()

    def linear(x: Tensor, name: str) -> Tensor:
        y = torch.einsum("btc,dc->btd", x, weights[f"{name}.weight"])
        return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y  # keys have no bias

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        variance = centred.square().mean(-1, keepdim=True)
        return centred / torch.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (config.heads, -1))

    def attention(x: Tensor, name: str) -> Tensor:
        query, key, value = (heads(linear(x, f"{name}.{part}_proj")) for part in "qkv")
        scores = torch.einsum("bthc,bshc->bhts", query, key) / (config.width / config.heads) ** 0.5
        mixed = torch.einsum("bhts,bshc->bthc", scores.softmax(-1), value)
        return linear(mixed.flatten(-2), f"{name}.out_proj")

    def convolution(x: Tensor, name: str, stride: int) -> Tensor:
        windows = functional.pad(x, (1, 1)).unfold(2, 3, stride)  # (B, C, T, 3)
        y = torch.einsum("bctk,dck->bdt", windows, weights[f"{name}.weight"])
        return functional.gelu(y + weights[f"{name}.bias"][:, None])

    convolved = convolution(convolution(log_mel.float(), "conv1", 1), "conv2", 2)
    x = convolved.transpose(1, 2) + weights["embed_positions.weight"]
    states = {0: x}
    for layer in range(max(config.layers)):
        name = f"layers.{layer}"
        x = x + attention(norm(x, f"{name}.self_attn_layer_norm"), f"{name}.self_attn")
        hidden = functional.gelu(linear(norm(x, f"{name}.final_layer_norm"), f"{name}.fc1"))
        x = x + linear(hidden, f"{name}.fc2")
        states[layer + 1] = x
    if max(config.layers) == config.full_layers:
        states[config.full_layers] = norm(x, "layer_norm")
    return states


def relative_differences(backbone: Backbone, states: dict[int, Tensor], log_mel: Tensor) -> dict[int, float]:
    """For each of the backbone's layers its largest deviation from `states`, over that layer's largest value."""
    with torch.inference_mode():
        found = backbone(log_mel).split(backbone.config.width, dim=-1)
    return {
        layer: float((part - states[layer]).abs().max() / states[layer].abs().max())
        for layer, part in zip(backbone.config.layers, found, strict=True)
    }


@pytest.mark.parametrize("layer", range(FULL_LAYERS + 1))
def test_each_layer_is_the_full_models_hidden_state(
    folder: Path, log_mel: Tensor, full_states: tuple[Tensor, ...], layer: int
) -> None:
    backbone = load_encoder(folder, [layer])
    assert len(backbone.encoder.layers) == max(layer, 1)
    with torch.inference_mode():
        found = backbone(log_mel)
    torch.testing.assert_close(found, full_states[layer], rtol=1e-6, atol=1e-6)
    # With these weights neighbouring layers, and the last one without its norm, are far from each other.
    neighbour = full_states[layer - 1 if layer else 1]
    assert (full_states[layer] - neighbour).abs().mean() > 0.1


@pytest.mark.parametrize("layers", [(0,), (2,), (0, 1), (1, 2, 3), (4,), (3, 4)])
def test_equals_a_plain_recomputation(folder: Path, log_mel: Tensor, layers: tuple[int, ...]) -> None:
    backbone = load_encoder(folder, layers)
    differences = relative_differences(backbone, plain_states(backbone, log_mel), log_mel)
    assert tuple(differences) == layers
    assert max(differences.values()) < 1e-5


def test_several_layers_lie_side_by_side_in_the_order_asked_for(
    folder: Path, log_mel: Tensor, full_states: tuple[Tensor, ...]
) -> None:
    backbone = load_encoder(folder, [3, 1])
    with torch.inference_mode():
        found = backbone(log_mel)
    assert (backbone.frames, backbone.dim) == (150, 2 * WIDTH)
    assert found.shape == (6, 150, 2 * WIDTH)
    torch.testing.assert_close(found, torch.cat([full_states[3], full_states[1]], -1), rtol=1e-6, atol=1e-6)


def test_config_says_what_was_found(folder: Path) -> None:
    assert load_encoder(folder, [2, 3]).config == BackboneConfig(
        family="whisper",
        source="tiny-whisper",
        layers=(2, 3),
        full_layers=FULL_LAYERS,
        frames=150,
        frame_samples=320,
        width=WIDTH,
        heads=HEADS,
        ffn=64,
    )


@pytest.mark.parametrize("prefix", ["model.encoder.", "encoder.", ""])
def test_reads_whole_models_bare_models_and_encoders(folder: Path, tmp_path: Path, prefix: str) -> None:
    shutil.copy(folder / "config.json", tmp_path)
    tensors = encoder_tensors(folder)
    save_file({prefix + name: tensor for name, tensor in tensors.items()}, tmp_path / "model.safetensors")
    first, second = load_encoder(folder, [2]).state_dict(), load_encoder(tmp_path, [2]).state_dict()
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=0, atol=0)


class TestWeights:
    def test_only_what_is_used(self, folder: Path) -> None:
        kept = load_encoder(folder, [2]).state_dict()
        assert kept["encoder.embed_positions.weight"].shape == (150, WIDTH)
        assert {name.split(".")[2] for name in kept if name.startswith("encoder.layers.")} == {"0", "1"}
        assert not any(name.startswith("encoder.layer_norm.") for name in kept)
        assert "encoder.layer_norm.weight" in load_encoder(folder, [FULL_LAYERS]).state_dict()

    def test_half_precision_tensors_load_strictly_into_float32(self, folder: Path, log_mel: Tensor) -> None:
        trained = load_encoder(folder, [2, 3])
        stored = {name: tensor.half() for name, tensor in trained.state_dict().items()}
        restored = build_backbone(trained.config)
        restored.load_state_dict(stored, strict=True)
        for name, tensor in restored.state_dict().items():
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, stored[name].float())
        with torch.inference_mode():
            torch.testing.assert_close(restored(log_mel), trained(log_mel), rtol=1e-2, atol=1e-2)
        del stored["encoder.conv1.bias"]
        with pytest.raises(RuntimeError, match=r"Missing key.*encoder\.conv1\.bias"):
            restored.load_state_dict(stored)

    def test_a_skeleton_without_memory_can_be_filled(self, folder: Path, log_mel: Tensor) -> None:
        trained = load_encoder(folder, [3])
        with torch.device("meta"):
            skeleton = build_backbone(trained.config)
        skeleton.to_empty(device="cpu").load_state_dict(trained.state_dict())
        with torch.inference_mode():
            assert torch.equal(skeleton(log_mel), trained(log_mel))

    def test_other_sizes_come_from_the_config(self) -> None:
        config = BackboneConfig(layers=(1,), full_layers=1, frames=150, width=24, heads=3, ffn=40)
        config = dataclasses.replace(config, log_mel=dataclasses.replace(config.log_mel, n_mels=128))
        backbone = build_backbone(config)
        with torch.inference_mode():
            assert backbone(torch.zeros(2, 128, 300)).shape == (2, 150, 24)


class TestFrozen:
    def test_stays_in_eval_mode_and_takes_no_gradient(self, folder: Path, log_mel: Tensor) -> None:
        backbone = torch.nn.Sequential(load_encoder(folder, [2])).train()[0]
        assert not any(module.training for module in backbone.modules())
        assert not backbone(log_mel).requires_grad

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_any_float_input_is_cast_to_the_weights(self, folder: Path, log_mel: Tensor, dtype: torch.dtype) -> None:
        backbone = load_encoder(folder, [2])
        inputs = log_mel.to(dtype)
        with torch.inference_mode():
            assert torch.equal(backbone(inputs), backbone(inputs.float()))

    def test_attention_is_fused(self, folder: Path, log_mel: Tensor) -> None:
        backbone = load_encoder(folder, [2])
        with torch.inference_mode(), torch.profiler.profile() as profile:
            backbone(log_mel)
        names = [event.name for event in profile.events()]
        assert names.count("aten::scaled_dot_product_attention") == 2

    def test_same_frames_in_any_batch(self, folder: Path, log_mel: Tensor) -> None:
        backbone = load_encoder(folder, [2, 3, 4])
        with torch.inference_mode():
            together = backbone(log_mel)
            for size in (1, 2, 4):
                parts = torch.cat([backbone(part) for part in log_mel.split(size)])
                largest = together.abs().amax((1, 2))
                assert ((parts - together).abs().amax((1, 2)) <= 1e-5 * largest).all()


class TestRefused:
    @pytest.fixture
    def broken(self, folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "broken"))

    @pytest.mark.parametrize("layers", [[2, 5], [-1], []])
    def test_layers_that_do_not_exist(self, folder: Path, layers: list[int]) -> None:
        with pytest.raises(ModelError, match=r"layers \[.*\] asked for; this encoder has layers 0 to 4"):
            load_encoder(folder, layers)

    def test_another_family(self, broken: Path) -> None:
        (broken / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(
            ModelError, match=r"config\.json: model_type is 'bert'; give an encoder .* whisper, wav2vec2"
        ):
            load_encoder(broken, [1])

    def test_a_config_without_a_size(self, broken: Path) -> None:
        values = json.loads((broken / "config.json").read_text())
        del values["d_model"]
        (broken / "config.json").write_text(json.dumps(values))
        with pytest.raises(ModelError, match=r"config\.json: key 'd_model' is missing"):
            load_encoder(broken, [1])

    def test_a_config_that_is_no_json(self, broken: Path) -> None:
        (broken / "config.json").write_text("{")
        with pytest.raises(ModelError, match=r"config\.json: not JSON"):
            load_encoder(broken, [1])

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_a_missing_file(self, broken: Path, name: str) -> None:
        (broken / name).unlink()
        (broken / "pytorch_model.bin").write_bytes(b"never unpickled")
        with pytest.raises(ModelError, match=f"broken: {name} is missing; give a folder .* with safetensors"):
            load_encoder(broken, [1])

    def test_a_truncated_file(self, broken: Path) -> None:
        content = (broken / "model.safetensors").read_bytes()
        (broken / "model.safetensors").write_bytes(content[:-100])
        with pytest.raises(ModelError, match=r"model\.safetensors: not a complete safetensors file"):
            load_encoder(broken, [1])

    def test_a_missing_tensor(self, broken: Path) -> None:
        tensors = encoder_tensors(broken)
        del tensors["layers.1.fc1.weight"]
        save_file(tensors, broken / "model.safetensors")
        with pytest.raises(ModelError, match=r"tensor layers\.1\.fc1\.weight is missing"):
            load_encoder(broken, [2])
        load_encoder(broken, [1])  # does not need it

    def test_a_tensor_of_another_shape(self, broken: Path) -> None:
        tensors = encoder_tensors(broken)
        tensors["embed_positions.weight"] = tensors["embed_positions.weight"][:100].clone()
        save_file(tensors, broken / "model.safetensors")
        with pytest.raises(ModelError, match=r"embed_positions\.weight is \(100, 32\); .* \(150, 32\)"):
            load_encoder(broken, [1])
