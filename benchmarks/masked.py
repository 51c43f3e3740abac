"""SpecAugment as copies: does a classifier in closed form gain from speech of which bands and stretches are hidden?

Strict leave-one-speaker-out, encoder alone; only the training speakers' copies are masked.

    python benchmarks/masked.py emodb.parquet --encoder WHISPER_BASE
"""

import argparse

from comparison import compared
from pooled import MASKED, add_arguments, pooled, source_of, strict_labels

from emoboost.corpus import read_corpus
from emoboost.recipe import load_recipe

FEW = ("clean", "speed 0.9", "speed 1.1")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    given = parser.parse_args()
    corpus, robust = read_corpus(given.manifest), load_recipe("robust")
    source = source_of(given)
    more = tuple(MASKED + copy for copy in FEW)
    print("| copies | UA | 95 % interval | against those without |\n|---|---|---|---|")
    for title, copies in (("three", FEW), ("recipe robust", robust.copies)):
        without = None
        for name, all_copies in ((title, copies), (f"{title}, and three masked", (*copies, *more))):
            heard = pooled(corpus, all_copies, source, robust.loudness, robust.tail, given.keep)
            labels = strict_labels(corpus, heard.mean, heard.utterance, heard.is_clean, robust.shrinkage or 0.6)
            without = labels if without is None else without
            print(f"| {name} | {compared(corpus, labels, without)} |", flush=True)


if __name__ == "__main__":
    main()
