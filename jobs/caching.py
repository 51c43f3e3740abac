"""Fill a feature cache: the same two stages as annotation, whose second one writes packs instead of labels."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cluster.resources import Layout
from emoboost.augment import Augmentation
from emoboost.config import ModelConfig
from emoboost.encoder_source import EncoderSource
from emoboost.errors import EmoboostError, ManifestError, UsageError
from emoboost.feature_cache import FeatureCache
from emoboost.importing import collector_paused
from emoboost.predict import preparation_for
from emoboost.prepare import Prepared
from emoboost.printable import printable
from emoboost.utterance import Utterance
from jobs.pipeline import stream
from jobs.progress import progress
from jobs.rows import from_row, to_row
from jobs.stages import set_up_torch

PACK_ENTRIES = 48
"""Entries of a pack: about 25 MB with Whisper Base's three layers."""


@dataclass(frozen=True)
class Wanted:
    """One copy of one utterance."""

    name: str
    """Of its entry."""
    utterance: Utterance
    place: str
    """Manifest and row that it is from, for messages."""
    change: Augmentation


@dataclass(frozen=True)
class CacheWork:
    """What the workers of both stages are told."""

    cache: FeatureCache
    packs: Sequence[Sequence[Wanted]]
    config: ModelConfig
    source: EncoderSource
    base: str
    """Folder or URL that relative uris start from."""
    device: str
    inputs_only: bool
    """Keep the encoders' inputs, for training that changes the encoders."""


def fill_cache(work: CacheWork, layout: Layout) -> None:
    """Compute every pack of `work`.

    Raises:
        EmoboostError: an utterance cannot be read (training never drops data silently), or a pack cannot be written.
    """
    with (
        progress(sum(map(len, work.packs)), None) as running,
        stream(len(work.packs), prepare_pack, work, EncodePacks, work, layout) as packs,
    ):
        for counts in packs:
            if failure := counts.pop("failure"):
                raise EmoboostError(failure)
            running.add(**counts)


def refuse_small_disk(folder: Path, segments: int, config: ModelConfig) -> None:
    """Stop before the work when the features of so many segments do not fit.

    Raises:
        UsageError: there is less space.
    """
    values = config.backbone.frames * config.backbone.dim + config.mfcc.frames * config.mfcc.n_mfcc + 36 * 256
    needed, free = 2 * values * segments, shutil.disk_usage(folder).free
    if needed > free:
        raise UsageError(
            f"{folder}: the features need at least {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; free some, or "
            "choose another place with --cache"
        )


def prepare_pack(rows: pa.Table, work: CacheWork) -> pa.Table:
    """CPU stage: the number of a pack -> its segments as network inputs."""
    (number,) = rows["id"].to_pylist()
    with collector_paused():
        preparation = preparation_for(work.config, work.base)
    wanted = work.packs[number]
    return to_row(number, preparation([entry.utterance for entry in wanted], [entry.change for entry in wanted]))


class EncodePacks:
    """Network stage: a pack's inputs -> frozen features, published; one small row of counts comes back."""

    def __init__(self, work: CacheWork) -> None:
        set_up_torch(work.device)
        self.work = work
        self.encoders = None
        if not work.inputs_only:
            with collector_paused():
                encoders = work.source.load(work.config.name, work.config.classes)[1]
                self.encoders = encoders.cut_to(work.config).to(work.device)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Encode each entry by itself and publish them together; what cannot be done comes back in words.

        Ray Data would wrap an error, and lose what is in it.
        """
        number, prepared, _ = from_row(rows)
        failure = ""
        try:
            self._publish(self.work.packs[number], prepared)
        except EmoboostError as error:
            failure = str(error)
        counts = {"utterances": len(prepared.outcomes), "errors": 0, "failure": failure}
        seconds = float(np.sum([outcome.duration or 0.0 for outcome in prepared.outcomes]))
        return pa.table({name: [value] for name, value in {**counts, "seconds": seconds}.items()})

    def _publish(self, wanted: Sequence[Wanted], prepared: Prepared) -> None:
        from emoboost.frozen import encode, keep_inputs

        entries, first = [], 0
        for entry, outcome in zip(wanted, prepared.outcomes, strict=True):
            if outcome.error_type is not None:
                raise ManifestError(f"{entry.place}: {printable(outcome.error_message)}; correct or remove that row")
            last = first + outcome.n_segments
            inputs = {name: values[first:last] for name, values in prepared.inputs.items()}
            valid = prepared.valid[first:last]
            if self.encoders is None:
                entries.append((entry.name, keep_inputs(inputs, valid, self.work.config)))
            else:
                entries.append((entry.name, encode(inputs, valid, self.encoders)))
            first = last
        self.work.cache.publish(entries)
