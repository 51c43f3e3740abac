"""The CPU half of annotation: utterances to the network's inputs.

What cannot be read becomes an outcome with an error and contributes no segment, so that one bad file never disturbs
its neighbours.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from emoboost.access import Access
from emoboost.audio import Recording, open_recording, resolve
from emoboost.augment import Augmentation
from emoboost.config import SegmentConfig
from emoboost.errors import AudioError
from emoboost.features import FeatureExtractor
from emoboost.schema import Outcome
from emoboost.segment import segment_groups
from emoboost.utterance import Utterance

GROUP = 64
"""Segments that are cut and transformed at a time, 25 MB of samples."""


@dataclass(frozen=True)
class Prepared:
    """The utterances of one shard, ready for the network."""

    outcomes: tuple[Outcome, ...]
    """One per utterance, in order; their `n_segments` say which rows of the inputs are whose."""
    inputs: dict[str, np.ndarray]
    """What the model uses of `FeatureExtractor.__call__`'s result for n segments."""
    valid: np.ndarray
    """(n,) int32: samples of each segment before its zero padding."""
    starts: np.ndarray
    """(n,) float64: seconds of each segment from its utterance's start."""


@dataclass(frozen=True)
class Preparation:
    """How utterances are read."""

    segments: SegmentConfig
    extractor: FeatureExtractor
    base: str
    """Folder or URL that relative uris start from."""
    max_seconds: float
    """A longer utterance becomes an error row `too_long`."""
    access: Access
    """How recordings may be reached, and what they may hold."""

    def __call__(
        self,
        utterances: Sequence[Utterance],
        changes: Sequence[Augmentation] | None = None,
        *,
        before: Callable[[], None] = lambda: None,
        most_segments: int | None = None,
    ) -> Prepared:
        """Decode, segment and extract features; the order of utterances is kept.

        Args:
            utterances: one that occurs several times in a row is decoded as often.
            changes: for each utterance what is done to its samples; None leaves all as they are.
            before: called before each utterance is read.
            most_segments: more than the memory is there for.

        Raises:
            MemoryError: the utterances have more segments than that.
        """
        outcomes: list[Outcome] = []
        inputs: dict[str, list[np.ndarray]] = {name: [] for name in self.extractor.inputs}
        valid: list[np.ndarray] = []
        starts: list[np.ndarray] = []
        no_segment = np.zeros((0, self.segments.samples), np.float32)
        nothing = self.extractor(no_segment, no_segment, np.zeros(0, np.int32))
        each_change = [Augmentation()] * len(utterances) if changes is None else changes
        for (utterance, version, samples), change in zip(self._waveforms(utterances, before), each_change, strict=True):
            if isinstance(samples, AudioError):
                outcomes.append(Outcome(error_type=samples.type, error_message=samples.message, version=version))
                continue
            waveform = change(samples)
            n_segments = 0
            for cut in segment_groups(waveform, self.segments, GROUP):
                for name, values in self.extractor(cut.waveforms, cut.emphasised, cut.valid).items():
                    inputs[name].append(values)
                valid.append(cut.valid)
                starts.append(cut.starts)
                n_segments += len(cut.valid)
                if most_segments is not None and sum(map(len, starts)) > most_segments:
                    raise MemoryError(f"more than {most_segments} segments")
            seconds = len(waveform) / self.segments.sample_rate
            outcomes.append(Outcome(utterance.start + seconds, seconds, n_segments, version=version))
        return Prepared(
            tuple(outcomes),
            # One after the other, so that only one of them is in memory twice.
            {name: _join(inputs.pop(name), nothing[name]) for name in nothing},
            _join(valid, np.zeros(0, np.int32)),
            _join(starts, np.zeros(0, np.float64)),
        )

    def _waveforms(
        self, utterances: Sequence[Utterance], before: Callable[[], None]
    ) -> Iterator[tuple[Utterance, str | None, np.ndarray | AudioError]]:
        """Each utterance, its recording's version, and its samples or the reason why not.

        Neighbours of one recording share the open file.
        """
        for uri, spans in groupby(utterances, key=lambda utterance: utterance.uri):
            before()
            try:
                recording = open_recording(resolve(uri, self.base), self.access)
            except AudioError as error:
                yield from ((utterance, None, error) for utterance in spans)
                continue
            with recording:
                for utterance in spans:
                    before()
                    try:
                        yield utterance, recording.version, self._read(recording, utterance)
                    except AudioError as error:
                        yield utterance, recording.version, error

    def _read(self, recording: Recording, utterance: Utterance) -> np.ndarray:
        return recording.read(*utterance.span, utterance.channel, self.max_seconds, self.segments.sample_rate)


def regrouped(prepared: Iterable[Prepared], size: int) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """The segments of several pieces in groups of `size`, as if the pieces were one; the last group may be smaller.

    Yields:
        Inputs and valid samples of one group, as in `Prepared`.
    """
    inputs: dict[str, np.ndarray] = {}
    valid = np.zeros(0, np.int32)
    for piece in prepared:
        inputs = {
            name: np.concatenate([inputs[name], values]) if len(valid) else values
            for name, values in piece.inputs.items()
        }
        valid = np.concatenate([valid, piece.valid])
        while len(valid) >= size:
            yield {name: values[:size] for name, values in inputs.items()}, valid[:size]
            inputs, valid = {name: values[size:] for name, values in inputs.items()}, valid[size:]
    if len(valid):
        yield inputs, valid


def _join(parts: list[np.ndarray], empty: np.ndarray) -> np.ndarray:
    return np.concatenate(parts) if parts else empty
