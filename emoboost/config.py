"""Every number that changes a label, as one value that is stored with the model.

A `ModelConfig` is the content of a model folder's `config.json`. Nothing else in the package holds a sample rate, a
window length or a dimension.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from emoboost.consistency import refuse_inconsistent_model
from emoboost.errors import ModelError
from emoboost.limits import parse_json, refuse_oversized_model
from emoboost.printable import printable, shown

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class SegmentConfig:
    """How an utterance is cut (paper, Input)."""

    sample_rate: int = 16_000
    samples: int = 48_000
    """Length of every segment: 3 seconds."""
    tail: Literal["pad", "align"] = "pad"
    """`pad`: the last piece is zero-padded (paper). `align`: the last segment ends at the utterance's end (CA-MSER)."""
    min_tail_samples: int = 8_000
    """A padded last piece shorter than this is dropped when another segment exists."""
    preemphasis: float = 0.97
    """Coefficient of the filter over the whole utterance that precedes MFCC and spectrogram (not the encoder)."""
    loudness: float | None = None
    """RMS to which each segment's loudest tenth of a second is brought, so that a recording's level changes nothing;
    None leaves segments as they are (paper)."""


@dataclass(frozen=True, kw_only=True)
class MfccConfig:
    """HTK-style MFCCs as librosa computes them (paper, Input; hop from CA-MSER)."""

    n_mfcc: int = 40
    n_fft: int = 2_048
    hop_length: int = 160
    n_mels: int = 128
    top_db: float = 80.0
    frames: int = 300
    l2_normalise: bool = True
    """Each frame is scaled to unit length (CA-MSER)."""


@dataclass(frozen=True, kw_only=True)
class SpectrogramConfig:
    """The log spectrogram that the AlexNet branch sees (paper, Input; fixed dB range instead of fold statistics)."""

    n_fft: int = 800
    win_length: int = 640
    hop_length: int = 160
    bins: int = 200
    frames: int = 300
    top_db: float = 80.0


@dataclass(frozen=True, kw_only=True)
class LogMelConfig:
    """Whisper's input (Radford et al. 2022), computed per segment."""

    n_fft: int = 400
    hop_length: int = 160
    n_mels: int = 80
    frames: int = 300


@dataclass(frozen=True, kw_only=True)
class WaveformConfig:
    """What a wav2vec 2.0, HuBERT or WavLM encoder is beyond its sizes, in the words of transformers' configs."""

    do_normalize: bool
    """It hears each segment scaled to zero mean and unit variance over the samples before the padding."""
    conv_dim: tuple[int, ...]
    """Channels of each convolution from samples to frames."""
    conv_kernel: tuple[int, ...]
    conv_stride: tuple[int, ...]
    conv_bias: bool
    feat_extract_norm: Literal["group", "layer"]
    """`group`: each channel over time, after the first convolution. `layer`: each frame, after every one."""
    feat_extract_activation: str
    hidden_act: str
    do_stable_layer_norm: bool
    """LayerNorm before each sub-layer (and after the last layer) instead of after each."""
    layer_norm_eps: float
    num_conv_pos_embeddings: int
    num_conv_pos_embedding_groups: int
    feat_proj_layer_norm: bool | None = None
    """HuBERT only."""
    conv_pos_batch_norm: bool | None = None
    """HuBERT only."""
    num_buckets: int | None = None
    """WavLM only."""
    max_bucket_distance: int | None = None
    """WavLM only."""


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """The frozen speech encoder and which of its hidden states are used.

    An encoder reads one kind of input, log-mel or waveform, and the text of the config has the key of that one only
    (`ModelConfig.to_json`).
    """

    family: Literal["whisper", "wav2vec2", "hubert", "wavlm"] = "whisper"
    source: str = "openai/whisper-base"
    """Hub id or folder that the weights came from."""
    revision: str | None = None
    """Commit on the hub."""
    layers: tuple[int, ...] = (6,)
    """Layer k is transformers' `hidden_states[k]` of the full model; several layers are concatenated per frame."""
    full_layers: int = 6
    """Layers of the full encoder; a final LayerNorm after the last of them applies to that one only."""
    frames: int = 150
    """T': frames per segment."""
    frame_samples: int = 320
    """Samples from one frame to the next (20 ms)."""
    width: int = 512
    """Channels of one layer's frames."""
    heads: int = 8
    ffn: int = 2_048
    log_mel: LogMelConfig = field(default_factory=LogMelConfig)
    """Whisper's input."""
    waveform: WaveformConfig | None = None
    """The other families' input and architecture; None for Whisper."""

    @property
    def reads(self) -> Literal["log_mel", "waveform"]:
        """Name of the input."""
        return "log_mel" if self.waveform is None else "waveform"

    @property
    def dim(self) -> int:
        """Channels per frame after concatenation."""
        return self.width * len(self.layers)

    @property
    def depth(self) -> int:
        """How many Transformer layers are run: one at least, because transformers shows no state without any."""
        return max(1, *self.layers)


@dataclass(frozen=True, kw_only=True)
class MfccBranchConfig:
    """Bi-LSTM over MFCC frames (paper, Model 1; sizes from CA-MSER)."""

    frame_pool: int = 1
    """Consecutive frames averaged into one before the LSTM; 1 is the paper's form."""
    lstm_layers: int = 2
    lstm_hidden: int = 256
    lstm_dropout: float = 0.5


@dataclass(frozen=True, kw_only=True)
class SpectrogramBranchConfig:
    """AlexNet over the spectrogram image (paper, Model 2; sizes from CA-MSER)."""

    height: int = 256
    width: int = 384
    standardise: bool = False
    """Scale AlexNet's 256 output channels with training statistics; False is the paper's form."""


@dataclass(frozen=True, kw_only=True)
class EnhancementConfig:
    """From guidance to frame weights to one vector (paper, Model 3 to 6)."""

    attention: bool = True
    """Residual self-attention on each branch; False is the ablation of the paper's Table 4."""
    guidance_dim: int = 128
    guidance_dropout: float = 0.1
    form: Literal["paper", "mean_start"] = "paper"
    """`paper`: weights = W g + b. `mean_start`: weights = ReLU(1 + W g) / valid frames, zero on padding frames, so
    that training starts at mean pooling."""
    relu: bool = True
    """A ReLU after W g + b in the paper's form (CA-MSER)."""
    standardise_frames: bool = False
    """Scale the encoder's channels with training statistics before weighting; False is the paper's form."""
    beside: bool = False
    """The guidance itself goes to the classifier, too, beside the enhanced vector; False is the paper's form."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All of a model but its weights.

    `mfcc_branch` or `spectrogram_branch` set to None removes that guidance (paper, Table 3); both None is the encoder
    alone with mean pooling. Only inputs that a present part uses are ever computed.
    """

    name: str
    classes: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    mfcc: MfccConfig = field(default_factory=MfccConfig)
    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    mfcc_branch: MfccBranchConfig | None = field(default_factory=MfccBranchConfig)
    spectrogram_branch: SpectrogramBranchConfig | None = field(default_factory=SpectrogramBranchConfig)
    enhancement: EnhancementConfig = field(default_factory=EnhancementConfig)
    temperature: float = 1.0
    """Logits are divided by it before the softmax; fitted in training."""
    bias: tuple[float, ...] = ()
    """Added to the logits after the temperature, one number a class; empty is none. Fitted by `calibrate`."""
    calibrated_on: str | None = None
    """The user's own speech that temperature and bias were fitted on, in words; None for a model as it was trained."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Provenance: corpus, licence, recipe, seed, results. Free-form, shown by `model show`."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each weight file in the folder."""

    @property
    def vector_dim(self) -> int:
        """Channels of what the classifier sees of a segment."""
        branches = (self.mfcc_branch, self.spectrogram_branch)
        guidance = sum(branch is not None for branch in branches) * self.enhancement.guidance_dim
        return self.backbone.dim + (guidance if self.enhancement.beside else 0)

    def to_json(self) -> str:
        """Canonical text: the same config always gives the same bytes.

        Of the encoder's `log_mel` and `waveform` only the one that it reads is written, and `loudness`, `beside`,
        `bias` and `calibrated_on` only where there are some. So a model that was made before there were such keys
        keeps its text, and with it its identity.
        """
        values = dataclasses.asdict(self)
        if self.segment.loudness is None:
            del values["segment"]["loudness"]
        if not self.enhancement.beside:
            del values["enhancement"]["beside"]
        del values["backbone"]["waveform" if self.backbone.reads == "log_mel" else "log_mel"]
        for name in ("bias", "calibrated_on"):
            if not values[name]:
                del values[name]
        return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "config.json") -> Self:
        """Parse `to_json`'s text.

        Raises:
            ModelError: not JSON, another schema version, an unknown or missing key, a value of the wrong type, a size
                that no model has, numbers that do not go together, or an encoder without the description of its input;
                the message names `source` and the key.
        """
        try:
            values = parse_json(text)
        except ValueError as error:
            raise ModelError(f"{source}: not JSON ({error}); copy the model folder again") from None
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise ModelError(
                f"{source}: schema_version is {shown(version)}, this release reads {SCHEMA_VERSION}; "
                "use the release that made the model, or train it again"
            )
        parsed = parse_value(cls, values, source)
        assert isinstance(parsed, cls)
        family = parsed.backbone.family
        if (family == "whisper") != (parsed.backbone.reads == "log_mel"):
            raise ModelError(
                f"{source}: backbone: key 'waveform' and family {family!r} do not go together; "
                "copy the model folder again"
            )
        refuse_oversized_model(parsed, source)
        refuse_inconsistent_model(parsed, source)
        return parsed


def parse_value(kind: Any, value: Any, where: str) -> Any:
    """Build a value of the annotated type `kind` from plain JSON, refusing anything that does not fit."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (kind,) = [option for option in arguments if option is not type(None)]
        return None if value is None else parse_value(kind, value, where)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _parse_dataclass(kind, value, where)
    if origin is Literal:
        if value not in arguments:
            raise ModelError(f"{where}: {shown(value)} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ModelError(f"{where}: expected a list, found {shown(value)}")
        return tuple(parse_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        return _parse_mapping(arguments[1], value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ModelError(f"{where}: expected {kind.__name__}, found {shown(value)}")
    return value


def _parse_mapping(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ModelError(f"{where}: expected an object, found {shown(value)}")
    return (
        value
        if kind is Any
        else {key: parse_value(kind, item, f"{where}: {printable(key)}") for key, item in value.items()}
    )


def _parse_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ModelError(f"{where}: expected an object, found {shown(value)}")
    names = {f.name for f in dataclasses.fields(kind)}
    required = {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if unknown := sorted(value.keys() - names):
        raise ModelError(f"{where}: unknown key {shown(unknown[0])}; use the release that made the model")
    if missing := sorted(required - value.keys()):
        raise ModelError(f"{where}: key {missing[0]!r} is missing; copy the model folder again")
    hints = typing.get_type_hints(kind)
    return kind(**{name: parse_value(hints[name], item, f"{where}: {name}") for name, item in value.items()})
