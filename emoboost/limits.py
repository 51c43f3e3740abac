"""How large a model may be: checked on its config, before anything of that size is made.

The largest published encoders and any honest head are far below. Without this a config.json of a few bytes could ask
for more memory than there is.
"""

import dataclasses
import json
import math
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoboost.errors import ModelError

if TYPE_CHECKING:
    from emoboost.config import BackboneConfig, ModelConfig

CONFIG_BYTES = 4 * 2**20
"""Of a JSON file of a model or encoder, and of a model card."""
WEIGHT_BYTES = 16 * 2**30
"""Of one weight file, whatever its config says."""
HEADER_BYTES = 100 * 2**20
"""Of a safetensors file, before its tensors: what the library accepts."""
BYTES_A_PARAMETER = 8
"""Of the widest number that a weight is stored as."""
LIST_BYTES = 2**30
"""Of the list of utterances that a model was trained on."""
NESTING = 50
"""Of objects and lists in a JSON file; what walks through one calls itself at each, and Python stops at 1,000."""
PARAMETERS = 4 * 10**9
"""Of the whole network; 16 GB in float32."""
VALUES = 2**28
"""Of one array that a segment is turned into."""
ITEMS = 1_000
"""Of a list: classes, layers, convolutions."""

SIZES: Mapping[str, int] = {
    **{"samples": 960_000, "min_tail_samples": 960_000, "frame_samples": 960_000, "sample_rate": 192_000},
    **{"n_fft": 16_384, "win_length": 16_384, "hop_length": 16_384, "n_mels": 4_096, "n_mfcc": 4_096, "bins": 8_193},
    **{"frames": 6_000, "frame_pool": 6_000, "height": 4_096, "width": 8_192, "heads": 256, "ffn": 65_536},
    **{"layers": 256, "full_layers": 256, "lstm_layers": 16, "lstm_hidden": 8_192, "guidance_dim": 8_192},
    **{"conv_dim": 8_192, "conv_kernel": 4_096, "conv_stride": 4_096, "num_conv_pos_embeddings": 4_096},
    **{"num_conv_pos_embedding_groups": 4_096, "num_buckets": 65_536, "max_bucket_distance": 65_536},
    "schema_version": 1_000,
}
"""Field of a config, in whichever part of it -> the largest value."""
MAY_BE_ZERO = ("min_tail_samples", "layers")

SEGMENT_SAMPLES = 48_000
"""Of a segment, where no model says another number."""
ALEXNET = 2_500_000
"""Parameters of its convolutions."""
POSITIONS, CHANNELS = 36, 256
"""What they make of a spectrogram."""


def refuse_oversized_model(config: "ModelConfig", where: str) -> None:
    """Refuse a model with a size that none has.

    Args:
        config: of the model.
        where: how messages name it.

    Raises:
        ModelError: a number is not finite, not positive or above its limit, or sizes multiply to too much.
    """
    _refuse_numbers(config, where)
    _refuse_amounts(_amounts_of_model(config), where)


def refuse_oversized_encoder(config: "BackboneConfig", where: str) -> None:
    """The same for an encoder alone, which hears segments of the usual length."""
    _refuse_numbers(config, where)
    _refuse_amounts(_amounts_of_encoder(config, SEGMENT_SAMPLES), where)


def read_whole(file: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        ModelError: it is a pipe or device, which might never end, or it is larger.
        OSError: it cannot be read.
    """
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{file}: not a file; copy the model folder again")
    if status.st_size > most:
        raise ModelError(f"{file}: {status.st_size:,} bytes, no such file has more than {most:,}; copy it again")
    # A buffer of the size that is asked for is taken before the first byte is read: never ask for the limit itself.
    with file.open("rb") as opened:
        return opened.read(status.st_size)


def read_json(file: Path) -> Any:
    """What a JSON file of a model or encoder holds.

    Raises:
        ModelError: see `read_whole`.
        ValueError: no JSON, nested deeper than `NESTING`, or text that is none: half a character.
        OSError: it cannot be read.
    """
    return parse_json(read_whole(file, CONFIG_BYTES))


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: see `read_json`.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {NESTING}") from None
    level = [found]
    for _ in range(NESTING):
        level = [item for value in level for item in _items(value)]
    if level:
        raise ValueError(f"nested deeper than {NESTING}")
    json.dumps(found, ensure_ascii=False).encode()
    return found


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def weight_bytes(config: "ModelConfig") -> int:
    """How large a weight file of this model may be."""
    return min(WEIGHT_BYTES, HEADER_BYTES + BYTES_A_PARAMETER * parameters(config))


def parameters(config: "ModelConfig") -> int:
    """How many weights a model has, from its sizes alone and rather too many than too few."""
    guidance, count = config.enhancement.guidance_dim, _encoder_parameters(config.backbone)
    if branch := config.mfcc_branch:
        hidden = branch.lstm_hidden
        inputs = config.mfcc.n_mfcc + 2 * hidden * (branch.lstm_layers - 1)
        count += 8 * hidden * (inputs + (hidden + 2) * branch.lstm_layers)
        count += _projection(config.mfcc.frames // branch.frame_pool, 2 * hidden, guidance)
    if config.spectrogram_branch:
        count += ALEXNET + _projection(POSITIONS, CHANNELS, guidance)
    count += (2 * guidance + 1) * config.backbone.frames + config.backbone.dim * 2
    return count + config.vector_dim * len(config.classes)


def _projection(positions: int, dim: int, out: int) -> int:
    return 3 * dim * (dim + 1) + (positions * dim + 1) * out


def _encoder_parameters(config: "BackboneConfig") -> int:
    width, waveform = config.width, config.waveform
    layers = config.depth if config.layers else config.full_layers
    transformer = layers * (4 * width * (width + 1) + (2 * config.ffn + 10) * (width + 1))
    if waveform is None:
        return transformer + 3 * width * (config.log_mel.n_mels + width) + (config.frames + 4) * width
    channels = (1, *waveform.conv_dim)
    convolutions = zip(channels, channels[1:], waveform.conv_kernel, strict=False)
    front = sum(before * after * kernel + 3 * after for before, after, kernel in convolutions)
    positions = width * width * waveform.num_conv_pos_embeddings // waveform.num_conv_pos_embedding_groups
    buckets = (waveform.num_buckets or 0) * config.heads + 8 * layers * (width // config.heads + 2)
    return transformer + front + positions + buckets + (channels[-1] + 8) * width


def _refuse_numbers(config: Any, where: str) -> None:
    for name, value in _numbers(config):
        lowest, highest = 0 if name in MAY_BE_ZERO else 1, SIZES.get(name, 0)
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelError(f"{where}: {name}: {value} is not a finite number; copy the model folder again")
        if not isinstance(value, float) and not (type(value) is int and lowest <= value <= highest):
            raise ModelError(
                f"{where}: {name}: {value!r} is not a whole number from {lowest} to {highest}; "
                "copy the model folder again"
            )


def _refuse_amounts(amounts: Iterator[tuple[str, int, int]], where: str) -> None:
    for what, amount, limit in amounts:
        if amount > limit:
            raise ModelError(f"{where}: {what} are {amount:,}, the limit is {limit:,}; copy the model folder again")


def _numbers(config: Any) -> Iterator[tuple[str, Any]]:
    """Every number of a config and of its parts, under its field's name; not the free-form ones of `training`."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _numbers(value)
        elif isinstance(value, float) or (field.name in SIZES and value is not None and not isinstance(value, tuple)):
            yield field.name, value
        elif isinstance(value, tuple) and field.name in SIZES:
            yield from ((field.name, item) for item in value)


def _amounts_of_model(config: "ModelConfig") -> Iterator[tuple[str, int, int]]:
    """What sizes multiply to, and the limit."""
    samples, log_mel = config.segment.samples, config.backbone.log_mel
    yield "the classes", len(config.classes), ITEMS
    yield "the parameters", parameters(config), PARAMETERS
    yield "the values of mfcc", samples // config.mfcc.hop_length * config.mfcc.n_fft, VALUES
    yield "the values of spectrogram", samples // config.spectrogram.hop_length * config.spectrogram.n_fft, VALUES
    yield "the values of log_mel", samples // log_mel.hop_length * log_mel.n_fft, VALUES
    if branch := config.spectrogram_branch:
        yield "the values of the image", 64 * branch.height * branch.width, VALUES
    yield from _amounts_of_encoder(config.backbone, samples)


def _amounts_of_encoder(config: "BackboneConfig", samples: int) -> Iterator[tuple[str, int, int]]:
    yield "the layers", len(config.layers), ITEMS
    yield "the parameters", _encoder_parameters(config), PARAMETERS
    if (waveform := config.waveform) is not None:
        yield "the convolutions", len(waveform.conv_dim), ITEMS
        for channels, stride in zip(waveform.conv_dim[:1], waveform.conv_stride[:1], strict=False):
            yield "the values after the first convolution", samples // stride * channels, VALUES
