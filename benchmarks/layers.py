"""Which layers of a Whisper, and how much shrinkage: for speakers of the corpus that is trained on, and of another.

Encoder alone, mean over valid frames, the copies, loudness and tail of a recipe, classifier in closed form.
Within a corpus strict leave-one-speaker-out with all classes; across corpora the classes of a label map.

    python benchmarks/layers.py emodb.parquet emovo.parquet --encoder WHISPER_BASE
    python benchmarks/layers.py emodb.parquet emovo.parquet --encoder WHISPER_BASE --layers 2,3,4 --shrinkages 0.6,0.9
"""

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from comparison import compared
from pooled import CONSTANT, Pooled, labels_of, pooled, strict_labels

from emoboost.corpus import Corpus, read_corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.label_maps import load_label_map
from emoboost.recipe import load_recipe


def main() -> None:
    """Print a table; the first layers with the first shrinkage are what the others are compared with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", nargs=2, help="two labelled corpora, as evaluate reads them")
    parser.add_argument("--encoder", required=True, help="folder of a Whisper")
    parser.add_argument("--layers", default="2,3,4 2,3,4,5", help="sets of layers, separated by blanks")
    parser.add_argument("--shrinkages", default="", help="separated by commas; that of the recipe unless given")
    parser.add_argument("--recipe", default="robust")
    parser.add_argument("--label-map", default="four", help="of what is trained and tested across corpora")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    recipe, label_map = load_recipe(given.recipe), load_label_map(given.label_map)
    sets = [tuple(map(int, layers.split(","))) for layers in given.layers.split()]
    shrinkages = [float(each) for each in given.shrinkages.split(",") if each] or [recipe.shrinkage or 0.6]
    heard_layers = tuple(sorted(set().union(*sets)))
    source = EncoderSource(encoder=given.encoder, layers=heard_layers)
    corpora = [read_corpus(manifest) for manifest in given.manifests]
    heard = [pooled(each, recipe.copies, source, recipe.loudness, recipe.tail, given.keep) for each in corpora]
    sides_of = {layers: [_of_layers(each, layers, heard_layers) for each in heard] for layers in sets}
    first, second = (Path(manifest).stem for manifest in given.manifests)
    print("| task | layers | shrinkage | UA | 95 % interval | difference |\n|---|---|---|---|---|---|")
    for name, trained, tested in (
        (first, 0, 0),
        (second, 1, 1),
        (f"{first} to {second}", 0, 1),
        (f"{second} to {first}", 1, 0),
    ):
        reference = None
        for (layers, sides), shrinkage in itertools.product(sides_of.items(), shrinkages):
            corpus, rows = corpora[tested], sides[tested]
            if trained == tested:
                labels = strict_labels(corpus, rows.mean, rows.utterance, rows.is_clean, shrinkage)
            else:
                corpus, rows = _mapped(corpus, rows, label_map)
                labels = _across(*_mapped(corpora[trained], sides[trained], label_map), rows, shrinkage)
            reference = labels if reference is None else reference
            row = f"{name} | {', '.join(map(str, layers))} | {shrinkage:g} | {compared(corpus, labels, reference)}"
            print(f"| {row} |", flush=True)


def _of_layers(heard: Pooled, layers: Sequence[int], heard_layers: Sequence[int]) -> Pooled:
    """The same with some of the layers, which lie side by side."""
    width = heard.mean.shape[1] // len(heard_layers)
    columns = np.concatenate([np.arange(width) + width * heard_layers.index(layer) for layer in layers])
    return replace(heard, mean=heard.mean[:, columns], deviation=heard.deviation[:, columns])


def _mapped(corpus: Corpus, heard: Pooled, label_map: Mapping[str, str]) -> tuple[Corpus, Pooled]:
    """What the map names of a corpus, with its labels."""
    kept = [number for number, label in enumerate(corpus.labels) if label in label_map]
    rows = np.isin(heard.utterance, kept)
    numbers = np.searchsorted(kept, heard.utterance[rows])
    labels, speakers = [label_map[corpus.labels[u]] for u in kept], [corpus.speakers[u] for u in kept]
    part = Pooled(heard.mean[rows], heard.deviation[rows], numbers, heard.copy[rows])
    return replace(corpus, utterances=[corpus.utterances[u] for u in kept], labels=labels, speakers=speakers), part


def _across(corpus: Corpus, heard: Pooled, tested: Pooled, shrinkage: float) -> np.ndarray:
    """Class numbers of another corpus's utterances by a classifier of this one."""
    center, scale = heard.mean.mean(axis=0), heard.mean.std(axis=0) + CONSTANT
    truth, who = corpus.class_numbers(corpus.classes)[heard.utterance], np.array(corpus.speakers)[heard.utterance]
    weights, biases = fit_discriminant(
        (heard.mean - center) / scale, truth, len(corpus.classes), shrinkage, who.tolist()
    )
    logits = (tested.mean[tested.is_clean] - center) / scale @ weights.T + biases
    return labels_of(logits, tested.utterance[tested.is_clean])


if __name__ == "__main__":
    main()
