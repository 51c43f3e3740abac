"""What gets a label."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Utterance:
    """One row of a manifest: a span of one channel of one recording.

    >>> Utterance("call-7", "calls/7.wav", start=12.5, end=15.0).span
    (12.5, 15.0)
    """

    utterance_id: str
    uri: str
    """Byte for byte what the manifest said; `audio.resolve` makes it absolute."""
    channel: int | None = None
    """Counted from 0; None is the mean of all channels."""
    start: float = 0.0
    """Seconds from the recording's start."""
    end: float | None = None
    """Seconds from the recording's start; None is the recording's end."""
    length: float | None = None
    """Seconds this utterance is expected to last, from the manifest or the file's header; None when unknown."""

    @property
    def span(self) -> tuple[float, float | None]:
        """Start and end in seconds; an end of None is the recording's end."""
        return self.start, self.end
