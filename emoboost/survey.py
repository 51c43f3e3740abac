"""The audio of a corpus, looked at once: what each utterance's samples are, and how long it is."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from emoboost.access import Access
from emoboost.audio import open_recording, resolve
from emoboost.augment import audio_hash
from emoboost.corpus import Corpus
from emoboost.defaults import MAX_SECONDS
from emoboost.errors import AudioError, ManifestError
from emoboost.folds import Rows
from emoboost.printable import printable
from emoboost.utterance import Utterance


@dataclass(frozen=True)
class Survey:
    """One value for each utterance."""

    audio: Sequence[str]
    """SHA-256 of the samples."""
    seconds: np.ndarray

    @property
    def constant_length(self) -> bool:
        """Whether all recordings were cut or padded to one length."""
        return len(set(np.round(self.seconds, 4).tolist())) == 1


def survey(corpus: Corpus, sample_rate: int, access: Access | None = None) -> Survey:
    """Decode every recording, several at a time (decoders leave Python's lock alone).

    Args:
        corpus: whose recordings.
        sample_rate: in Hz, of the samples that are hashed.
        access: how they may be reached; None is `Access()`.

    Raises:
        ManifestError: an utterance cannot be read; training never drops data silently.
    """

    def look(place: str, utterance: Utterance) -> tuple[str, float]:
        try:
            with open_recording(resolve(utterance.uri, corpus.base), access or Access()) as recording:
                waveform = recording.read(*utterance.span, utterance.channel, MAX_SECONDS, sample_rate)
        except AudioError as error:
            raise ManifestError(f"{place}: {printable(error.message)}; correct or remove that row") from error
        return audio_hash(waveform), len(waveform) / sample_rate

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(look, corpus.places, corpus.utterances))
    return Survey([name for name, _ in found], np.array([seconds for _, seconds in found]))


def rows_of(corpus: Corpus, found: Survey) -> Rows:
    """What protocols may look at."""
    return Rows(
        label=corpus.labels,
        speaker=corpus.speakers,
        session=corpus.sessions,
        text=corpus.texts,
        split=corpus.splits,
        audio=found.audio,
        name=[utterance.utterance_id for utterance in corpus.utterances],
    )
