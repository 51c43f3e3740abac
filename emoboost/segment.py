"""Cut an utterance into segments of one length (paper, Input)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from emoboost.config import SegmentConfig

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segments:
    """The segments of one utterance in time order, at least one.

    Both signals are cut at the same places, scaled alike and padded with exact zeros after `valid` samples.
    """

    waveforms: Float32
    """(n, samples): what the speech encoder hears."""
    emphasised: Float32
    """(n, samples): the pre-emphasised utterance, for MFCC and spectrogram."""
    valid: npt.NDArray[np.int32]
    """(n,): samples of each segment before its padding."""
    starts: npt.NDArray[np.float64]
    """(n,): seconds from the utterance's start."""


def segment(waveform: Float32, config: SegmentConfig) -> Segments:
    """Cut one utterance.

    >>> segment(np.zeros(104_000, np.float32), SegmentConfig()).valid
    array([48000, 48000,  8000], dtype=int32)
    >>> segment(np.zeros(103_999, np.float32), SegmentConfig()).valid
    array([48000, 48000], dtype=int32)
    >>> segment(np.zeros(56_000, np.float32), SegmentConfig(tail="align")).starts
    array([0. , 0.5])

    Args:
        waveform: (samples,) float32, mono at `config.sample_rate`.
        config: length, tail and pre-emphasis.

    Raises:
        ValueError: not one-dimensional, or no sample at all.
    """
    if waveform.ndim != 1 or not len(waveform):
        raise ValueError(f"a waveform is one-dimensional and has samples, found shape {waveform.shape}")
    (everything,) = segment_groups(waveform, config, most=waveform.size)
    return everything


def segment_groups(waveform: Float32, config: SegmentConfig, most: int) -> Iterator[Segments]:
    """Cut one utterance, at most so many segments at a time: hours of audio need not be in memory three times.

    Args:
        waveform: (samples,) float32, mono at `config.sample_rate`.
        config: length, tail and pre-emphasis.
        most: segments in one group, at least 1.

    Raises:
        ValueError: not one-dimensional, or no sample at all.
    """
    if waveform.ndim != 1 or not len(waveform):
        raise ValueError(f"a waveform is one-dimensional and has samples, found shape {waveform.shape}")
    first = _first_samples(len(waveform), config.samples, config.tail, config.min_tail_samples)
    valid = np.minimum(len(waveform) - first, config.samples).astype(np.int32)
    for begin in range(0, len(first), most):
        places, lengths = first[begin : begin + most], valid[begin : begin + most]
        # The filter looks back by one sample.
        before = max(0, int(places[0]) - 1)
        emphasised = preemphasis(waveform[before : int(places[-1] + lengths[-1])], config.preemphasis)
        heard = _cut(waveform, places, config.samples)
        scale = _scale(heard, config)
        yield Segments(
            waveforms=heard * scale,
            emphasised=_cut(emphasised, places - before, config.samples) * scale,
            valid=lengths,
            starts=places / config.sample_rate,
        )


def count_segments(length: int, config: SegmentConfig) -> int:
    """How many segments an utterance of so many samples (at least one, at `config.sample_rate`) becomes.

    >>> count_segments(104_000, SegmentConfig()), count_segments(103_999, SegmentConfig())
    (3, 2)
    """
    return len(_first_samples(length, config.samples, config.tail, config.min_tail_samples))


def preemphasis(waveform: Float32, coefficient: float) -> Float32:
    """High-pass the whole utterance: y[t] = x[t] - coefficient * x[t-1].

    As `librosa.effects.preemphasis`: the filter starts from the state 2 x[0] - x[1], so that y[0] = 3 x[0] -
    x[1]. A lone sample counts as followed by itself.

    Args:
        waveform: (samples,) float32, at least one.
        coefficient: 0.97 in HTK and in the paper's reference.

    Returns:
        (samples,) float32.
    """
    emphasised = np.empty_like(waveform)
    emphasised[1:] = waveform[1:] - np.float32(coefficient) * waveform[:-1]
    emphasised[0] = waveform[0] + (2 * waveform[0] - waveform[min(1, len(waveform) - 1)])
    return emphasised


def _first_samples(
    length: int, samples: int, tail: Literal["pad", "align"], min_tail_samples: int
) -> npt.NDArray[np.int64]:
    """First sample of each segment."""
    first = np.arange(0, length, samples, dtype=np.int64)
    left = length - int(first[-1])
    if len(first) == 1 or left == samples:
        return first
    if tail == "align":
        first[-1] = length - samples
    elif left < min_tail_samples:
        first = first[:-1]
    return first


def _scale(segments: Float32, config: SegmentConfig) -> Float32:
    """What brings each segment to the config's loudness: (n, samples) -> (n, 1), 1 for silence."""
    scale = np.ones((len(segments), 1), np.float32)
    if config.loudness is None:
        return scale
    hop, window = config.sample_rate // 100, config.sample_rate // 10
    for number, signal in enumerate(segments):
        energy = np.square(signal, dtype=np.float64)[: len(signal) // hop * hop].reshape(-1, hop).sum(axis=1)
        loudest = np.convolve(energy, np.ones(window // hop), "valid").max()
        if loudest > 0:
            scale[number] = config.loudness / np.sqrt(loudest / window)
    return scale


def _cut(signal: Float32, first: npt.NDArray[np.int64], samples: int) -> Float32:
    """(length,) -> (n, samples), zeros past the signal's end."""
    pieces = np.zeros((len(first), samples), np.float32)
    for piece, begin in zip(pieces, first, strict=True):
        part = signal[begin : begin + samples]
        piece[: len(part)] = part
    return pieces
