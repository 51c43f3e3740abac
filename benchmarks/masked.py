"""SpecAugment as copies: does a classifier in closed form gain from speech of which bands and stretches are hidden?

Strict leave-one-speaker-out, encoder alone; only the training speakers' copies are masked.

    python benchmarks/masked.py emodb.parquet --encoder WHISPER_BASE
"""

import argparse
from pathlib import Path

from comparison import compared
from pooled import MASKED, pooled, strict_labels

from emoboost.corpus import read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.recipe import load_recipe

FEW = ("clean", "speed 0.9", "speed 1.1")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--encoder", required=True, help="folder of a Whisper")
    parser.add_argument("--layers", default="2,3,4")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    corpus, robust = read_corpus(given.manifest), load_recipe("robust")
    source = EncoderSource(encoder=given.encoder, layers=tuple(map(int, given.layers.split(","))))
    more = tuple(MASKED + copy for copy in FEW)
    print("| copies | UA | 95 % interval | against those without |\n|---|---|---|---|")
    for title, copies in (("three", FEW), ("recipe robust", robust.copies)):
        without = None
        for name, all_copies in ((title, copies), (f"{title}, and three masked", (*copies, *more))):
            heard = pooled(corpus, all_copies, source, robust.loudness, given.keep, tail=robust.tail)
            labels = strict_labels(corpus, heard.mean, heard.utterance, heard.is_clean, robust.shrinkage or 0.6)
            without = labels if without is None else without
            print(f"| {name} | {compared(corpus, labels, without)} |", flush=True)


if __name__ == "__main__":
    main()
