"""Mean states of all copies of a corpus, for benchmarks of what can be made of them."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from emoboost.augment import Augmentation
from emoboost.backbone import whisper
from emoboost.backbone.hub import find_encoder
from emoboost.backbone.tensors import open_tensors
from emoboost.backbone.whisper_encoder import STRIDE
from emoboost.config import ModelConfig
from emoboost.corpus import Corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.frozen import encode
from emoboost.model import FrozenEncoders
from emoboost.predict import preparation_for
from emoboost.segment_means import utterance_means

TOGETHER = 16
Tail = Literal["pad", "align"]
"""What becomes of an utterance's last segment."""
MASKED = "masked "
"""In front of a copy's name: SpecAugment hides bands and stretches of what is heard of it."""
BANDS, STRETCHES = 2, 2
MOST_BANDS, MOST_FRAMES = 15, 40
CONSTANT = 1e-6
"""Keeps a channel that never changes from a division by zero."""


@dataclass(frozen=True)
class Pooled:
    """Of every segment of all copies."""

    mean: np.ndarray
    """(segments, D) float32: over the valid frames."""
    deviation: np.ndarray
    """(segments, D) float32: of the same frames."""
    utterance: np.ndarray
    copy: np.ndarray

    @property
    def is_clean(self) -> np.ndarray:
        """Rows of the first copy."""
        return self.copy == 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which corpus, and the Whisper that hears it."""
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--encoder", required=True, help="folder of a Whisper")
    parser.add_argument("--layers", default="2,3,4")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")


def source_of(given: argparse.Namespace) -> EncoderSource:
    """The Whisper that the arguments name."""
    return EncoderSource(encoder=given.encoder, layers=tuple(map(int, given.layers.split(","))))


def pooled(
    corpus: Corpus,
    copies: Sequence[str],
    source: EncoderSource,
    loudness: float | None,
    tail: Tail,
    keep: Path | None = None,
    seconds: float = 3.0,
    keep_length: bool = False,
) -> Pooled:
    """Hear every copy with an encoder.

    Args:
        corpus: whose utterances.
        copies: what `Augmentation.parse` reads, with `MASKED` before it or not; the first is the clean one.
        source: the encoder.
        loudness: as `SegmentConfig.loudness`.
        tail: as `SegmentConfig.tail`.
        keep: folder where each copy's means stay for another run.
        seconds: length of a segment; with another than 3 the source names a Whisper's folder.
        keep_length: as `Augmentation.keep_length`, which training has where all recordings are equally long.
    """
    config, encoders = _encoder(corpus, source, seconds)
    config = replace(config, segment=replace(config.segment, loudness=loudness, tail=tail))
    ears = _Ears(corpus, config, encoders, f"{source} {seconds}", keep, keep_length)
    heard = [ears.hear(copy) for copy in copies]
    mean, deviation, utterance = (np.concatenate(values) for values in zip(*heard, strict=True))
    return Pooled(mean, deviation, utterance, np.repeat(np.arange(len(copies)), [len(each[2]) for each in heard]))


def strict_labels(
    corpus: Corpus, vectors: np.ndarray, utterance: np.ndarray, is_clean: np.ndarray, shrinkage: float
) -> np.ndarray:
    """Class numbers of all utterances, each predicted by a closed form that never heard its speaker.

    Args:
        corpus: the utterances.
        vectors: (segments, D) of all copies.
        utterance: (segments,) number of the utterance.
        is_clean: (segments,) bool: rows that may be tested.
        shrinkage: of the classifier.
    """
    logits = strict_logits(corpus, vectors, utterance, np.ones(len(vectors), bool), shrinkage)
    return labels_of(logits[is_clean], utterance[is_clean])


def strict_logits(
    corpus: Corpus, vectors: np.ndarray, utterance: np.ndarray, is_trained: np.ndarray, shrinkage: float
) -> np.ndarray:
    """Of every segment, by a closed form that never heard its speaker: (segments, classes) float64.

    Args:
        corpus: the utterances.
        vectors: (segments, D).
        utterance: (segments,) number of the utterance.
        is_trained: (segments,) bool: rows that other speakers' classifiers learn from.
        shrinkage: of the classifier.
    """
    truth, who = corpus.class_numbers(corpus.classes), np.array(corpus.speakers)[utterance]
    found = np.zeros((len(vectors), len(corpus.classes)))
    for speaker in sorted(set(corpus.speakers)):
        rows, tested = (who != speaker) & is_trained, who == speaker
        center, scale = vectors[rows].mean(axis=0), vectors[rows].std(axis=0) + CONSTANT
        values, labels = (vectors[rows] - center) / scale, truth[utterance[rows]]
        weights, biases = fit_discriminant(values, labels, len(corpus.classes), shrinkage, who[rows].tolist())
        found[tested] = (vectors[tested] - center) / scale @ weights.T + biases
    return found


def labels_of(logits: np.ndarray, utterance: np.ndarray) -> np.ndarray:
    """Class numbers of the utterances 0, 1, ... by the mean over their segments.

    Args:
        logits: (segments, classes).
        utterance: (segments,) number of the utterance.
    """
    labels: np.ndarray = utterance_means(logits, utterance, int(utterance.max()) + 1).argmax(axis=1)
    return labels


@dataclass(frozen=True)
class _Ears:
    """What hears a corpus's copies, one after the other."""

    corpus: Corpus
    config: ModelConfig
    encoders: FrozenEncoders
    name: str
    """Of the encoder with the segment's length."""
    keep: Path | None
    keep_length: bool

    def hear(self, copy: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means, deviations and utterances of one copy's segments."""
        length = ", keep_length" if self._change(copy).keep_length else ""
        named = f"{self.corpus.manifest_hash} {copy}{length} {self.name} {self.config.segment}"
        file = None if self.keep is None else self.keep / f"{hashlib.sha256(named.encode()).hexdigest()[:12]}.npz"
        if file is not None and file.exists():
            with np.load(file) as stored:
                return stored["mean"], stored["deviation"], stored["utterance"]
        found = self._heard(copy)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, mean=found[0], deviation=found[1], utterance=found[2])
        return found

    def _change(self, copy: str) -> Augmentation:
        return Augmentation.parse(copy.removeprefix(MASKED), keep_length=self.keep_length)

    def _heard(self, copy: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        prepare, hop = preparation_for(self.config), self.config.backbone.log_mel.hop_length
        means, deviations, utterance = [], [], []
        change, is_masked = self._change(copy), copy.startswith(MASKED)
        for first in range(0, len(self.corpus.utterances), TOGETHER):
            some = self.corpus.utterances[first : first + TOGETHER]
            prepared = prepare(some, [change] * len(some))
            log_mel = prepared.inputs["log_mel"]
            if is_masked:
                random = np.random.default_rng([first, *copy.encode()])
                pairs = zip(log_mel, prepared.valid // hop, strict=True)
                log_mel = np.stack([masked(each, valid, random) for each, valid in pairs])
            heard = encode({"log_mel": log_mel}, prepared.valid, self.encoders)
            for frames, valid in zip(heard["frames"].float().numpy(), heard["valid_frames"].tolist(), strict=True):
                means.append(frames[:valid].mean(axis=0))
                deviations.append(frames[:valid].std(axis=0))
            counts = [outcome.n_segments for outcome in prepared.outcomes]
            utterance += np.repeat(np.arange(first, first + len(some)), counts).tolist()
        print(f"heard {copy}", file=sys.stderr, flush=True)
        return np.array(means), np.array(deviations), np.array(utterance)


def masked(log_mel: np.ndarray, valid: int, random: np.random.Generator) -> np.ndarray:
    """SpecAugment without its time warp (Park et al. 2019): what is hidden has the mean of what was said.

    Args:
        log_mel: (mels, frames) of one segment.
        valid: its frames before the padding.
        random: chance.
    """
    hidden = log_mel.copy()
    fill = log_mel[:, : max(valid, 1)].mean()
    for most, size, axis in [(MOST_BANDS, len(log_mel), 0)] * BANDS + [(MOST_FRAMES, valid, 1)] * STRETCHES:
        width = int(random.integers(min(most, size // 4) + 1))
        first = int(random.integers(size - width + 1))
        hidden[(slice(None),) * axis + (slice(first, first + width),)] = fill
    return hidden


def _encoder(corpus: Corpus, source: EncoderSource, seconds: float) -> tuple[ModelConfig, FrozenEncoders]:
    """The encoder alone, for segments of that length."""
    config, encoders = source.load("benchmark", corpus.classes)
    encoders.alexnet = None
    config = replace(config, mfcc_branch=None, spectrogram_branch=None)
    samples = round(seconds * config.segment.sample_rate)
    if samples == config.segment.samples:
        return config, encoders
    assert source.encoder is not None
    log_mel = replace(config.backbone.log_mel, frames=samples // config.backbone.log_mel.hop_length)
    backbone = replace(config.backbone, frames=log_mel.frames // STRIDE, log_mel=log_mel)
    config = replace(config, backbone=backbone, segment=replace(config.segment, samples=samples))
    encoders = FrozenEncoders(config)
    encoder = encoders.backbone.encoder
    with open_tensors(find_encoder(source.encoder, None).with_weights()) as stored:
        encoder.load_state_dict(whisper.read(stored, encoder.state_dict()))
    return config, encoders
