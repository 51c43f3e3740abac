"""libsndfile's decoder as a stream: forward in blocks, to any frame, with errors that say what is wrong."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from emoboost.access import Access
from emoboost.container import describe, has_header, promised_share, unclosed_bytes
from emoboost.errors import FIXES, AudioError, AudioErrorType
from emoboost.source import Source, audio_error

ROUNDING_SECONDS = 0.05
"""An end this little past the recording's is rounding; so is a recording this much shorter than promised."""
BLOCK_VALUES = 1 << 18
"""Samples decoded at once, over all channels: 1 MiB of float32."""
LOWEST_SAMPLE_RATE = 1_000
"""Hz. Less is a damaged header, and would give some label all the same."""
UNKNOWN_FRAMES = 1 << 62
"""libsndfile says more than this when a header gives no length."""
_UNRECOGNISED, _SYSTEM, _MALFORMED = 1, 2, 3
"""libsndfile's public error codes."""


class Decoder:
    """The frames of one recording.

    What a span decodes to does not depend on what was read before. Formats that can be entered anywhere (WAV,
    FLAC, ...) are entered by seeking. MP3, Ogg and a few telephone codecs are decoded from the beginning up
    to the span, because a decoder that starts in their middle gives other samples: spans in ascending order
    then cost one pass.
    """

    def __init__(self, location: str, source: Source, access: Access) -> None:
        self._location = location
        self._source = source
        if not source.size:
            raise audio_error(AudioErrorType.EMPTY, location, "the file has 0 bytes")
        # Before the decoder opens the file, because both move the same position.
        share, unclosed = promised_share(source), unclosed_bytes(source)
        self._sound = self._open()
        self._position = 0
        self._failed = False
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self._refuse_absurd(access)
        self.version = source.version
        self.present: int = self._sound.frames
        """Frames that the file has room for."""
        self.promised = self._promised(share, unclosed)
        """Frames that the header promises; None when it does not say."""

    @property
    def seeks_exactly(self) -> bool:
        """Whether any frame can be reached without decoding all before it."""
        return bool(self._can_seek) and self._sound.format not in ("OGG", "MP3")

    @property
    def _is_even(self) -> bool:
        """Whether all frames take equally many bytes."""
        return self._sound.format not in ("OGG", "MP3", "FLAC") and not self._sound.subtype.startswith("ALAC")

    @property
    def block_frames(self) -> int:
        """Frames that keep one block within `BLOCK_VALUES`."""
        return max(1, BLOCK_VALUES // self.channels)

    @property
    def position_seconds(self) -> float:
        """Seconds decoded or passed so far."""
        return self._position / self.sample_rate

    def go_to(self, frame: int, wanted: int) -> None:
        """Make `frame` the next one, or the recording's end if that comes first.

        Args:
            frame: counted from 0.
            wanted: how many will be read from there on; a store is asked for their bytes in few requests.
        """
        if self._failed:
            self._rewind()
        if frame != self._position and self.seeks_exactly:
            try:
                self._sound.seek(frame)
            except soundfile.LibsndfileError:
                # A cut FLAC file cannot be entered past its end: decoding up to there finds how far it goes.
                self._rewind()
            else:
                self._position = frame
        if frame < self._position:
            self._rewind()
        self._expect(frame - self._position + wanted)
        while self._position < frame and len(self.read(frame - self._position)):
            pass

    def read(self, frames: int) -> npt.NDArray[np.float32]:
        """Up to `frames`, but one block at most: (frames, channels) float32; none at the recording's end.

        Raises:
            AudioError: `truncated`, the decoder gave up.
            Exception: what the operating system or the store said.
        """
        try:
            block: npt.NDArray[np.float32] = self._sound.read(
                min(frames, self.block_frames), dtype="float32", always_2d=True
            )
            if self._source.error is not None:
                raise self._source.error
        except Exception as error:
            # libsndfile can neither go on nor seek now; the next span starts with a new decoder.
            self._failed = True
            if self._source.error is not None:
                raise self._source.error from self._source.error.__cause__
            if _is_about_content(error):
                end = self.position_seconds + min(frames, self.block_frames) / self.sample_rate
                found = f"damaged or cut off between {self.position_seconds:.2f} and {end:.2f} s ({_text(error)})"
                raise self._error(AudioErrorType.TRUNCATED, found) from error
            raise
        self._position += len(block)
        return block

    def close(self) -> None:
        """Give the file back."""
        self._sound.close()
        self._source.close()

    def _expect(self, frames: int) -> None:
        """Tell the source how many bytes the next frames take."""
        if not 0 < self.present < UNKNOWN_FRAMES:
            return
        to_the_end = self._position + frames >= self.present
        count = self._source.size if to_the_end else math.ceil(frames / self.present * self._source.size)
        # Where silence is smaller than speech the count is a guess, and too much may have been asked for.
        self._source.expect(count, count if to_the_end or self._is_even else count // 5)

    def _rewind(self) -> None:
        self._failed = True
        self._sound.close()
        self._source.error = None
        self._sound = self._open()
        self._position = 0
        self._failed = False

    def _open(self) -> Any:
        self._source.seek(0)
        try:
            sound = soundfile.SoundFile(self._source.decoder_input, closefd=False)
        except Exception as error:
            if self._source.error is not None:
                raise self._source.error from self._source.error.__cause__
            if _is_about_content(error):
                raise self._cannot_decode(error) from error
            raise
        self._can_seek = sound.seekable()
        # soundfile seeks to where it already is after every read of a seekable file. In an MP3 that loses the
        # bits which a frame borrows from the one before: the samples at the beginning of every block would be
        # wrong.
        sound.seekable = lambda: False
        return sound

    def _refuse_absurd(self, access: Access) -> None:
        if self.sample_rate < LOWEST_SAMPLE_RATE:
            found = f"its header says {self.sample_rate} Hz, which no recorder writes"
        elif self.sample_rate > access.max_sample_rate:
            limit = f"the limit is {access.max_sample_rate} Hz (--max-sample-rate)"
            found = f"its header says {self.sample_rate} Hz, {limit}"
        elif self.channels > access.max_channels:
            found = f"it has {self.channels} channels, the limit is {access.max_channels} (--max-channels)"
        else:
            return
        raise self._error(AudioErrorType.UNSUPPORTED_FORMAT, found)

    def _cannot_decode(self, error: Any) -> AudioError:
        head = self._source.read_at(0, 64)
        if head.startswith(b"fLaC") or error.code == _MALFORMED or not has_header(self._source):
            found = f"damaged or cut off near its beginning ({_text(error)})"
            return self._error(AudioErrorType.TRUNCATED, found)
        content = describe(head) if error.code == _UNRECOGNISED else f"an unknown codec ({_text(error)})"
        fix = FIXES[AudioErrorType.UNSUPPORTED_FORMAT]
        return self._error(AudioErrorType.UNSUPPORTED_FORMAT, f"holds {content}; {fix}")

    def _promised(self, share: float, unclosed: int) -> int | None:
        if self.present > UNKNOWN_FRAMES:
            return None
        if not self.present:
            if math.isinf(share):
                raise self._error(AudioErrorType.TRUNCATED, "the file ends before its first sample")
            hint = f", though {unclosed} bytes follow: the recorder did not close it" if unclosed else ""
            raise self._error(AudioErrorType.EMPTY, f"its header says 0 frames{hint}")
        # Infinity beside audio that can be decoded: a header that only libsndfile understands.
        promised = self.present if math.isinf(share) else round(self.present * share)
        return promised if promised - self.present > ROUNDING_SECONDS * self.sample_rate else self.present

    def _error(self, error_type: AudioErrorType, found: str) -> AudioError:
        return audio_error(error_type, self._location, found)


def _is_about_content(error: Exception) -> bool:
    return isinstance(error, soundfile.LibsndfileError) and error.code != _SYSTEM


def _text(error: Any) -> str:
    return str(error.error_string).removeprefix("Error : ").rstrip(". ")
