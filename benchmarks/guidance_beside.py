"""What MFCCs and AlexNet know beside the encoder, with nothing learned but a classifier in closed form.

Each segment is the mean of its encoder's frames, the mean and deviation of its MFCCs, and the mean and maximum of
AlexNet's 36 positions. Strict leave-one-speaker-out, but for the last four rows, which know the mean of all utterances
of the tested speaker. The features are those that `evaluate` left in its cache:

    emoboost-batch evaluate emodb.parquet --recipe r --encoder WHISPER_BASE --layers 0 --seeds 0 --output emodb-layer0
    python benchmarks/guidance_beside.py emodb.parquet --recipe r --encoder WHISPER_BASE --layers 0
"""

import argparse

import numpy as np
import torch
from cached import add_arguments, cached, over_valid, with_log_mel
from comparison import compared
from pooled import strict_labels

from emoboost.frozen import FrozenFeatures

SHRINKAGES = (0.3, 0.6)
TOGETHER = 64


def statistics(features: FrozenFeatures) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every segment: encoder, MFCCs, AlexNet."""
    rows = np.arange(len(features.utterance))
    parts = []
    for first in range(0, len(rows), TOGETHER):
        frames, valid, mfcc, image = features.batch(rows[first : first + TOGETHER])
        assert mfcc is not None
        assert image is not None
        spoken = (valid * mfcc.shape[1] // frames.shape[1]).clamp(1)
        looked_at = torch.cat([image.mean(1), image.amax(1)], dim=1)
        parts.append((over_valid(frames, valid)[0], torch.cat(over_valid(mfcc, spoken), dim=1), looked_at))
    encoder, heard, seen = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return encoder, heard, seen


def less_speakers_mean(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Each segment less the mean of all segments of its speaker's copy: what is known of a speaker without labels."""
    _, number = np.unique(group, return_inverse=True)
    sums = np.zeros((number.max() + 1, values.shape[1]))
    np.add.at(sums, number, values)
    return np.asarray(values - (sums / np.bincount(number)[:, None])[number], np.float32)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--log-mel", action="store_true", help="what Whisper reads in place of what it says")
    given = parser.parse_args()
    corpus, laboratory, features = cached(parser, given)
    if given.log_mel:
        _, features = with_log_mel(laboratory, features)
    encoder, mfcc, alexnet = statistics(features)
    is_clean = features.copy == 0
    names, who = np.unique(corpus.speakers, return_inverse=True)
    group = features.copy * len(names) + who[features.utterance]
    centred = [less_speakers_mean(values, group) for values in (encoder, mfcc, alexnet)]
    sets = {
        "encoder alone": [encoder],
        "MFCCs beside it": [encoder, mfcc],
        "AlexNet beside it": [encoder, alexnet],
        "both beside it": [encoder, mfcc, alexnet],
        "MFCCs alone": [mfcc],
        "AlexNet alone": [alexnet],
        "MFCCs less their speaker's mean beside it": [encoder, centred[1]],
        "both less their speaker's mean beside it": [encoder, *centred[1:]],
        "encoder less its speaker's mean, alone": centred[:1],
        "the last, and both less their speaker's mean": centred,
    }
    print("| shrinkage | what the classifier sees | UA | 95 % interval | against the encoder alone |")
    print("|---|---|---|---|---|")
    for shrinkage in SHRINKAGES:
        alone = strict_labels(corpus, encoder, features.utterance, is_clean, shrinkage)
        for name, parts in sets.items():
            vectors = np.concatenate(parts, axis=1)
            predicted = strict_labels(corpus, vectors, features.utterance, is_clean, shrinkage)
            print(f"| {shrinkage:g} | {name} | {compared(corpus, predicted, alone)} |", flush=True)


if __name__ == "__main__":
    main()
