"""The paper's ablations where the encoder knows nothing: log-mel frames in its place.

Recipe's branches and training, its classifier in closed form, strict leave-one-speaker-out. MFCCs, spectrograms and
copies are those that `evaluate` left in its cache, with any encoder:

    emoboost-batch evaluate emodb.parquet --recipe r --seeds 0 --output emodb-r
    python benchmarks/guidance_log_mel.py emodb.parquet --recipe r
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
from cached import add_arguments, cached, with_log_mel
from comparison import compared

from emoboost.recipe import load_recipe
from emoboost.segment_means import utterance_means
from emoboost.training import segment_outputs, train_head
from emoboost.variants import ALONE, VARIANTS, configs_of
from jobs.lab_arguments import parse_seeds

SHRINKAGE = 0.6


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--seeds", default="0", help="of training; figures are means over them")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, laboratory, features = cached(parser, given)
    laboratory, features = with_log_mel(laboratory, features)
    recipe = replace(load_recipe(given.recipe), shrinkage=SHRINKAGE)
    truth = corpus.class_numbers(corpus.classes)
    labels = truth[features.utterance]
    who, is_clean = np.array(corpus.speakers)[features.utterance], features.copy == 0
    names = [ALONE, *(name for name in VARIANTS if name != ALONE)]
    seeds = parse_seeds(given.seeds, "--seeds")
    alone = np.zeros((len(seeds), len(truth)), np.int64)
    print("| variant | UA | 95 % interval | against the encoder alone |\n|---|---|---|---|")
    for name, config in configs_of(names, laboratory.config).items():
        predicted = np.zeros_like(alone)
        for speaker in sorted(set(corpus.speakers)):
            rows, tested = np.flatnonzero(who != speaker), np.flatnonzero((who == speaker) & is_clean)
            numbers, number = np.unique(features.utterance[tested], return_inverse=True)
            for run, seed in enumerate(seeds):
                trained = train_head(features, labels, rows, config, recipe, seed, speakers=who.tolist())
                logits = segment_outputs(trained.learner, features, tested).logits.numpy()
                predicted[run, numbers] = utterance_means(logits, number, len(numbers)).argmax(axis=1)
        alone = predicted if name == ALONE else alone
        print(f"| {VARIANTS[name].title} | {compared(corpus, predicted, alone)} |", flush=True)


if __name__ == "__main__":
    main()
