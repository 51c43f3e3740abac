"""How long a segment should be, and how the last one of an utterance is cut: UA of the encoder alone.

Strict leave-one-speaker-out, mean over valid frames, classifier in closed form; training and test are cut alike. A cut
is seconds, and what becomes of the last segment: padded with zeros, or moved back to end where the utterance does; with
`raw` behind it segments keep their level, else all are brought to the loudness of recipe `robust`.

    python benchmarks/windows.py emovo.parquet --encoder WHISPER_BASE
    python benchmarks/windows.py emovo.parquet --encoder WHISPER_BASE --cuts "3 pad,3 pad raw"
"""

import argparse

from comparison import compared
from pooled import add_arguments, pooled, source_of, strict_labels

from emoboost.corpus import read_corpus
from emoboost.recipe import load_recipe

CUTS = "3 pad,1 pad,2 pad,4 pad,5 pad,10 pad,2 align,3 align"


def main() -> None:
    """Print a table; the first cut is what the others are compared with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--copies", default="r", help="recipe whose copies are heard")
    parser.add_argument("--cuts", default=CUTS, help="seconds of a segment and 'pad' or 'align', separated by commas")
    given = parser.parse_args()
    corpus, robust, copies = read_corpus(given.manifest), load_recipe("robust"), load_recipe(given.copies).copies
    source = source_of(given)
    reference = None
    print("| segment | segments | UA | 95 % interval | difference |\n|---|---|---|---|---|")
    for seconds, tail, *raw in (cut.split() for cut in given.cuts.split(",")):
        loudness = None if raw else robust.loudness
        heard = pooled(corpus, copies, source, loudness, tail, given.keep, float(seconds))
        labels = strict_labels(corpus, heard.mean, heard.utterance, heard.is_clean, robust.shrinkage or 0.6)
        reference = labels if reference is None else reference
        name, count = " ".join([f"{seconds} s, {tail}", *raw]), int(heard.is_clean.sum())
        print(f"| {name} | {count} | {compared(corpus, labels, reference)} |", flush=True)


if __name__ == "__main__":
    main()
