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

from emoboost.metrics import paired_bootstrap, speaker_bootstrap
from emoboost.recipe import load_recipe
from emoboost.segment_means import utterance_means
from emoboost.training import segment_outputs, train_head
from emoboost.variants import ALONE, VARIANTS, configs_of

SHRINKAGE = 0.6


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, laboratory, features = cached(parser, given)
    laboratory, features = with_log_mel(laboratory, features)
    recipe = replace(load_recipe(given.recipe), shrinkage=SHRINKAGE)
    truth, count = corpus.class_numbers(corpus.classes), len(corpus.classes)
    who, is_clean = np.array(corpus.speakers)[features.utterance], features.copy == 0
    names = [ALONE, *(name for name in VARIANTS if name != ALONE)]
    everyone, right = list(corpus.speakers) * given.seeds, np.tile(truth, given.seeds)
    alone = np.zeros(0, np.int64)
    print("| variant | UA of each seed | UA | 95 % interval | against the encoder alone |\n|---|---|---|---|---|")
    for name, config in configs_of(names, laboratory.config).items():
        predicted = np.zeros((given.seeds, len(truth)), np.int64)
        for seed in range(given.seeds):
            for speaker in sorted(set(corpus.speakers)):
                rows, tested = np.flatnonzero(who != speaker), np.flatnonzero((who == speaker) & is_clean)
                labels = truth[features.utterance]
                trained = train_head(features, labels, rows, config, recipe, seed, speakers=who.tolist())
                logits = segment_outputs(trained.learner, features, tested).logits.numpy()
                numbers, number = np.unique(features.utterance[tested], return_inverse=True)
                predicted[seed, numbers] = utterance_means(logits, number, len(numbers)).argmax(axis=1)
        each = [speaker_bootstrap(truth, labels, corpus.speakers, count)["ua"].value for labels in predicted]
        together = predicted.ravel()
        alone = together if name == ALONE else alone
        ua = speaker_bootstrap(right, together, everyone, count)["ua"]
        gain = paired_bootstrap(right, alone, together, everyone, count)["ua"]
        (low, high), (least, most) = ((100 * end for end in value.interval or (0, 0)) for value in (ua, gain))
        print(
            f"| {VARIANTS[name].title} | {' / '.join(f'{100 * value:.1f}' for value in each)} | {100 * ua.value:.1f} | "
            f"{low:.1f} to {high:.1f} | {100 * gain.value:+.1f} ({least:+.1f} to {most:+.1f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
