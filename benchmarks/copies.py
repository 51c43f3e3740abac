"""Which changed copies to train on, by how well changed speech is labelled then: UA of the encoder alone.

Strict leave-one-speaker-out, mean over valid frames, the recipe's other copies, its loudness, tail and shrinkage; only
the tested speech is under a condition. A set replaces some of the recipe's copies; sets are separated by semicolons.

    python benchmarks/copies.py emodb.parquet --encoder WHISPER_BASE
    python benchmarks/copies.py emovo.parquet --encoder WHISPER_BASE --replaced "" --sets ";room"
"""

import argparse
from pathlib import Path

import numpy as np
from comparison import difference
from pooled import labels_of, pooled, strict_logits

from emoboost.augment import CLEAN
from emoboost.conditions import parse_conditions
from emoboost.corpus import read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.metrics import confusion, unweighted_accuracy
from emoboost.recipe import load_recipe

LINES = "speed 0.9 + telephone, speed 1.1 + telephone"
TELEPHONES = f"{LINES}, gsm"
"""The recipe's own."""
SETS = (
    LINES,
    "speed 0.9 + telephone, speed 1.1 + gsm",
    "speed 0.9 + gsm, speed 1.1 + gsm",
    "speed 0.9 + telephone + gsm, speed 1.1 + gsm",
    TELEPHONES,
)
CONDITIONS = "telephone, mulaw, gsm, opus, white 10"


def main() -> None:
    """Print a table; the first set is what the others are compared with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--encoder", required=True, help="folder of a Whisper")
    parser.add_argument("--layers", default="2,3,4")
    parser.add_argument("--recipe", default="robust")
    parser.add_argument("--replaced", default=TELEPHONES, help="copies of the recipe that the sets replace")
    parser.add_argument("--sets", default=";".join(SETS), help="copies, separated by commas; sets by semicolons")
    parser.add_argument("--conditions", default=CONDITIONS, help="as evaluate --conditions")
    parser.add_argument("--keep-length", action="store_true", help="cut or pad speed copies to their original's length")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    corpus, recipe = read_corpus(given.manifest), load_recipe(given.recipe)
    conditions, replaced = (CLEAN, *parse_conditions(given.conditions)), _listed(given.replaced)
    kept = tuple(copy for copy in recipe.copies if copy not in replaced)
    sets = {text.strip(): (*kept, *_listed(text)) for text in given.sets.split(";")}
    named = tuple(dict.fromkeys([*(copy for copies in sets.values() for copy in copies), *conditions]))
    source = EncoderSource(encoder=given.encoder, layers=tuple(map(int, given.layers.split(","))))
    heard = pooled(corpus, named, source, recipe.loudness, given.keep, tail=recipe.tail, keep_length=given.keep_length)
    print(f"| copies | {' | '.join(conditions)} |\n|---|{'---|' * len(conditions)}")
    first: dict[str, np.ndarray] = {}
    for name, copies in sets.items():
        is_trained = np.isin(heard.copy, [named.index(copy) for copy in copies])
        logits = strict_logits(corpus, heard.mean, heard.utterance, is_trained, recipe.shrinkage or 0.6)
        cells = []
        for condition in conditions:
            tested = heard.copy == named.index(condition)
            labels = labels_of(logits[tested], heard.utterance[tested])
            counts = confusion(corpus.class_numbers(corpus.classes), labels, len(corpus.classes))
            change = difference(corpus, labels, first.setdefault(condition, labels))
            cells.append(f"{100 * unweighted_accuracy(counts):.1f}, {change}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


if __name__ == "__main__":
    main()
