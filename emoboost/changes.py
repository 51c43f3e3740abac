"""What can be done to a recording: other voices, rooms, lines and surroundings, as functions of its samples.

All take (n,) float32 at 16 kHz and give (m,) float32. Chance comes from a generator that the caller seeds.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Random = np.random.Generator

RATE = 16_000
LINE_RATE = 8_000
SPEECH_DB = 30.0
"""Frames of 20 ms within so many decibels of the loudest one count as speech."""
TRIM_DB = 40.0
MIN_FILTERED = 64
"""Samples: a filter that runs both ways needs some to start from."""
TRIM_MARGIN = 800
"""Samples left on either side of the speech, 50 ms."""


def speech_level(waveform: Float32) -> float:
    """RMS over the frames of 20 ms that hold speech; of less than one frame over all, 0 of silence."""
    power = _frame_powers(waveform)
    if not len(power) or not power.max():
        return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if len(waveform) else 0.0
    return float(np.sqrt(power[power > power.max() * 10 ** (-SPEECH_DB / 10)].mean()))


def trimmed(waveform: Float32) -> Float32:
    """Without the silence at both ends, but 50 ms of it; a silent recording stays as it is."""
    power = _frame_powers(waveform)
    if not len(power) or not power.max():
        return waveform
    loud = np.flatnonzero(power > power.max() * 10 ** (-TRIM_DB / 10))
    frame = RATE // 50
    return waveform[max(0, int(loud[0]) * frame - TRIM_MARGIN) : (int(loud[-1]) + 1) * frame + TRIM_MARGIN]


def sped(waveform: Float32, speed: float) -> Float32:
    """Faster above 1, slower below, by resampling: pitch and formants move too."""
    return _resampled(waveform, speed, 1.0)


def louder(waveform: Float32, decibels: float) -> Float32:
    """A gain; nothing is clipped."""
    changed: Float32 = waveform * np.float32(10 ** (decibels / 20))
    return changed


def noisy(waveform: Float32, ratio: float, noise: Float64) -> Float32:
    """With noise whose RMS is `ratio` decibels below that of the speech.

    Args:
        waveform: (n,).
        ratio: signal-to-noise ratio.
        noise: (n,), of any level.
    """
    level = speech_level(waveform) * 10 ** (-ratio / 20)
    strength = float(np.sqrt(np.mean(np.square(noise)))) if len(noise) else 0.0
    return (waveform + noise * (level / strength if strength else 0.0)).astype(np.float32)


def white(waveform: Float32, random: Random) -> Float64:
    """(n,) noise that is equally strong at all frequencies."""
    return random.standard_normal(len(waveform))


def pink(waveform: Float32, random: Random) -> Float64:
    """(n,) noise that falls by 3 dB an octave."""
    return _shaped(random.standard_normal(len(waveform)), -0.5)


def brown(waveform: Float32, random: Random) -> Float64:
    """(n,) noise that falls by 6 dB an octave, as traffic's."""
    return _shaped(random.standard_normal(len(waveform)), -1.0)


def speech_shaped(waveform: Float32, random: Random) -> Float64:
    """(n,) noise with the recording's own spectrum, as of many voices at once."""
    spectrum = np.fft.rfft(waveform.astype(np.float64))
    turned = np.abs(spectrum) * np.exp(2j * np.pi * random.random(len(spectrum)))
    noise: Float64 = np.fft.irfft(turned, len(waveform)) if len(waveform) else np.zeros(0)
    return noise


NOISES: tuple[Callable[[Float32, Random], Float64], ...] = (white, pink, brown, speech_shaped)


def padded(waveform: Float32, before: float, after: float) -> Float32:
    """With so many seconds of digital silence before and after."""
    return np.pad(waveform, (round(before * RATE), round(after * RATE)))


def repeated(waveform: Float32, seconds: float, gap: float = 0.1) -> Float32:
    """Its speech again and again, with `gap` seconds of silence between, until it lasts so long."""
    once = padded(trimmed(waveform), 0.0, gap)
    return np.resize(once, round(seconds * RATE)) if len(waveform) else waveform


def cut(waveform: Float32, first: float, seconds: float) -> Float32:
    """The samples from second `first` on, at most so many seconds."""
    start = round(first * RATE)
    return waveform[start : start + round(seconds * RATE)]


def in_a_room(waveform: Float32, reverberation: float, ratio: float, random: Random) -> Float32:
    """With the tail of a room: noise that decays by 60 dB.

    Args:
        waveform: (n,).
        reverberation: seconds of the decay.
        ratio: decibels by which all of the tail is weaker than the direct sound.
        random: draws the tail.
    """
    from scipy.signal import fftconvolve

    if not len(waveform):
        return waveform
    length = round(reverberation * RATE)
    tail = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail *= 10 ** (-ratio / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    heard: Float64 = fftconvolve(waveform.astype(np.float64), tail)[: len(waveform) + length // 2]
    return heard.astype(np.float32)


def over_the_telephone(waveform: Float32, band: tuple[float, float] | None) -> Float32:
    """8 kHz and mu-law with 8 bits (ITU-T G.711), within a band in Hz where one is given."""
    from scipy.signal import butter, sosfiltfilt

    line = _resampled(waveform, RATE, LINE_RATE)
    if band is not None and len(line) > MIN_FILTERED:
        line = sosfiltfilt(butter(4, band, "band", fs=LINE_RATE, output="sos"), line).astype(np.float32)
    return _coded(line, LINE_RATE, {"format": "WAV", "subtype": "ULAW"}, len(waveform))


def coded(waveform: Float32, codec: str) -> Float32:
    """Through a codec and back.

    Args:
        waveform: (n,).
        codec: one of `CODECS`.
    """
    rate, settings = CODECS[codec]
    return _coded(_resampled(waveform, RATE, rate), rate, settings, len(waveform))


CODECS: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "gsm": (LINE_RATE, {"format": "WAV", "subtype": "GSM610"}),
    "opus": (RATE, {"format": "OGG", "subtype": "OPUS", "compression_level": 0.96}),
    "mp3": (
        RATE,
        {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.84},
    ),
}
"""Name -> sample rate in Hz and libsndfile's settings: GSM 06.10 full rate (13 kb/s), Opus at 16 kb/s, MP3 at 32."""


def fitted(waveform: Float32, length: int) -> Float32:
    """Cut, or padded with zeros, to so many samples."""
    return np.pad(waveform, (0, max(0, length - len(waveform))))[:length]


def _coded(signal: Float32, rate: int, settings: Mapping[str, Any], length: int) -> Float32:
    """A signal written in memory and read again, as (length,) at 16 kHz."""
    import soundfile

    if not len(signal):
        return signal
    file = io.BytesIO()
    soundfile.write(file, np.clip(signal, -1, 1), rate, **settings)
    file.seek(0)
    heard, heard_rate = soundfile.read(file, dtype="float32")
    return fitted(_resampled(heard, heard_rate, RATE), length)


def _resampled(waveform: Float32, rate: float, wanted: float) -> Float32:
    import soxr

    if rate == wanted:
        return waveform
    changed: Float32 = soxr.resample(waveform, rate, wanted, quality="HQ").astype(np.float32)
    return changed


def _shaped(noise: Float64, exponent: float) -> Float64:
    """Noise whose amplitude grows as frequency to this power, above 20 Hz."""
    if not len(noise):
        return noise
    frequency = np.maximum(np.fft.rfftfreq(len(noise), 1 / RATE), 20.0)
    shaped: Float64 = np.fft.irfft(np.fft.rfft(noise) * frequency**exponent, len(noise))
    return shaped


def _frame_powers(waveform: Float32) -> Float64:
    """Mean power of each whole frame of 20 ms."""
    frame = RATE // 50
    whole = waveform[: len(waveform) // frame * frame].reshape(-1, frame)
    powers: Float64 = np.square(whole, dtype=np.float64).mean(axis=1)
    return powers
