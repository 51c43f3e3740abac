"""What the tests of recordings share: two real clips, and the short words for reading one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from bad_audio import MAX_SECONDS, RATE

from emoboost.access import Access
from emoboost.audio import open_recording
from emoboost.errors import AudioError, AudioErrorType

REPOSITORY = Path(__file__).parents[1]
CLIP = REPOSITORY / "examples/audio/librispeech/1688-142285-0009.flac"
OTHER = REPOSITORY / "examples/audio/librispeech/8226-274369-0000.flac"


def samples_of(clip: Path) -> np.ndarray:
    """All samples, read without the code under test."""
    return soundfile.read(clip, dtype="float32")[0]


def read(
    location: object,
    start: float = 0.0,
    end: float | None = None,
    channel: int | None = None,
    max_seconds: float = MAX_SECONDS,
    access: Access | None = None,
) -> np.ndarray:
    with open_recording(str(location), access or Access()) as recording:
        return recording.read(start, end, channel, max_seconds)


def refusal(location: object, *span: Any, **options: Any) -> tuple[AudioErrorType, str]:
    with pytest.raises(AudioError) as caught:
        read(location, *span, **options)
    assert str(caught.value).startswith(f"{location}: ")
    return caught.value.type, caught.value.message


def written(path: Path, waveform: np.ndarray, rate: int = RATE, **options: str) -> Path:
    soundfile.write(path, waveform, rate, **options)
    return path
