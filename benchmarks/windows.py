"""How long a segment should be: UA of the encoder alone with segments of 1 second to whole utterances.

Strict leave-one-speaker-out, mean over valid frames, classifier in closed form; training and test are cut alike. The
last segment of an utterance is padded with zeros, or moved back until it ends where the utterance does.

    python benchmarks/windows.py emovo.parquet --encoder WHISPER_BASE
    python benchmarks/windows.py emovo.parquet --encoder WHISPER_BASE --tail align --seconds 2,3
"""

import argparse
from pathlib import Path

from pooled import pooled, strict_labels

from emoboost.corpus import read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.metrics import speaker_bootstrap
from emoboost.recipe import load_recipe

SECONDS = "1,2,3,4,5,10"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--encoder", required=True, help="folder of a Whisper")
    parser.add_argument("--layers", default="2,3,4")
    parser.add_argument("--copies", default="r", help="recipe whose copies are heard")
    parser.add_argument("--seconds", default=SECONDS, help="lengths of a segment")
    parser.add_argument("--tail", choices=["pad", "align"], default="pad", help="what becomes of the last segment")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    corpus, robust = read_corpus(given.manifest), load_recipe("robust")
    copies = load_recipe(given.copies).copies
    truth = corpus.class_numbers(corpus.classes)
    source = EncoderSource(encoder=given.encoder, layers=tuple(map(int, given.layers.split(","))))
    print("| segment | segments | UA | 95 % interval |\n|---|---|---|---|")
    for seconds in map(float, given.seconds.split(",")):
        heard = pooled(corpus, copies, source, robust.loudness, given.keep, seconds, given.tail)
        predicted = strict_labels(corpus, heard.mean, heard.utterance, heard.is_clean, robust.shrinkage or 0.6)
        ua, interval = speaker_bootstrap(truth, predicted, corpus.speakers, len(corpus.classes))["ua"]
        low, high = interval or (float("nan"), float("nan"))
        count = int(heard.is_clean.sum())
        print(f"| {seconds:g} s | {count} | {100 * ua:.1f} | {100 * low:.1f} to {100 * high:.1f} |", flush=True)


if __name__ == "__main__":
    main()
