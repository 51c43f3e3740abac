"""Whether the numbers of a model go together: a network can be built from them, and gives numbers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emoboost.errors import ModelError
from emoboost.printable import shown

if TYPE_CHECKING:
    from emoboost.config import BackboneConfig, ModelConfig, WaveformConfig

SMALLEST_IMAGE = 63
"""Pixels; of fewer AlexNet's convolutions leave nothing."""
TEMPERATURES = (1e-3, 1e3)
"""Beyond these all probabilities are 0 or 1, or equal."""
SLOWEST = 100
"""Samples a second; loudness is measured over hundredths of it."""
BIASES = 100
"""Beyond it, with either sign, a bias decides alone; far beyond, its sum with a logit is no number."""
FEWEST_BUCKETS = 4
"""Of distances in WavLM, whose formula divides by a quarter of them."""
Rule = tuple[str, object, bool, str]
"""Key, value, whether it is right, and what it must be."""


def refuse_inconsistent_model(config: "ModelConfig", where: str) -> None:
    """Refuse a model of which no network can be made, or whose network would give no probabilities.

    Args:
        config: of the model; each of its numbers has a size that some model has.
        where: how messages name it.

    Raises:
        ModelError: it names the key, the value, and what it must be.
    """
    for key, value, is_right, rule in _rules(config):
        if not is_right:
            raise ModelError(f"{where}: {key}: {shown(value)} must be {rule}; copy the model folder again")


def _rules(config: "ModelConfig") -> Iterator[Rule]:
    classes, temperature = config.classes, config.temperature
    are_names = len(set(classes)) == len(classes) > 0 and all(name.strip() for name in classes)
    yield "classes", list(classes), are_names, "different names, at least one"
    lowest, highest = TEMPERATURES
    yield "temperature", temperature, lowest <= temperature <= highest, f"from {lowest:g} to {highest:g}"
    bias, on = config.bias, config.calibrated_on
    is_bias = len(bias) in (0, len(classes)) and all(-BIASES <= each <= BIASES for each in bias)
    yield "bias", list(bias), is_bias, f"{len(classes)} numbers from -{BIASES} to {BIASES}, one a class, or none"
    yield "calibrated_on", on, on is None or bool(on.strip()), "words that say on which speech"
    yield _share("segment: preemphasis", config.segment.preemphasis)
    loudness, rate = config.segment.loudness, config.segment.sample_rate
    if loudness is not None:
        yield "segment: loudness", loudness, 0 < loudness <= 1, "above 0 and at most 1"
        yield "segment: sample_rate", rate, rate >= SLOWEST, f"at least {SLOWEST} where there is a loudness"
    yield _share("enhancement: guidance_dropout", config.enhancement.guidance_dropout)
    if config.mfcc_branch is not None:
        yield from _mfcc_rules(config)
    if config.spectrogram_branch is not None:
        yield from _spectrogram_rules(config)
    yield from _backbone_rules(config.backbone, config.segment.samples)


def _mfcc_rules(config: "ModelConfig") -> Iterator[Rule]:
    mfcc, branch = config.mfcc, config.mfcc_branch
    assert branch is not None
    yield _share("mfcc_branch: lstm_dropout", branch.lstm_dropout)
    yield _frames("mfcc", mfcc.frames, config.segment.samples, mfcc.hop_length)
    yield "mfcc: n_mfcc", mfcc.n_mfcc, mfcc.n_mfcc <= mfcc.n_mels, f"at most n_mels, {mfcc.n_mels}"
    yield "mfcc: top_db", mfcc.top_db, mfcc.top_db > 0, "positive"
    divides = mfcc.frames % branch.frame_pool == 0
    yield "mfcc_branch: frame_pool", branch.frame_pool, divides, f"a divisor of the frames of mfcc, {mfcc.frames}"


def _spectrogram_rules(config: "ModelConfig") -> Iterator[Rule]:
    spectrogram, branch = config.spectrogram, config.spectrogram_branch
    assert branch is not None
    bins, n_fft = 1 + spectrogram.n_fft // 2, spectrogram.n_fft
    yield _frames("spectrogram", spectrogram.frames, config.segment.samples, spectrogram.hop_length)
    yield "spectrogram: win_length", spectrogram.win_length, spectrogram.win_length <= n_fft, f"at most n_fft, {n_fft}"
    yield "spectrogram: bins", spectrogram.bins, spectrogram.bins <= bins, f"at most {bins}, which n_fft gives"
    yield "spectrogram: top_db", spectrogram.top_db, spectrogram.top_db > 0, "positive"
    for name, pixels in (("height", branch.height), ("width", branch.width)):
        yield f"spectrogram_branch: {name}", pixels, pixels >= SMALLEST_IMAGE, f"at least {SMALLEST_IMAGE}"


def _backbone_rules(backbone: "BackboneConfig", samples: int) -> Iterator[Rule]:
    width, layers, full = backbone.width, backbone.layers, backbone.full_layers
    yield "backbone: heads", backbone.heads, width % backbone.heads == 0, f"a divisor of the width, {width}"
    are_layers = len(layers) > 0 and max(layers) <= full
    yield "backbone: layers", list(layers), are_layers, f"at least one, each from 0 to full_layers, {full}"
    if backbone.waveform is not None:
        yield from _waveform_rules(backbone, backbone.waveform, samples)
        return
    log_mel = backbone.log_mel
    yield _frames("backbone: log_mel", log_mel.frames, samples, log_mel.hop_length)
    yield "backbone: width", width, width % 2 == 0, "even"
    half = f"half of the frames of log_mel, {log_mel.frames}"
    yield "backbone: frames", backbone.frames, log_mel.frames == 2 * backbone.frames, half


def _waveform_rules(backbone: "BackboneConfig", waveform: "WaveformConfig", samples: int) -> Iterator[Rule]:
    where, sizes = "backbone: waveform", (waveform.conv_dim, waveform.conv_kernel, waveform.conv_stride)
    are_alike = len({len(each) for each in sizes}) == 1 and len(waveform.conv_dim) > 0
    yield f"{where}: conv_dim", list(waveform.conv_dim), are_alike, "as long as conv_kernel and conv_stride"
    frames = samples
    for kernel, stride in zip(waveform.conv_kernel, waveform.conv_stride, strict=True):
        frames = (frames - kernel) // stride + 1
    yield "backbone: frames", backbone.frames, frames == backbone.frames, f"{frames}, which the convolutions give"
    groups = waveform.num_conv_pos_embedding_groups
    divides = backbone.width % groups == 0
    yield f"{where}: num_conv_pos_embedding_groups", groups, divides, f"a divisor of the width, {backbone.width}"
    yield f"{where}: layer_norm_eps", waveform.layer_norm_eps, waveform.layer_norm_eps > 0, "positive"
    if backbone.family == "wavlm":
        buckets, farthest = waveform.num_buckets or 0, waveform.max_bucket_distance or 0
        yield f"{where}: num_buckets", buckets, buckets >= FEWEST_BUCKETS, f"at least {FEWEST_BUCKETS}"
        quarter = f"more than a quarter of num_buckets, {buckets}"
        yield f"{where}: max_bucket_distance", farthest, farthest > buckets // 4, quarter


def _frames(where: str, frames: int, samples: int, hop_length: int) -> Rule:
    most = 1 + samples // hop_length
    return f"{where}: frames", frames, frames <= most, f"at most {most}, which a segment of {samples} samples gives"


def _share(where: str, value: float) -> Rule:
    return where, value, 0 <= value <= 1, "from 0 to 1"
