"""What is in a labelled corpus, and what is suspicious about it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emoboost.access import Access
from emoboost.audio import open_recording, resolve
from emoboost.augment import audio_hash
from emoboost.corpus import Corpus
from emoboost.defaults import MAX_SECONDS
from emoboost.errors import AudioError
from emoboost.vocabulary import EMOTIONS

FULL_SCALE = 0.9999
CLIPPED_SAMPLES = 3
"""So many samples in a row at full scale are clipping."""
SILENT_PEAK = 1e-4
"""-80 dB of full scale."""
SPEAKERS_NAMED = 20
"""More speakers with one class get one line together."""


@dataclass(frozen=True)
class CorpusFacts:
    """Counts of a corpus, and the utterances that deserve a look."""

    counts: dict[str, dict[str, int]]
    """Class -> speaker -> utterances."""
    seconds: np.ndarray
    """(n,) duration of each utterance that could be read."""
    duplicates: list[list[str]]
    """Groups of utterance ids whose samples are equal."""
    clipped: list[str]
    silent: list[str]
    padded: list[str]
    """Utterances that end in at least 0.1 s of digital zeros."""
    unreadable: dict[str, str]
    """Utterance id -> reason."""

    @property
    def constant_seconds(self) -> float | None:
        """The one length of all recordings, when there are at least ten and they have one."""
        lengths = set(np.round(self.seconds, 3).tolist())
        return lengths.pop() if len(self.seconds) >= 10 and len(lengths) == 1 else None


def corpus_facts(corpus: Corpus, progress: Callable[[int], None] | None = None) -> CorpusFacts:
    """Read every recording once, at its own rate: resampling takes clipped samples away from full scale.

    Args:
        corpus: labels, speakers, recordings.
        progress: called with the number of utterances done.
    """
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    groups: dict[tuple[int, str], list[str]] = defaultdict(list)
    seconds, unreadable = [], {}
    clipped, silent, padded = [], [], []
    for done, (utterance, label, speaker) in enumerate(
        zip(corpus.utterances, corpus.labels, corpus.speakers, strict=True), 1
    ):
        counts[label][speaker] += 1
        name = utterance.utterance_id
        try:
            with open_recording(resolve(utterance.uri, corpus.base), Access()) as recording:
                rate = recording.header.sample_rate
                waveform = recording.read(*utterance.span, utterance.channel, MAX_SECONDS, rate)
        except AudioError as error:
            unreadable[name] = error.message
            continue
        seconds.append(len(waveform) / rate)
        groups[rate, audio_hash(waveform)].append(name)
        level = np.abs(waveform)
        if level.max() < SILENT_PEAK:
            silent.append(name)
        if longest_run(level >= FULL_SCALE) >= CLIPPED_SAMPLES:
            clipped.append(name)
        sounding = np.flatnonzero(waveform)
        if len(sounding) and len(waveform) - 1 - sounding[-1] >= rate // 10:
            padded.append(name)
        if progress is not None:
            progress(done)
    return CorpusFacts(
        {label: dict(speakers) for label, speakers in sorted(counts.items())},
        np.array(seconds),
        [names for names in groups.values() if len(names) > 1],
        clipped,
        silent,
        padded,
        unreadable,
    )


def longest_run(flags: np.ndarray) -> int:
    """Length of the longest run of True in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def warnings_of(facts: CorpusFacts, speakers: Sequence[str]) -> list[str]:
    """One line for each thing that a user should know before training on the corpus."""
    lines = []
    if facts.constant_seconds is not None:
        lines.append(
            f"all recordings last {facts.constant_seconds:g} s: they were cut or padded, so speech may be lost and "
            "padding may tell the emotion"
        )
    if facts.padded:
        lines.append(f"{len(facts.padded):,} end in at least 0.1 s of digital silence, for example {facts.padded[0]}")
    if facts.duplicates:
        lines.append(f"{len(facts.duplicates):,} groups of equal audio, for example {', '.join(facts.duplicates[0])}")
    for what, names in (("clipped", facts.clipped), ("silent", facts.silent)):
        if names:
            lines.append(f"{len(names):,} {what}, for example {names[0]}")
    if facts.unreadable:
        name, reason = next(iter(facts.unreadable.items()))
        lines.append(f"{len(facts.unreadable):,} cannot be read, for example {name}: {reason}")
    for what, values in (("class", list(facts.counts)), ("speaker", sorted(set(speakers)))):
        if len(values) == 1:
            lines.append(f"only one {what} ({values[0]}); evaluate and train need at least two")
    for label, by_speaker in facts.counts.items():
        if label not in EMOTIONS:
            lines.append(f"class {label} is not the name of an emotion; evaluate and train need a --label-map for it")
        if len(by_speaker) == 1:
            lines.append(f"class {label} has one speaker only ({next(iter(by_speaker))})")
    return lines + _of_one_class(facts.counts, speakers)


def _of_one_class(counts: Mapping[str, Mapping[str, int]], speakers: Sequence[str]) -> list[str]:
    lines = []
    for speaker in sorted(set(speakers)):
        labels = [label for label, by_speaker in counts.items() if speaker in by_speaker]
        if len(labels) == 1:
            lines.append(f"speaker {speaker} has one class only ({labels[0]})")
    if len(lines) <= SPEAKERS_NAMED:
        return lines
    return [f"{len(lines):,} speakers have one class only; the first: {lines[0]}"]
