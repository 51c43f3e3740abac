"""Which changed copies to train on, by how well changed speech is labelled then: UA of the encoder alone.

Strict leave-one-speaker-out, mean over valid frames, the recipe's other copies, its loudness, tail and shrinkage; only
the tested speech is under a condition. A set replaces some of the recipe's copies; sets are separated by semicolons.

    python benchmarks/copies.py emodb.parquet --encoder WHISPER_BASE
    python benchmarks/copies.py emovo.parquet --encoder WHISPER_BASE --replaced "" --sets ";room"
"""

import argparse

import numpy as np
from comparison import difference
from pooled import add_arguments, labels_of, pooled, source_of, strict_logits

from emoboost.augment import CLEAN
from emoboost.conditions import parse_conditions
from emoboost.corpus import read_corpus
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
    add_arguments(parser)
    parser.add_argument("--recipe", default="robust")
    parser.add_argument("--replaced", default=TELEPHONES, help="copies of the recipe that the sets replace")
    parser.add_argument("--sets", default=";".join(SETS), help="copies, separated by commas; sets by semicolons")
    parser.add_argument("--conditions", default=CONDITIONS, help="as evaluate --conditions")
    parser.add_argument("--keep-length", action="store_true", help="cut or pad speed copies to their original's length")
    given = parser.parse_args()
    corpus, recipe = read_corpus(given.manifest), load_recipe(given.recipe)
    conditions, replaced = (CLEAN, *parse_conditions(given.conditions)), _listed(given.replaced)
    kept = tuple(copy for copy in recipe.copies if copy not in replaced)
    sets = {text.strip(): (*kept, *_listed(text)) for text in given.sets.split(";")}
    named = tuple(dict.fromkeys([*(copy for copies in sets.values() for copy in copies), *conditions]))
    source = source_of(given)
    heard = pooled(corpus, named, source, recipe.loudness, recipe.tail, given.keep, keep_length=given.keep_length)
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
