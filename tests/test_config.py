"""The config is one value that survives its text, and refuses every text that is not its own."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoboost.config import (
    SCHEMA_VERSION,
    BackboneConfig,
    EnhancementConfig,
    MfccBranchConfig,
    MfccConfig,
    ModelConfig,
    SegmentConfig,
    SpectrogramBranchConfig,
    WaveformConfig,
)
from emoboost.errors import ModelError

DEFAULT = ModelConfig(name="x", classes=("anger", "neutral"))

numbers = st.floats(0.01, 100, allow_nan=False)
texts = st.text(max_size=8)
shares = st.floats(0, 1)
divisors = st.sampled_from([number for number in range(1, 301) if 300 % number == 0])
names = texts.filter(str.strip)
configs = st.builds(
    ModelConfig,
    name=texts,
    classes=st.lists(names, min_size=1, max_size=4, unique=True).map(tuple),
    segment=st.builds(SegmentConfig, tail=st.sampled_from(["pad", "align"]), preemphasis=shares),
    mfcc=st.builds(MfccConfig, n_mfcc=st.integers(1, 128), top_db=numbers, l2_normalise=st.booleans()),
    backbone=st.builds(
        BackboneConfig,
        source=texts,
        revision=st.none() | texts,
        layers=st.lists(st.integers(0, 6), min_size=1, max_size=4).map(tuple),
        width=st.integers(1, 512).map(lambda eighth: 8 * eighth),
    ),
    mfcc_branch=st.none() | st.builds(MfccBranchConfig, frame_pool=divisors, lstm_dropout=shares),
    spectrogram_branch=st.none() | st.builds(SpectrogramBranchConfig, standardise=st.booleans()),
    enhancement=st.builds(
        EnhancementConfig, form=st.sampled_from(["paper", "mean_start"]), relu=st.booleans(), beside=st.booleans()
    ),
    temperature=numbers,
    training=st.dictionaries(texts, st.integers() | texts | st.lists(numbers), max_size=3),
    weights=st.dictionaries(texts, texts, max_size=2),
)
calibrated_configs = st.builds(
    lambda config, biases, words: dataclasses.replace(config, bias=biases[: len(config.classes)], calibrated_on=words),
    configs,
    st.tuples(*[st.floats(-100, 100)] * 4),
    names,
)


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    values = json.loads(DEFAULT.to_json())
    change(values)
    return json.dumps(values)


@given(configs | calibrated_configs)
def test_round_trip(config: ModelConfig) -> None:
    parsed = ModelConfig.from_json(config.to_json())
    assert parsed == config
    assert parsed.to_json() == config.to_json()


def test_what_no_calibration_set_is_not_in_the_text() -> None:
    assert not {"bias", "calibrated_on"} & json.loads(DEFAULT.to_json()).keys()
    calibrated = dataclasses.replace(DEFAULT, bias=(0.5, -0.5), calibrated_on="calls")
    assert json.loads(calibrated.to_json()).items() >= {"calibrated_on": "calls"}.items()
    assert json.loads(calibrated.to_json())["bias"] == [0.5, -0.5]


@given(configs, st.randoms(use_true_random=False))
def test_text_does_not_depend_on_the_order_of_keys(config: ModelConfig, random: Any) -> None:
    values = list(json.loads(config.to_json()).items())
    random.shuffle(values)
    assert ModelConfig.from_json(json.dumps(dict(values))).to_json() == config.to_json()


def test_defaults_are_the_papers() -> None:
    assert (DEFAULT.segment.sample_rate, DEFAULT.segment.samples, DEFAULT.segment.tail) == (16_000, 48_000, "pad")
    assert (DEFAULT.mfcc.frames, DEFAULT.mfcc.n_mfcc) == (300, 40)
    assert (DEFAULT.spectrogram.frames, DEFAULT.spectrogram.bins) == (300, 200)
    assert DEFAULT.mfcc_branch == MfccBranchConfig(frame_pool=1, lstm_layers=2, lstm_hidden=256, lstm_dropout=0.5)
    assert DEFAULT.spectrogram_branch == SpectrogramBranchConfig(height=256, width=384, standardise=False)
    assert DEFAULT.enhancement == EnhancementConfig(
        attention=True, guidance_dim=128, guidance_dropout=0.1, form="paper", relu=True, standardise_frames=False
    )


def test_dimension_follows_the_layers() -> None:
    assert BackboneConfig(layers=(2, 3, 4), width=512).dim == 1_536


def test_a_whole_number_is_a_float_where_one_is_asked_for() -> None:
    parsed = ModelConfig.from_json(changed(lambda values: values.update(temperature=2)))
    assert parsed == dataclasses.replace(DEFAULT, temperature=2.0)
    assert isinstance(parsed.temperature, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(colour=1), r"unknown key 'colour'; use the release that made the model"),
        (lambda v: v["mfcc"].update(colour=1), r"m/config\.json: mfcc: unknown key 'colour'"),
        (lambda v: v["backbone"]["log_mel"].update(x=1), r"backbone: log_mel: unknown key 'x'"),
        (lambda v: v.pop("classes"), r"key 'classes' is missing; copy the model folder again"),
        (lambda v: v.update(classes="anger"), r"classes: expected a list, found 'anger'"),
        (lambda v: v.update(classes=["anger", 3]), r"classes\[1\]: expected str, found 3"),
        (lambda v: v["segment"].update(samples=1.5), r"segment: samples: expected int, found 1\.5"),
        (lambda v: v["segment"].update(samples=True), r"segment: samples: expected int, found True"),
        (lambda v: v["segment"].update(samples=None), r"segment: samples: expected int, found None"),
        (lambda v: v.update(temperature="1"), r"temperature: expected float, found '1'"),
        (lambda v: v.update(temperature=True), r"temperature: expected float, found True"),
        (lambda v: v.update(bias=0.5), r"bias: expected a list, found 0\.5"),
        (lambda v: v.update(bias=[0.5, "1"]), r"bias\[1\]: expected float, found '1'"),
        (lambda v: v.update(bias=[0.5]), r"bias: \[0\.5\] must be 2 numbers from -100 to 100, one a class, or none"),
        (lambda v: v.update(bias=[0.5, float("nan")]), r"bias: \[0\.5, nan\] must be 2 numbers"),
        (lambda v: v.update(bias=[0.5, float("inf")]), r"bias: \[0\.5, inf\] must be 2 numbers"),
        (lambda v: v.update(bias=[0, 101]), r"bias: \[0\.0, 101\.0\] must be 2 numbers from -100 to 100"),
        (lambda v: v.update(calibrated_on=3), r"calibrated_on: expected str, found 3"),
        (lambda v: v.update(calibrated_on=" "), r"calibrated_on: ' ' must be words that say on which speech"),
        (lambda v: v["enhancement"].update(relu=1), r"enhancement: relu: expected bool, found 1"),
        (lambda v: v["segment"].update(tail="cut"), r"segment: tail: 'cut' is none of 'pad', 'align'"),
        (lambda v: v.update(mfcc_branch=[]), r"mfcc_branch: expected an object, found \[\]"),
        (lambda v: v.update(mfcc=None), r"mfcc: expected an object, found None"),
        (lambda v: v["backbone"].update(revision=3), r"backbone: revision: expected str, found 3"),
        (lambda v: v.update(training=[1]), r"training: expected (dict|an object), found \[1\]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses_what_does_not_fit(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ModelConfig.from_json(changed(change), "m/config.json")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_refuses_another_schema_version(version: object) -> None:
    text = changed(lambda values: values.update(schema_version=version))
    with pytest.raises(ModelError, match=rf"schema_version is {version!r}, this release reads {SCHEMA_VERSION}"):
        ModelConfig.from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[1", "nan?"])
def test_refuses_what_is_no_json(text: str) -> None:
    with pytest.raises(ModelError, match=r"m/config\.json: not JSON \(.*\); copy the model folder again"):
        ModelConfig.from_json(text, "m/config.json")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"', "{}"])
def test_refuses_json_that_is_no_config(text: str) -> None:
    with pytest.raises(ModelError, match="schema_version is None"):
        ModelConfig.from_json(text)


class TestInputOfTheEncoder:
    WAVEFORM = WaveformConfig(
        do_normalize=False,
        conv_dim=(8, 8),
        conv_kernel=(10, 3),
        conv_stride=(5, 2),
        conv_bias=True,
        feat_extract_norm="layer",
        feat_extract_activation="gelu",
        hidden_act="gelu",
        do_stable_layer_norm=True,
        layer_norm_eps=1e-5,
        num_conv_pos_embeddings=128,
        num_conv_pos_embedding_groups=16,
        num_buckets=320,
        max_bucket_distance=800,
    )
    WAVLM = dataclasses.replace(DEFAULT, backbone=BackboneConfig(family="wavlm", frames=4_799, waveform=WAVEFORM))

    def test_only_what_it_reads_is_written(self) -> None:
        for config, reads, other in ((DEFAULT, "log_mel", "waveform"), (self.WAVLM, "waveform", "log_mel")):
            backbone = json.loads(config.to_json())["backbone"]
            assert config.backbone.reads == reads
            assert reads in backbone
            assert other not in backbone

    def test_round_trip(self) -> None:
        parsed = ModelConfig.from_json(self.WAVLM.to_json())
        assert parsed == self.WAVLM
        assert parsed.to_json() == self.WAVLM.to_json()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda v: v["backbone"].update(family="whisper"),
                r"family 'whisper' do not go together",
            ),
            (lambda v: v["backbone"].pop("waveform"), r"key 'waveform' and family 'wavlm' do not go together"),
            (
                lambda v: v["backbone"].update(family="bert"),
                r"family: 'bert' is none of 'whisper', 'wav2vec2'",
            ),
            (lambda v: v["backbone"]["waveform"].pop("conv_dim"), r"waveform: key 'conv_dim' is missing"),
            (lambda v: v["backbone"]["waveform"].update(gain=1), r"waveform: unknown key 'gain'"),
            (lambda v: v["backbone"]["waveform"].update(conv_dim=[8, "8"]), r"waveform: conv_dim\[1\]: expected int"),
            (
                lambda v: v["backbone"]["waveform"].update(feat_extract_norm="x"),
                r"'x' is none of 'group', 'layer'",
            ),
            (lambda v: v["backbone"]["waveform"].update(do_normalize=1), r"do_normalize: expected bool, found 1"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_refuses_what_does_not_fit(self, change: Callable[[dict[str, Any]], object], message: str) -> None:
        values = json.loads(self.WAVLM.to_json())
        change(values)
        with pytest.raises(ModelError, match=message):
            ModelConfig.from_json(json.dumps(values), "m/config.json")
