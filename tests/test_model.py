"""MS-EmoBoost against a plain re-computation with loops, torchvision's AlexNet and transformers' Whisper encoder."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_backbone import plain_states
from tiny_model import tiny_config
from torch import Tensor
from torchvision.models import alexnet
from torchvision.transforms.v2 import functional as image_functional
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emoboost.config import BackboneConfig, EnhancementConfig, MfccBranchConfig, ModelConfig, SpectrogramBranchConfig
from emoboost.features import FeatureExtractor
from emoboost.model import (
    EnhancementHead,
    FrozenEncoders,
    HeadOutput,
    MsEmoBoost,
    SpectrogramImage,
    alexnet_features,
    frames_of,
)
from emoboost.predict import EmotionModel, preparation_for
from emoboost.utterance import Utterance

Array = NDArray[np.float64]
CLASSES = ("anger", "happiness", "neutral", "sadness")
PAPER = ModelConfig(name="paper", classes=CLASSES)
BATCH = 3
VALID = torch.tensor([150, 100, 1])

ABLATIONS = {
    "whole": {},
    "mfcc only": {"spectrogram_branch": None},
    "spectrogram only": {"mfcc_branch": None},
    "encoder alone": {"mfcc_branch": None, "spectrogram_branch": None},
}
INPUTS = {
    "whole": {"mfcc", "spectrogram", "log_mel"},
    "mfcc only": {"mfcc", "log_mel"},
    "spectrogram only": {"spectrogram", "log_mel"},
    "encoder alone": {"log_mel"},
}


def parameters_of(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# The whole head once more, in float64, one position and one frame at a time.


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def plain_lstm(x: Array, weights: dict[str, Array], suffix: str) -> Array:
    """(T, inputs) -> (T, hidden): gates in torch's order, input, forget, cell, output."""
    w, u = weights[f"weight_ih_{suffix}"], weights[f"weight_hh_{suffix}"]
    bias = weights[f"bias_ih_{suffix}"] + weights[f"bias_hh_{suffix}"]
    hidden = cell = np.zeros(u.shape[1])
    states = []
    for frame in x:
        i, f, g, o = np.split(w @ frame + u @ hidden + bias, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        states.append(hidden)
    return np.stack(states)


def plain_bilstm(x: Array, weights: dict[str, Array], layers: int) -> Array:
    """(T, inputs) -> (T, 2 * hidden): forward states beside backward states."""
    for layer in range(layers):
        forward = plain_lstm(x, weights, f"l{layer}")
        backward = plain_lstm(x[::-1], weights, f"l{layer}_reverse")[::-1]
        x = np.concatenate([forward, backward], axis=1)
    return x


def plain_projection(x: Array, weights: dict[str, Array], *, attention: bool) -> Array:
    """(T, d) -> (out,): one query at a time."""
    rows = list(x)
    if attention:
        keys = np.einsum("de,te->td", weights["attention.key.weight"], x) + weights["attention.key.bias"]
        values = np.einsum("de,te->td", weights["attention.value.weight"], x) + weights["attention.value.bias"]
        for t, frame in enumerate(x):
            query = weights["attention.query.weight"] @ frame + weights["attention.query.bias"]
            scores = np.exp(keys @ query / np.sqrt(len(query)))
            rows[t] = frame + scores / scores.sum() @ values
    flat = np.concatenate(rows)
    return np.maximum(0, weights["linear.weight"] @ flat + weights["linear.bias"])


def part_of(weights: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def plain_head(
    head: EnhancementHead, config: ModelConfig, frames: Array, valid: int, mfcc: Array, image: Array
) -> tuple[Array, Array, Array]:
    """Logits (C,), weights (T',) and vector (D,) of one segment."""
    weights = {name: value.double().numpy() for name, value in head.state_dict().items()}
    enhancement = config.enhancement
    guidance = []
    if (branch := config.mfcc_branch) is not None:
        pool = branch.frame_pool
        pooled = np.stack([mfcc[t : t + pool].mean(axis=0) for t in range(0, len(mfcc), pool)])
        hidden = plain_bilstm(pooled, part_of(weights, "mfcc.lstm."), branch.lstm_layers)
        guidance.append(plain_projection(hidden, part_of(weights, "mfcc.project."), attention=enhancement.attention))
    if config.spectrogram_branch is not None:
        if config.spectrogram_branch.standardise:
            image = (image - weights["spectrogram.standardise.mean"]) / weights["spectrogram.standardise.std"]
        guidance.append(
            plain_projection(image, part_of(weights, "spectrogram.project."), attention=enhancement.attention)
        )
    if enhancement.standardise_frames:
        frames = (frames - weights["standardise.mean"]) / weights["standardise.std"]
    paper = enhancement.form == "paper"
    raw = weights["enhance.weight"] @ np.concatenate(guidance) + weights["enhance.bias"] if guidance else None
    vector = np.zeros(frames.shape[1])
    used = np.zeros(len(frames))
    for t, frame in enumerate(frames):
        plain = 1 / len(frames) if paper else (1 / valid if t < valid else 0.0)
        if raw is None:
            used[t] = plain
        elif paper:
            used[t] = max(raw[t], 0) if enhancement.relu else raw[t]
        else:
            used[t] = max(raw[t], 0) * plain
        vector += used[t] * frame
    if enhancement.beside:
        vector = np.concatenate([vector, *guidance])
    return weights["classify.weight"] @ vector + weights["classify.bias"], used, vector


def random_head(config: ModelConfig) -> EnhancementHead:
    """A head whose biases, norms and attention all change the result visibly."""
    torch.manual_seed(3)
    head = EnhancementHead(config).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if "attention" in name or name.endswith("bias"):
                parameter.normal_(std=0.1, generator=generator)
        head.classify.weight.mul_(20)
        if head.enhance is not None and head.form == "mean_start":
            head.enhance.weight.mul_(10)
            head.enhance.bias.add_(0.5)
        for name, buffer in head.named_buffers():
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + (0.5 if name.endswith("std") else 0.0))
    return head


def random_inputs(config: ModelConfig, batch: int = BATCH) -> tuple[Tensor, Tensor, Tensor]:
    """Frames (B, T', D), MFCC (B, 300, 40) and image (B, 36, 256)."""
    generator = torch.Generator().manual_seed(1)
    shapes = ((config.backbone.frames, config.backbone.dim), (300, 40), (36, 256))
    frames, mfcc, image = (torch.randn(batch, *shape, generator=generator) for shape in shapes)
    return frames, mfcc, image


def used_inputs(config: ModelConfig, mfcc: Tensor, image: Tensor) -> tuple[Tensor | None, Tensor | None]:
    return mfcc if config.mfcc_branch else None, image if config.spectrogram_branch else None


def assert_equals_plain(head: EnhancementHead, config: ModelConfig, batch: int = BATCH) -> HeadOutput:
    frames, mfcc, image = random_inputs(config, batch)
    with torch.inference_mode():
        found: HeadOutput = head(frames, VALID[:batch], *used_inputs(config, mfcc, image))
    for row in range(batch):
        arrays = (value[row].double().numpy() for value in (frames, mfcc, image))
        frame_array, mfcc_array, image_array = arrays
        expected = plain_head(head, config, frame_array, int(VALID[row]), mfcc_array, image_array)
        for name, ours, theirs in zip(HeadOutput._fields, found, expected, strict=True):
            tolerance = 1e-5 * np.abs(theirs).max()
            np.testing.assert_allclose(ours[row].numpy(), theirs, rtol=0, atol=tolerance, err_msg=name)
    return found


class TestHeadEqualsAPlainRecomputation:
    @pytest.mark.parametrize("beside", [True, False])
    @pytest.mark.parametrize("attention", [True, False])
    @pytest.mark.parametrize("form", ["paper", "mean_start"])
    @pytest.mark.parametrize("ablation", ABLATIONS)
    def test_every_form_and_ablation(self, form: str, ablation: str, attention: bool, beside: bool) -> None:
        enhancement = EnhancementConfig(
            guidance_dim=16, form=form, attention=attention, standardise_frames=form == "mean_start", beside=beside
        )
        config = tiny_config(enhancement=enhancement, **ABLATIONS[ablation])
        found = assert_equals_plain(random_head(config), config)
        assert found.logits.shape == (BATCH, 4)
        assert found.weights.shape == (BATCH, 150)
        assert found.vector.shape == (BATCH, config.vector_dim)
        branches = (config.mfcc_branch is not None) + (config.spectrogram_branch is not None)
        assert config.vector_dim == 64 + (16 * branches if beside else 0)
        assert found.logits.std(0).min() > 0.01  # the segments do differ

    @pytest.mark.parametrize("relu", [True, False])
    def test_the_papers_sizes(self, relu: bool) -> None:
        config = dataclasses.replace(PAPER, enhancement=EnhancementConfig(relu=relu))
        found = assert_equals_plain(random_head(config), config, batch=2)
        assert bool((found.weights < 0).any()) is not relu

    def test_the_bundled_model(self, bundled: EmotionModel) -> None:
        found = assert_equals_plain(bundled.network.head, bundled.config)
        torch.testing.assert_close(found.weights[1, 100:], torch.zeros(50))

    def test_unguided_segments_are_mean_pooled(self) -> None:
        config = tiny_config()
        head = random_head(config)
        frames, mfcc, image = random_inputs(config)
        unguided = torch.tensor([True, False, True])
        with torch.inference_mode():
            guided = head(frames, VALID, mfcc, image).weights
            weights = head(frames, VALID, mfcc, image, unguided=unguided).weights
        torch.testing.assert_close(weights[1], guided[1], rtol=0, atol=0)
        torch.testing.assert_close(weights[0], torch.full((150,), 1 / 150))
        torch.testing.assert_close(weights[2], torch.eye(150)[0])

    def test_unguided_segments_have_no_guidance_beside(self) -> None:
        config = tiny_config(enhancement=EnhancementConfig(guidance_dim=16, beside=True))
        head = random_head(config)
        frames, mfcc, image = random_inputs(config)
        unguided = torch.tensor([True, False, True])
        with torch.inference_mode():
            beside = head(frames, VALID, mfcc, image, unguided=unguided).vector[:, 64:]
        assert beside.shape == (BATCH, 32)
        assert (beside != 0).any(dim=1).tolist() == [False, True, False]


class TestSizes:
    """The counts are sums over the paper's and CA-MSER's sizes, written out."""

    LSTM = 2 * 4 * 256 * (40 + 256 + 2) + 2 * 4 * 256 * (512 + 256 + 2)
    MFCC = LSTM + 3 * (512 * 512 + 512) + (300 * 512 * 128 + 128)
    SPECTROGRAM = 3 * (256 * 256 + 256) + (36 * 256 * 128 + 128)

    def test_the_papers_head(self) -> None:
        head = EnhancementHead(PAPER)
        assert head.mfcc is not None
        assert head.spectrogram is not None
        assert parameters_of(head.mfcc) == self.MFCC == 22_636_160
        assert parameters_of(head.spectrogram) == self.SPECTROGRAM == 1_377_152
        assert parameters_of(head.enhance) == 256 * 150 + 150
        assert parameters_of(head.classify) == 512 * 4 + 4
        assert parameters_of(head) == self.MFCC + self.SPECTROGRAM + 38_550 + 2_052

    def test_the_papers_shapes(self) -> None:
        head = EnhancementHead(PAPER).eval()
        assert head.mfcc is not None
        shapes = {}
        head.mfcc.lstm.register_forward_hook(lambda _m, _i, output: shapes.update(lstm=output[0].shape))
        head.mfcc.register_forward_hook(lambda _m, _i, output: shapes.update(mfcc=output.shape))
        head.spectrogram.register_forward_hook(lambda _m, _i, output: shapes.update(spectrogram=output.shape))
        frames, mfcc, image = random_inputs(PAPER, 2)
        with torch.inference_mode():
            output = head(frames, VALID[:2], mfcc, image)
        shapes |= {name: value.shape for name, value in output._asdict().items()}
        assert shapes == {
            "lstm": (2, 300, 512),
            "mfcc": (2, 128),
            "spectrogram": (2, 128),
            "logits": (2, 4),
            "weights": (2, 150),
            "vector": (2, 512),
        }
        assert frames.shape[1:] == (150, 512)

    def test_alexnet_sees_256_by_384_and_gives_36_positions(self) -> None:
        image = SpectrogramImage(SpectrogramBranchConfig())
        seen: list[torch.Size] = []
        image.features.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].shape))
        with torch.inference_mode():
            assert image(torch.rand(2, 300, 200)).shape == (2, 36, 256)
        assert seen == [(2, 3, 256, 384)]

    def test_the_bundled_model(self, bundled: EmotionModel) -> None:
        head, frozen = bundled.network.head, bundled.network.frozen
        lstm = 2 * 4 * 32 * (40 + 32 + 2)
        mfcc = lstm + 3 * (64 * 64 + 64) + (75 * 64 * 128 + 128)
        assert parameters_of(head) == mfcc + self.SPECTROGRAM + (256 * 150 + 150) + (1536 * 7 + 7)
        layer = 4 * 512 * 512 + 3 * 512 + 2 * 512 * 2048 + 2048 + 512 + 4 * 512
        convolutions = 80 * 512 * 3 + 512 + 512 * 512 * 3 + 512
        assert parameters_of(frozen.backbone) == 4 * layer + convolutions + 150 * 512
        assert parameters_of(frozen.alexnet) == 2_469_696  # torchvision's alexnet().features
        assert not any(parameter.requires_grad for parameter in frozen.parameters())

    def test_half_of_the_parameters_are_not_hidden_in_an_ablation(self) -> None:
        counts = {
            name: parameters_of(EnhancementHead(dataclasses.replace(PAPER, **changes)))
            for name, changes in ABLATIONS.items()
        }
        assert counts["encoder alone"] == 2_052
        assert counts["mfcc only"] == self.MFCC + (128 * 150 + 150) + 2_052
        assert counts["spectrogram only"] == self.SPECTROGRAM + (128 * 150 + 150) + 2_052
        plain = dataclasses.replace(PAPER, enhancement=EnhancementConfig(attention=False))
        assert counts["whole"] - parameters_of(EnhancementHead(plain)) == 3 * (512 * 513 + 256 * 257)


class TestAblationsComputeOnlyWhatTheyUse:
    @pytest.mark.parametrize("ablation", ABLATIONS)
    def test_inputs(self, ablation: str) -> None:
        config = tiny_config(**ABLATIONS[ablation])
        assert set(FeatureExtractor.from_config(config).inputs) == INPUTS[ablation]
        shapes = {"mfcc": (300, 40), "spectrogram": (300, 200), "log_mel": (80, 300)}
        inputs = {name: torch.rand(2, *shapes[name]) for name in INPUTS[ablation]}
        with torch.inference_mode():
            output = MsEmoBoost(config).eval()(inputs, torch.tensor([48_000, 5]))
        assert output.logits.shape == (2, 4)

    @pytest.mark.parametrize("attention", [True, False])
    @pytest.mark.parametrize("ablation", ABLATIONS)
    def test_no_parameter_is_left_unused(self, ablation: str, attention: bool) -> None:
        config = tiny_config(
            enhancement=EnhancementConfig(guidance_dim=16, attention=attention, form="mean_start"),
            **ABLATIONS[ablation],
        )
        frozen = FrozenEncoders(config)
        assert (frozen.alexnet is not None) is ("spectrogram" in INPUTS[ablation])
        head = random_head(config)
        frames, mfcc, image = random_inputs(config)
        head(frames, VALID, *used_inputs(config, mfcc, image)).logits.square().sum().backward()
        without = [name for name, parameter in head.named_parameters() if parameter.grad is None]
        assert without == []
        assert any("attention" in name for name, _ in head.named_parameters()) is (
            attention and ablation != "encoder alone"
        )


class TestOptions:
    def test_mean_start_begins_near_mean_pooling(self) -> None:
        torch.manual_seed(0)
        config = dataclasses.replace(PAPER, enhancement=EnhancementConfig(form="mean_start"))
        frames, mfcc, image = random_inputs(config)
        with torch.inference_mode():
            weights = EnhancementHead(config).eval()(frames, VALID, mfcc, image).weights
        for row, valid in zip(weights, VALID.tolist(), strict=True):
            torch.testing.assert_close(row[:valid] * valid, torch.ones(valid), rtol=0, atol=0.1)
            assert not row[valid:].any()

    def test_padding_frames_count_in_the_papers_form_only(self) -> None:
        for form, counts in (("paper", True), ("mean_start", False)):
            config = tiny_config(enhancement=EnhancementConfig(guidance_dim=16, form=form))
            head = random_head(config)
            frames, mfcc, image = random_inputs(config)
            with torch.inference_mode():
                before = head(frames, VALID, mfcc, image).logits
                frames[1, 100:] += 5
                after = head(frames, VALID, mfcc, image).logits
            assert torch.equal(before[[0, 2]], after[[0, 2]])
            assert torch.equal(before[1], after[1]) is not counts

    def test_a_constant_channel_keeps_its_scale(self) -> None:
        head = EnhancementHead(tiny_config())
        head.standardise.set_statistics(torch.full((64,), 2.0), torch.tensor([0.0, 4.0] * 32))
        found = head.standardise(torch.full((1, 3, 64), 10.0))
        torch.testing.assert_close(found, torch.tensor([8.0, 2.0] * 32).expand(1, 3, 64))

    @pytest.mark.parametrize(
        ("samples", "frames"), [(0, 1), (1, 1), (320, 1), (321, 2), (32_000, 100), (47_681, 150), (48_000, 150)]
    )
    def test_valid_frames(self, samples: int, frames: int) -> None:
        assert frames_of(torch.tensor([samples]), BackboneConfig()).tolist() == [frames]


class TestAlexNetEqualsTorchvisions:
    def test_layers_keys_and_values(self) -> None:
        torch.manual_seed(0)
        theirs, ours = alexnet(weights=None).features.eval(), alexnet_features().eval()
        assert {name: value.shape for name, value in ours.state_dict().items()} == {
            name: value.shape for name, value in theirs.state_dict().items()
        }
        ours.load_state_dict(theirs.state_dict(), strict=True)
        image = torch.randn(2, 3, 256, 384)
        with torch.inference_mode():
            found, expected = ours(image.clone()), theirs(image.clone())
        assert found.shape == (2, 256, 7, 11)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)

    def test_spectrogram_to_positions_with_the_bundled_weights(self, bundled: EmotionModel) -> None:
        ours = bundled.network.frozen.alexnet
        assert ours is not None
        theirs = alexnet(weights=None).eval()
        theirs.features.load_state_dict(ours.features.state_dict(), strict=True)
        spectrogram = torch.rand(2, 300, 200, generator=torch.Generator().manual_seed(0))
        # Frequency runs down the picture, time to the right, the same in three colours.
        pictures = torch.stack([plane.T.expand(3, -1, -1) for plane in spectrogram])
        resized = image_functional.resize(pictures, [256, 384], antialias=False)
        normalised = image_functional.normalize(resized, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        with torch.inference_mode():
            maps = theirs.avgpool(theirs.features(normalised))  # (2, 256, 6, 6)
            found = ours(spectrogram)
        expected = torch.stack([maps[:, :, row, column] for row in range(6) for column in range(6)], dim=1)
        assert found.abs().max() > 1
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def log_mel(bundled: EmotionModel, clips: list[Path]) -> Tensor:
    """(4, 80, 300) of real speech."""
    prepared = preparation_for(bundled.config)([Utterance(clip.stem, str(clip)) for clip in clips[6:9]])
    return torch.from_numpy(prepared.inputs["log_mel"]).float()


class TestBundledEncoder:
    def test_equals_transformers_full_depth_encoder(self, bundled: EmotionModel, log_mel: Tensor) -> None:
        backbone = bundled.network.frozen.backbone
        assert backbone.config.layers == (2, 3, 4)
        base = {"d_model": 512, "encoder_layers": 4, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048}
        config = WhisperConfig(**base, num_mel_bins=80, max_source_positions=150, attn_implementation="eager")
        encoder = WhisperEncoder(config).eval()
        encoder.layer_norm = torch.nn.Identity()
        encoder.load_state_dict(backbone.encoder.state_dict(), strict=True)
        with torch.inference_mode():
            states = encoder(log_mel, output_hidden_states=True).hidden_states
            found = backbone(log_mel)
        assert len(states) == 5
        for layer, part in zip((2, 3, 4), found.split(512, dim=-1), strict=True):
            # Processors differ in how they sum: layer 4's isolated values of 500 show it most.
            assert (part - states[layer]).abs().max() <= 5e-5 * states[layer].abs().max()

    def test_equals_a_plain_recomputation(self, bundled: EmotionModel, log_mel: Tensor) -> None:
        backbone = bundled.network.frozen.backbone
        with torch.inference_mode():
            states = plain_states(backbone, log_mel[:2])
            found = backbone(log_mel[:2])
        for layer, part in zip((2, 3, 4), found.split(512, dim=-1), strict=True):
            # Processors differ in how they sum: layer 4's isolated values of 500 show it most.
            assert (part - states[layer]).abs().max() <= 5e-5 * states[layer].abs().max()


def test_whole_network_is_frozen_part_then_head() -> None:
    config = tiny_config(mfcc_branch=MfccBranchConfig(frame_pool=4, lstm_layers=2, lstm_hidden=8))
    torch.manual_seed(0)
    network = MsEmoBoost(config).eval()
    inputs = {"mfcc": torch.rand(2, 300, 40), "spectrogram": torch.rand(2, 300, 200), "log_mel": torch.rand(2, 80, 300)}
    with torch.inference_mode():
        outputs = network.frozen(inputs)
        expected = network.head(outputs["frames"], torch.tensor([150, 1]), inputs["mfcc"], outputs["image"])
        found = network(inputs, torch.tensor([48_000, 100]))
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=0)
