"""How long a segment should be: UA of the encoder alone with segments of 1 to 5 seconds.

Strict leave-one-speaker-out, mean over valid frames, classifier in closed form; training and test are cut alike.

    python benchmarks/windows.py emovo.parquet --encoder WHISPER_BASE
"""

import argparse
from pathlib import Path

import numpy as np
from pooled import Pooled, pooled

from emoboost.corpus import Corpus, read_corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.metrics import Estimate, speaker_bootstrap
from emoboost.recipe import load_recipe
from emoboost.training import utterance_means

SECONDS = (1.0, 2.0, 3.0, 4.0, 5.0)


def strict_ua(corpus: Corpus, heard: Pooled, shrinkage: float) -> Estimate:
    """Of labels for held-out speakers."""
    truth, speakers = corpus.class_numbers(corpus.classes), np.array(corpus.speakers)
    predicted = np.zeros_like(truth)
    for speaker in sorted(set(speakers)):
        who = speakers[heard.utterance]
        rows, tested = who != speaker, heard.is_clean & (who == speaker)
        center, scale = heard.mean[rows].mean(axis=0), heard.mean[rows].std(axis=0)
        values, labels = (heard.mean[rows] - center) / scale, truth[heard.utterance[rows]]
        weights, biases = fit_discriminant(values, labels, len(corpus.classes), shrinkage, who[rows].tolist())
        logits = (heard.mean[tested] - center) / scale @ weights.T + biases
        utterances, number = np.unique(heard.utterance[tested], return_inverse=True)
        predicted[utterances] = utterance_means(logits, number, len(utterances)).argmax(axis=1)
    return speaker_bootstrap(truth, predicted, corpus.speakers, len(corpus.classes))["ua"]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--encoder", required=True, help="folder of a Whisper")
    parser.add_argument("--layers", default="2,3,4")
    parser.add_argument("--copies", default="r", help="recipe whose copies are heard")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    corpus, robust = read_corpus(given.manifest), load_recipe("robust")
    source = EncoderSource(encoder=given.encoder, layers=tuple(map(int, given.layers.split(","))))
    print("| segment | segments | UA | 95 % interval |\n|---|---|---|---|")
    for seconds in SECONDS:
        heard = pooled(corpus, load_recipe(given.copies).copies, source, robust.loudness, given.keep, seconds)
        ua, interval = strict_ua(corpus, heard, robust.shrinkage or 0.6)
        low, high = interval or (float("nan"), float("nan"))
        count = int(heard.is_clean.sum())
        print(f"| {seconds:g} s | {count} | {100 * ua:.1f} | {100 * low:.1f} to {100 * high:.1f} |", flush=True)


if __name__ == "__main__":
    main()
