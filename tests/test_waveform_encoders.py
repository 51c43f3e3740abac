"""The truncated wav2vec 2.0, HuBERT and WavLM against transformers' full models, layer by layer."""

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from reading import samples_of
from safetensors.torch import load_file, save_file
from tiny_model import save_tiny_model
from tiny_waveform import CLASSES, FULL_LAYERS, HEADS, WIDTH, save_waveform_encoder
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from emoboost.backbone import build_backbone, load_encoder, wav2vec2
from emoboost.backbone.hub import EncoderFolder
from emoboost.checkpoint import ModelFolder, find_model, load_network, save_model
from emoboost.config import BackboneConfig, ModelConfig, WaveformConfig
from emoboost.errors import ModelError
from emoboost.model import frames_of
from emoboost.predict import EmotionModel, load_model, preparation_for
from emoboost.utterance import Utterance
from jobs.rows import from_row, to_row

KINDS = [(family, form) for family in CLASSES for form in ("base", "large")]
POSITION = "encoder.pos_conv_embed.conv."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    root = tmp_path_factory.mktemp("hub")
    return {(family, form): save_waveform_encoder(root / f"{family}-{form}", family, form) for family, form in KINDS}


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture(scope="module")
def folder(folders: dict[tuple[str, str], Path], kind: tuple[str, str]) -> Path:
    return folders[kind]


@pytest.fixture(scope="module")
def base(folders: dict[tuple[str, str], Path]) -> Path:
    """A wav2vec 2.0 of Base's form."""
    return folders["wav2vec2", "base"]


@pytest.fixture(scope="module")
def waveform(clips: list[Path]) -> Tensor:
    """(3, 48000) of real speech, prepared by transformers; two of the clips are padded."""
    samples = [samples_of(clip)[:48_000] for clip in (clips[0], clips[5], clips[9])]
    prepare = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    prepared = prepare(samples, sampling_rate=16_000, padding="max_length", max_length=48_000, return_tensors="pt")
    assert prepared["attention_mask"].sum(1).tolist() == [32_000, 32_000, 48_000]
    values: Tensor = prepared["input_values"]
    return values


@pytest.fixture(scope="module")
def full(folder: Path, kind: tuple[str, str]) -> torch.nn.Module:
    """transformers' own whole model, with its plain attention and its weight norm."""
    model: torch.nn.Module = CLASSES[kind[0]][1].from_pretrained(folder, attn_implementation="eager").eval()
    assert torch.nn.utils.parametrize.is_parametrized(model.encoder.pos_conv_embed.conv)
    return model


@pytest.fixture(scope="module")
def full_states(full: torch.nn.Module, waveform: Tensor) -> tuple[Tensor, ...]:
    """Its hidden states; the last one after the final LayerNorm.

    That is transformers 4's `hidden_states[-1]`; transformers 5 gives it under the name `last_hidden_state`, and as
    `hidden_states[-1]` only where `tie_last_hidden_states` is set. The two differ in pre-norm encoders.
    """
    with torch.inference_mode():
        output = full(waveform, output_hidden_states=True)
    return (*output.hidden_states[:-1], output.last_hidden_state)


def encode(source: Path, layers: list[int], waveform: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = load_encoder(source, layers)(waveform)
    return found


class TestHiddenStates:
    @pytest.mark.parametrize("layer", range(FULL_LAYERS + 1))
    def test_each_layer_is_the_full_models(
        self, folder: Path, waveform: Tensor, full_states: tuple[Tensor, ...], layer: int
    ) -> None:
        backbone = load_encoder(folder, [layer])
        assert len(backbone.encoder.encoder.layers) == max(layer, 1)
        with torch.inference_mode():
            found = backbone(waveform)
        assert found.shape == (3, 149, WIDTH)
        torch.testing.assert_close(found, full_states[layer], rtol=1e-5, atol=1e-5)
        # With these weights neighbouring layers are far from each other.
        neighbour = full_states[layer - 1 if layer else 1]
        assert (full_states[layer] - neighbour).abs().mean() > 0.05

    def test_several_layers_lie_side_by_side_in_the_order_asked_for(
        self, folder: Path, waveform: Tensor, full_states: tuple[Tensor, ...]
    ) -> None:
        found = encode(folder, [3, 1], waveform)
        torch.testing.assert_close(found, torch.cat([full_states[3], full_states[1]], -1), rtol=1e-5, atol=1e-5)

    def test_the_final_norm_belongs_to_the_last_layer_of_pre_norm_encoders(
        self, folder: Path, kind: tuple[str, str], full: torch.nn.Module, waveform: Tensor
    ) -> None:
        with torch.inference_mode():
            plain = full(waveform, output_hidden_states=True).hidden_states[FULL_LAYERS]
            expected = full.encoder.layer_norm(plain) if kind[1] == "large" else plain
        torch.testing.assert_close(encode(folder, [FULL_LAYERS], waveform), expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(plain, expected) is (kind[1] == "base")

    def test_same_frames_in_any_batch(self, folder: Path, waveform: Tensor) -> None:
        backbone = load_encoder(folder, [1, 3])
        with torch.inference_mode():
            together = backbone(waveform)
            alone = torch.cat([backbone(segment[None]) for segment in waveform])
            turned = backbone(waveform.flip(0)).flip(0)
        largest = together.abs().max()
        assert (alone - together).abs().max() <= 1e-5 * largest
        assert (turned - together).abs().max() <= 1e-5 * largest

    def test_t_by_dimension_of_wav2vec2_base(self, tmp_path: Path) -> None:
        """The real sizes, described by transformers' own default config; two of the twelve layers are enough."""
        Wav2Vec2Config().save_pretrained(tmp_path)
        Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
        found = json.loads((tmp_path / "config.json").read_text())
        config = wav2vec2.describe(EncoderFolder(tmp_path, "base"), found, [2])
        assert (config.full_layers, config.frames, config.dim, config.frame_samples) == (12, 149, 768, 320)
        with torch.inference_mode():
            assert build_backbone(config)(torch.zeros(1, 48_000)).shape == (1, 149, 768)

    @pytest.mark.parametrize(("samples", "frames"), [(1, 1), (320, 1), (321, 2), (32_000, 100), (48_000, 149)])
    def test_valid_frames(self, samples: int, frames: int) -> None:
        backbone = BackboneConfig(frames=149, frame_samples=320)
        assert frames_of(torch.tensor([samples]), backbone).tolist() == [frames]


class TestConfig:
    def test_says_what_was_found(self, base: Path) -> None:
        assert load_encoder(base, [2, 3]).config == BackboneConfig(
            family="wav2vec2",
            source="wav2vec2-base",
            layers=(2, 3),
            full_layers=FULL_LAYERS,
            frames=149,
            frame_samples=320,
            width=WIDTH,
            heads=HEADS,
            ffn=64,
            waveform=WaveformConfig(
                do_normalize=True,
                conv_dim=(16,) * 7,
                conv_kernel=(10, 3, 3, 3, 3, 2, 2),
                conv_stride=(5, 2, 2, 2, 2, 2, 2),
                conv_bias=False,
                feat_extract_norm="group",
                feat_extract_activation="gelu",
                hidden_act="gelu",
                do_stable_layer_norm=False,
                layer_norm_eps=1e-5,
                num_conv_pos_embeddings=16,
                num_conv_pos_embedding_groups=4,
            ),
        )

    def test_only_keys_of_the_family(self, folders: dict[tuple[str, str], Path]) -> None:
        def given(family: str) -> set[str]:
            waveform = load_encoder(folders[family, "large"], [1]).config.waveform
            assert waveform is not None
            return {name for name, value in dataclasses.asdict(waveform).items() if value is not None}

        assert given("hubert") - given("wav2vec2") == {"feat_proj_layer_norm", "conv_pos_batch_norm"}
        assert given("wavlm") - given("wav2vec2") == {"num_buckets", "max_bucket_distance"}

    @pytest.mark.parametrize("do_normalize", [True, False])
    def test_preparation_is_the_encoders(self, tmp_path: Path, do_normalize: bool) -> None:
        save_waveform_encoder(tmp_path, "wavlm", "base", do_normalize=do_normalize)
        waveform = load_encoder(tmp_path, [1]).config.waveform
        assert waveform is not None
        assert waveform.do_normalize is do_normalize

    def test_fused_attention_where_the_family_has_it(self, folder: Path, kind: tuple[str, str]) -> None:
        found = load_encoder(folder, [1]).encoder.config._attn_implementation
        assert found == ("eager" if kind[0] == "wavlm" else "sdpa")

    def test_hubert_without_projection_norm_and_with_batch_norm(self, tmp_path: Path, waveform: Tensor) -> None:
        config_class, model_class = CLASSES["hubert"]
        config = config_class(
            conv_dim=(16,) * 7,
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=HEADS,
            intermediate_size=64,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            feat_proj_layer_norm=False,
            conv_pos_batch_norm=True,
        )
        model = model_class(config).eval()
        model.encoder.pos_conv_embed.batch_norm.running_mean.fill_(0.1)
        model.save_pretrained(tmp_path)
        Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
        with torch.inference_mode():
            expected = model(waveform, output_hidden_states=True).hidden_states[1]
        torch.testing.assert_close(encode(tmp_path, [1], waveform), expected, rtol=1e-5, atol=1e-5)


class TestWeights:
    def test_only_what_is_used(self, folder: Path, kind: tuple[str, str]) -> None:
        kept = load_encoder(folder, [2]).state_dict()
        assert f"encoder.{POSITION}weight" in kept
        assert not any("parametrizations" in name or "masked_spec_embed" in name for name in kept)
        layers = {name.split(".")[3] for name in kept if name.startswith("encoder.encoder.layers.")}
        assert layers == {"0", "1"}
        last = load_encoder(folder, [FULL_LAYERS]).state_dict()
        assert "encoder.encoder.layer_norm.weight" in last
        assert ("encoder.encoder.layer_norm.weight" in kept) is (kind[1] == "base")

    def test_the_position_convolution_is_folded(self, folder: Path, full: torch.nn.Module) -> None:
        convolution = load_encoder(folder, [1]).encoder.encoder.pos_conv_embed.conv
        assert type(convolution) is torch.nn.Conv1d
        assert isinstance(convolution.weight, torch.nn.Parameter)
        torch.testing.assert_close(convolution.weight, full.encoder.pos_conv_embed.conv.weight, rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("norm", ["old", "new", "folded"])
    @pytest.mark.parametrize("prefix", ["wav2vec2.", ""])
    def test_reads_every_common_layout(self, base: Path, tmp_path: Path, prefix: str, norm: str) -> None:
        """Models with heads and encoders alone, the position convolution's weight norm by either name or folded."""
        for name in ("config.json", "preprocessor_config.json"):
            shutil.copy(base / name, tmp_path)
        tensors = load_file(base / "model.safetensors")
        (length,) = [name for name in tensors if name.endswith(("weight_g", "original0"))]
        (direction,) = [name for name in tensors if name.endswith(("weight_v", "original1"))]
        g, v = tensors.pop(length), tensors.pop(direction)
        if norm == "folded":
            # By hand: each of the kernel's positions has its own length.
            tensors[f"{POSITION}weight"] = g * v / v.square().sum((0, 1), keepdim=True).sqrt()
        else:
            names = {"old": ("weight_g", "weight_v"), "new": [f"parametrizations.weight.original{n}" for n in (0, 1)]}
            tensors |= {POSITION + name: tensor for name, tensor in zip(names[norm], (g, v), strict=True)}
        heads = {"lm_head.weight": torch.zeros(5, 5), "quantizer.codevectors": torch.zeros(1, 2, 3)}
        save_file({prefix + name: tensor for name, tensor in tensors.items()} | heads, tmp_path / "model.safetensors")
        first, second = load_encoder(base, [2]).state_dict(), load_encoder(tmp_path, [2]).state_dict()
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            torch.testing.assert_close(second[name], tensor, rtol=1e-6, atol=1e-7)

    def test_reads_shards(self, base: Path, tmp_path: Path) -> None:
        model = CLASSES["wav2vec2"][1].from_pretrained(base)
        model.save_pretrained(tmp_path, max_shard_size="50KB")
        shutil.copy(base / "preprocessor_config.json", tmp_path)
        assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 1
        first, second = load_encoder(base, [3]).state_dict(), load_encoder(tmp_path, [3]).state_dict()
        assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
        next(tmp_path.glob("model-*-of-*.safetensors")).unlink()
        with pytest.raises(ModelError, match=r"model-\d+-of-\d+\.safetensors, named by .*index\.json, is missing"):
            load_encoder(tmp_path, [3])

    def test_half_precision_tensors_load_strictly_into_float32(self, folder: Path) -> None:
        trained = load_encoder(folder, [2])
        stored = {name: tensor.half() for name, tensor in trained.state_dict().items()}
        restored = build_backbone(trained.config)
        restored.load_state_dict(stored, strict=True)
        for name, tensor in restored.state_dict().items():
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, stored[name].float())

    def test_a_skeleton_without_memory_can_be_filled(self, folder: Path, waveform: Tensor) -> None:
        trained = load_encoder(folder, [2])
        with torch.device("meta"):
            skeleton = build_backbone(trained.config)
        skeleton.to_empty(device="cpu").load_state_dict(trained.state_dict())
        with torch.inference_mode():
            assert torch.equal(skeleton(waveform), trained(waveform))


@pytest.fixture(scope="module")
def saved(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model on the first two layers of that encoder, which lies in the model's folder.

    Random weights hear little difference between clips (logits deviate by 0.0005); scaled up to 2, float32 rounding
    would be scaled as well.
    """
    path = tmp_path_factory.mktemp("models") / "tiny"
    return save_tiny_model(path, encoder=load_encoder(folder, [1, 2]), deviation=0.02)


class TestModelFolder:
    def test_needs_no_hub_and_no_encoders_folder(self, saved: ModelFolder, folder: Path, waveform: Tensor) -> None:
        found = find_model(saved.path)
        assert found.config.backbone == load_encoder(folder, [1, 2]).config
        assert found.identity == saved.identity
        network = load_network(found)
        stored = load_file(saved.path / "frozen.safetensors")
        assert f"backbone.encoder.{POSITION}weight" in stored
        with torch.inference_mode():
            assert torch.equal(network.frozen.backbone(waveform), load_encoder(folder, [1, 2])(waveform))

    def test_predicts_the_same_alone_in_a_batch_and_through_the_stages(
        self, saved: ModelFolder, clips: list[Path]
    ) -> None:
        model = load_model(saved.path)
        chosen = [clips[0], clips[8], clips[9]]
        prepared = preparation_for(model.config)([Utterance(clip.stem, str(clip)) for clip in chosen])
        assert prepared.inputs["waveform"].dtype == np.float32
        assert "log_mel" not in prepared.inputs
        shard, received, _ = from_row(pa.concat_tables([to_row(7, prepared)]))
        assert shard == 7
        for name, values in prepared.inputs.items():
            assert received.inputs[name].dtype == values.dtype
            np.testing.assert_array_equal(received.inputs[name], values)
        together = model.utterance_probabilities(received)
        assert together.std(axis=0).min() > 5e-4
        for clip, row in zip(chosen, together, strict=True):
            alone = model.predict(clip)
            np.testing.assert_allclose(list(alone.probabilities.values()), row, rtol=0, atol=1e-5)

    def test_bf16_is_near_fp32(self, saved: ModelFolder, clips: list[Path], tmp_path: Path) -> None:
        network = load_network(saved)
        # Its logits are scaled until clips differ, and with them the rounding; here as a new layer is.
        network.head.classify.reset_parameters()
        plain = save_model(tmp_path, saved.config, network.head.state_dict(), network.frozen.state_dict())
        models = [EmotionModel(plain, precision=precision) for precision in ("fp32", "bf16")]
        prepared = preparation_for(saved.config)([Utterance(clip.stem, str(clip)) for clip in clips[6:10]])
        exact, rounded = (model.utterance_probabilities(prepared) for model in models)
        assert not np.array_equal(exact, rounded)
        np.testing.assert_allclose(rounded, exact, rtol=0, atol=0.01)

    def test_nothing_to_label(self, saved: ModelFolder) -> None:
        prediction = load_model(saved.path).predict("no-such-file.wav")
        assert prediction.label is None

    def test_a_missing_tensor(self, saved: ModelFolder, tmp_path: Path) -> None:
        frozen = load_file(saved.path / "frozen.safetensors")
        del frozen[f"backbone.encoder.{POSITION}weight"]
        broken = save_model(tmp_path, saved.config, load_file(saved.path / "model.safetensors"), frozen)
        with pytest.raises(ModelError, match=r"tensor frozen\.backbone\..*pos_conv_embed\.conv\.weight is missing"):
            load_network(broken)


class TestRefused:
    @pytest.fixture
    def broken(self, base: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(base, tmp_path / "broken"))

    def change(self, folder: Path, name: str, **values: object) -> None:
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**found, **values}))

    def test_layers_that_do_not_exist(self, base: Path) -> None:
        with pytest.raises(ModelError, match=r"layers \[4\] asked for; this encoder has layers 0 to 3"):
            load_encoder(base, [4])

    @pytest.mark.parametrize("key", ["hidden_size", "conv_stride", "do_stable_layer_norm"])
    def test_a_config_without_a_key(self, broken: Path, key: str) -> None:
        values = json.loads((broken / "config.json").read_text())
        del values[key]
        (broken / "config.json").write_text(json.dumps(values))
        with pytest.raises(ModelError, match=rf"config\.json: key '{key}' is missing; copy the folder again"):
            load_encoder(broken, [1])

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"hidden_size": "wide"}, r"config\.json: .*hidden_size.*; copy the folder again"),
            ({"conv_kernel": [10, 3]}, r"config\.json: .*conv_kernel.*; copy the folder again"),
            ({"feat_extract_norm": "batch"}, r"config\.json: no such encoder can be built .*batch.*; copy it again"),
            ({"num_attention_heads": 5}, r"config\.json: no such encoder can be built .*5.*; copy it again"),
            ({"adapter_attn_dim": 16}, r"config\.json: this encoder has adapters in its layers"),
            (
                {"model_type": "data2vec-audio"},
                r"model_type is 'data2vec-audio'; give .* whisper, wav2vec2, hubert, wavlm",
            ),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_a_config_that_no_encoder_has(self, broken: Path, values: dict[str, object], message: str) -> None:
        self.change(broken, "config.json", **values)
        with pytest.raises(ModelError, match=message) as refused:
            load_encoder(broken, [1])
        assert "\n" not in str(refused.value)

    def test_without_preparation(self, broken: Path) -> None:
        (broken / "preprocessor_config.json").unlink()
        with pytest.raises(ModelError, match=r"broken: preprocessor_config\.json is missing; it says whether"):
            load_encoder(broken, [1])

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"do_normalize": 1}, r"preprocessor_config\.json: do_normalize is not true or false"),
            ({"sampling_rate": 8_000}, r"preprocessor_config\.json: the encoder hears 8000 Hz; give one .* 16000 Hz"),
        ],
    )
    def test_another_preparation(self, broken: Path, values: dict[str, object], message: str) -> None:
        self.change(broken, "preprocessor_config.json", **values)
        with pytest.raises(ModelError, match=message):
            load_encoder(broken, [1])

    @pytest.mark.parametrize("part", ["weight", "weight_v", "bias"])
    def test_a_missing_tensor(self, broken: Path, part: str) -> None:
        tensors = load_file(broken / "model.safetensors")
        ends = {"weight": ("weight_g", "original0", "weight_v", "original1"), "weight_v": ("weight_v", "original1")}
        kept = {
            name: tensor
            for name, tensor in tensors.items()
            if not (name.startswith(POSITION) and name.endswith(ends.get(part, part)))
        }
        save_file(kept, broken / "model.safetensors")
        with pytest.raises(ModelError, match=r"tensor encoder\.pos_conv_embed\.conv\..* is missing"):
            load_encoder(broken, [1])

    def test_a_tensor_of_another_shape(self, broken: Path) -> None:
        tensors = load_file(broken / "model.safetensors")
        tensors["feature_projection.projection.bias"] = torch.zeros(5)
        save_file(tensors, broken / "model.safetensors")
        with pytest.raises(ModelError, match=r"feature_projection\.projection\.bias is \(5,\); .* asks for \(32,\)"):
            load_encoder(broken, [1])


def test_stride_is_20_ms() -> None:
    assert math.prod(Wav2Vec2Config().conv_stride) == ModelConfig(name="x", classes=("a",)).backbone.frame_samples
