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
from emoboost.errors import ManifestError, UsageError
from emoboost.feature_cache import FeatureCache
from emoboost.importing import collector_paused
from emoboost.predict import preparation_for
from emoboost.utterance import Utterance
from jobs.pipeline import stream
from jobs.progress import progress
from jobs.stages import from_row, set_up_torch, to_row

PACK_ENTRIES = 48
"""Entries of a pack: about 25 MB with Whisper Base's three layers."""


@dataclass(frozen=True)
class Wanted:
    """One copy of one utterance."""

    name: str
    """Of its entry."""
    utterance: Utterance
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
    manifest: str
    device: str
    inputs_only: bool
    """Keep the encoders' inputs, for training that changes the encoders."""


def fill_cache(work: CacheWork, layout: Layout) -> None:
    """Compute every pack of `work`.

    Raises:
        UsageError: the cache's disk is too small for it.
        ManifestError: an utterance cannot be read; training never drops data silently.
    """
    total = sum(map(len, work.packs))
    refuse_small_disk(work.cache.folder, total, work.config)
    with progress(total, None) as running:
        for counts in stream(len(work.packs), prepare_pack, work, EncodePacks, work, layout):
            running.add(**counts)


def refuse_small_disk(folder: Path, entries: int, config: ModelConfig) -> None:
    """Stop before the work when the features of so many utterances, of one segment each, do not fit.

    Raises:
        UsageError: there is less space.
    """
    values = config.backbone.frames * config.backbone.dim + config.mfcc.frames * config.mfcc.n_mfcc + 36 * 256
    needed, free = 2 * values * entries, shutil.disk_usage(folder).free
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
    prepared = preparation([entry.utterance for entry in wanted], [entry.change for entry in wanted])
    for outcome in prepared.outcomes:
        if outcome.error_type is not None:
            raise ManifestError(f"{work.manifest}: {outcome.error_message}; correct or remove that row")
    return to_row(number, prepared)


class EncodePacks:
    """Network stage: a pack's inputs -> frozen features, published; one small row of counts comes back."""

    def __init__(self, work: CacheWork) -> None:
        set_up_torch(work.device)
        self.work = work
        self.encoders = None
        if not work.inputs_only:
            with collector_paused():
                self.encoders = work.source.load(work.config.name, work.config.classes)[1].to(work.device)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Encode each entry by itself and publish them together."""
        from emoboost.frozen import encode, keep_inputs

        number, prepared = from_row(rows)
        wanted, entries, first = self.work.packs[number], [], 0
        for entry, outcome in zip(wanted, prepared.outcomes, strict=True):
            last = first + outcome.n_segments
            inputs = {name: values[first:last] for name, values in prepared.inputs.items()}
            valid = prepared.valid[first:last]
            if self.encoders is None:
                entries.append((entry.name, keep_inputs(inputs, valid, self.work.config)))
            else:
                entries.append((entry.name, encode(inputs, valid, self.encoders)))
            first = last
        self.work.cache.publish(entries)
        seconds = float(np.sum([outcome.duration or 0.0 for outcome in prepared.outcomes]))
        return pa.table({"utterances": [len(wanted)], "errors": [0], "seconds": [seconds]})
