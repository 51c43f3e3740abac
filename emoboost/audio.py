"""Open a span of a recording as mono float32 at the model's sample rate.

Decoding is soundfile (libsndfile), resampling is soxr HQ. Both stream: memory is bounded by the result,
whatever the recording's rate, channels and length. Everything that can go wrong ends as an `AudioError` of
the closed list.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import soxr

from emoboost.access import Access
from emoboost.decoder import ROUNDING_SECONDS, UNKNOWN_FRAMES, Decoder
from emoboost.errors import AudioError, AudioErrorType
from emoboost.places import is_url
from emoboost.source import audio_error, audio_errors, open_source

Float32 = npt.NDArray[np.float32]

LARGEST_SAMPLE = 1e10
"""Full scale is 1, or 2^31 in integers stored as floats. Squares of more leave the range of float32."""


@dataclass(frozen=True)
class Header:
    """What a recording's header says."""

    sample_rate: int
    """Hz."""
    channels: int
    frames: int | None
    """Samples of one channel; None when the header does not say (FLAC that was written to a pipe)."""

    @property
    def duration(self) -> float | None:
        """Seconds; None when the header does not say."""
        return None if self.frames is None else self.frames / self.sample_rate


def resolve(uri: str, base: str) -> str:
    """Where a manifest's uri points: an absolute local path, or a URL.

    >>> resolve("calls/7.wav", "/data/archive")
    '/data/archive/calls/7.wav'
    >>> resolve("calls/7.wav", "s3://bucket/archive/")
    's3://bucket/archive/calls/7.wav'
    >>> resolve("s3://bucket/7.wav", "/data/archive")
    's3://bucket/7.wav'

    Args:
        uri: a URL or an absolute path, which are kept, or a path relative to `base`.
        base: folder or URL; a relative folder starts from the current one.
    """
    if is_url(uri):
        return uri
    if is_url(base) and not Path(uri).is_absolute():
        return f"{base.rstrip('/')}/{uri.removeprefix('./')}"
    return str(Path(base).absolute() / uri)


def probe(location: str, access: Access) -> Header:
    """Read a recording's header and nothing else.

    Raises:
        AudioError: it cannot be opened, or holds no audio.
    """
    with open_recording(location, access) as recording:
        return recording.header


def open_recording(location: str, access: Access) -> "Recording":
    """Open a recording for any number of spans.

    >>> with open_recording("examples/audio/librispeech/1688-142285-0009.flac", Access()) as recording:
    ...     recording.header.duration, recording.read(0.5, 1.5, None, max_seconds=60).shape
    (3.535, (16000,))

    Args:
        location: a path or URL, as `resolve` gives it.
        access: how it may be reached, and what it may hold.

    Raises:
        AudioError: it cannot be opened, or holds no audio.
    """
    with audio_errors(location):
        source = open_source(location, access)
        try:
            return Recording(location, Decoder(location, source, access))
        except BaseException:
            source.close()
            raise


class Recording:
    """An open recording, to read spans from. Make one with `open_recording`; it is a context manager.

    Spans in ascending order are cheapest; see `Decoder` for what other orders cost.
    """

    def __init__(self, location: str, decoder: Decoder) -> None:
        self.location = location
        self.version = decoder.version
        """See `Source.version`."""
        self.header = Header(decoder.sample_rate, decoder.channels, decoder.promised)
        self._decoder = decoder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoder.close()

    def read(
        self,
        start: float,
        end: float | None,
        channel: int | None,
        max_seconds: float,
        sample_rate: int = 16_000,
    ) -> Float32:
        """Decode one span.

        Args:
            start: seconds from the recording's start.
            end: seconds from the recording's start; None is its end. Up to 0.05 s past it is rounding.
            channel: counted from 0; None is the mean of all channels.
            max_seconds: a longer span is refused, before it is decoded if the header says its length.
            sample_rate: of the result, Hz.

        Returns:
            (samples,) float32, at least one sample, all finite; full scale of integer formats is 1.

        Raises:
            AudioError: the span cannot be read; `type` says why.
        """
        with audio_errors(self.location):
            first, last = self._frames_of(start, end, max_seconds)
            if channel is not None and not 0 <= channel < self.header.channels:
                found = f"there is no channel {channel}; it has {self.header.channels}"
                raise self._error(AudioErrorType.NO_CHANNEL, found)
            blocks = self._blocks(first, last, max_seconds)
            mono = (self._finite(to_mono(block, channel)) for block in blocks)
            pieces = list(resampled(mono, self.header.sample_rate, sample_rate))
            waveform = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            if not len(waveform):
                raise self._error(AudioErrorType.EMPTY, f"the span is shorter than one sample at {sample_rate} Hz")
            return waveform

    def levels(self, start: float, seconds: float, frame_seconds: float) -> npt.NDArray[np.float64]:
        """Root mean square of consecutive frames, (frames, channels); a last incomplete frame is left out."""
        frame = max(1, round(frame_seconds * self.header.sample_rate))
        first = round(start * self.header.sample_rate)
        last = first + round(seconds * self.header.sample_rate)
        with audio_errors(self.location):
            self._decoder.go_to(first, last - first)
            rows = []
            for _ in range(first, last - frame + 1, frame):
                block = self._decoder.read(frame)
                if len(block) < frame:
                    break
                rows.append(np.sqrt(np.square(block, dtype=np.float64).mean(axis=0)))
        return np.array(rows).reshape(-1, self.header.channels)

    @property
    def seeks_exactly(self) -> bool:
        """Whether a span costs the same wherever it lies."""
        return self._decoder.seeks_exactly

    def _frames_of(self, start: float, end: float | None, max_seconds: float) -> tuple[int, int | None]:
        """First frame of a span and the one after its last; None when only the decoder can find the end."""
        duration, frames, rate = self.header.duration, self.header.frames, self.header.sample_rate
        known = math.inf if duration is None else duration
        if end is not None and not end > start:
            raise self._error(AudioErrorType.EMPTY, f"the span from {start} to {end} s is empty")
        if not 0 <= start < known:
            raise self._error(AudioErrorType.OUTSIDE_FILE, f"start is {start} s, the recording has {known:.2f} s")
        if end is not None and (math.isinf(end) or end > known + ROUNDING_SECONDS):
            raise self._error(AudioErrorType.OUTSIDE_FILE, f"end is {end} s, the recording has {known:.2f} s")
        first = round(start * rate)
        last = frames if end is None else min(round(end * rate), frames or UNKNOWN_FRAMES)
        if last is None:
            return first, None
        if last <= first:
            raise self._error(AudioErrorType.EMPTY, f"the span from {start} s on is shorter than one sample")
        if last > self._decoder.present:
            found = f"its header promises {known:.2f} s, the file holds {self._decoder.present / rate:.2f} s"
            raise self._error(AudioErrorType.TRUNCATED, found)
        if last - first > max_seconds * rate:
            raise self._too_long(f"{(last - first) / rate:.2f}", max_seconds)
        return first, last

    def _blocks(self, first: int, last: int | None, max_seconds: float) -> Iterator[Float32]:
        """Decode frames `first` to `last`, (frames, channels) each."""
        rate = self.header.sample_rate
        # One frame more than allowed is enough to know that an unknown length is too long.
        wanted = int(min(max_seconds * rate, UNKNOWN_FRAMES)) + 1 if last is None else last - first
        missing = wanted
        self._decoder.go_to(first, wanted)
        while missing and len(block := self._decoder.read(missing)):
            missing -= len(block)
            yield block
        if last is None and not missing:
            raise self._too_long(f"more than {max_seconds:g}", max_seconds)
        nothing = missing == wanted
        if nothing or (last is not None and missing > ROUNDING_SECONDS * rate):
            raise self._short()

    def _short(self) -> AudioError:
        reached = f"{self._decoder.position_seconds:.2f} s"
        if self.header.duration is None:
            return self._error(AudioErrorType.OUTSIDE_FILE, f"the recording ends at {reached}")
        found = f"its header promises {self.header.duration:.2f} s, decoding ended at {reached}"
        return self._error(AudioErrorType.TRUNCATED, found)

    def _finite(self, block: Float32) -> Float32:
        # A comparison with NaN is false.
        if block.min() >= -LARGEST_SAMPLE and block.max() <= LARGEST_SAMPLE:
            return block
        found = f"NaN, Inf or absurdly large samples before {self._decoder.position_seconds:.2f} s"
        raise self._error(AudioErrorType.NOT_FINITE, found)

    def _too_long(self, length: str, max_seconds: float) -> AudioError:
        return self._error(AudioErrorType.TOO_LONG, f"{length} s long, the limit is {max_seconds:g} s")

    def _error(self, error_type: AudioErrorType, found: str) -> AudioError:
        return audio_error(error_type, self.location, found)


def to_mono(block: Float32, channel: int | None) -> Float32:
    """(frames, channels) -> (frames,): one channel, or the mean of all, computed in float32."""
    if channel is not None:
        return np.ascontiguousarray(block[:, channel])
    # Column by column: numpy's mean over a short last axis is several times slower.
    total = block[:, 0].copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for column in range(1, block.shape[1]):
            total += block[:, column]
    return total / np.float32(block.shape[1]) if block.shape[1] > 1 else total


def resampled(blocks: Iterator[Float32], sample_rate: int, wanted_rate: int) -> Iterator[Float32]:
    """Bring consecutive blocks of one signal to another rate; the result equals resampling them as one."""
    if sample_rate == wanted_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(sample_rate, wanted_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def correlation_of_channels(location: str, access: Access, seconds: float = 30.0) -> float | None:
    """How alike the levels of two channels run: near 1 for one scene in stereo, about 0 or less for a call.

    Pearson's correlation of the root mean square of frames of 50 ms. Two people take turns, so when one is
    loud the other is not; microphones before one scene, or a mix with other gains or delays, rise and fall
    together. Levels are compared rather than waveforms because a delay of a millisecond makes waveforms of
    one scene unlike, and on a linear scale, so that a faint echo of the other side does not count. In 60
    calls made up from LibriSpeech, 30 s each, an echo of -20 dB gave at most 0.30; two microphones before one
    scene gave at least 0.78.

    Args:
        location: a path or URL, as `resolve` gives it.
        access: how it may be reached.
        seconds: how much is listened to: a third each at the beginning, the middle and the end of a long
            recording (of MP3 and Ogg the beginning, because their middle is not cheap to reach).

    Returns:
        -1 to 1; None when the question does not arise: not two channels, under a second of audio, or a
        channel in which nobody speaks (silence, a steady noise, or a level that varies 40 dB less than the
        other's).

    Raises:
        AudioError: the recording cannot be read.
    """
    with open_recording(location, access) as recording:
        if recording.header.channels != 2:
            return None
        duration = recording.header.duration
        if duration is None or duration <= seconds or not recording.seeks_exactly:
            windows = [(0.0, seconds if duration is None else min(seconds, duration))]
        else:
            length = seconds / 3
            windows = [(start, length) for start in (0.0, (duration - length) / 2, duration - length)]
        levels = np.concatenate([recording.levels(start, length, 0.05) for start, length in windows])
    return _correlation_of_speech(levels)


def _correlation_of_speech(levels: npt.NDArray[np.float64]) -> float | None:
    """Pearson's correlation of two columns; None when one of them does not vary as speech does."""
    if len(levels) < 20 or not np.isfinite(levels).all():
        return None
    spread = levels.std(axis=0)
    if (spread <= np.maximum(0.1 * levels.mean(axis=0), 0.01 * spread.max())).any():
        return None
    left, right = ((levels - levels.mean(axis=0)) / spread).T
    return float(np.mean(left * right))
