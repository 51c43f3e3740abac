"""What can be made of the classifier in closed form: UA and log-loss of the encoder alone, strict.

Mean over valid frames, the recipe's copies, loudness and tail; every variant differs in one thing from the recipe's own
classifier, with which it is compared. The log-loss (nats, at the best temperature) tells more than a UA whose standard
error is a point.

    python benchmarks/closed_form.py emodb.parquet --encoder WHISPER_BASE
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from classifiers import Classifier, Fold, closed_form, strict
from comparison import compared
from pooled import add_arguments, pooled, source_of

from emoboost.corpus import read_corpus
from emoboost.discriminant import Scatter, discriminant_of, scatter_of
from emoboost.recipe import load_recipe


def changed(shrinkage: float, change: Callable[[Scatter, Fold], Scatter]) -> Classifier:
    """The recipe's classifier with something else known of how the classes lie."""

    def classify(fold: Fold, classes: int) -> np.ndarray:
        scatter = change(scatter_of(fold.values, fold.labels, classes, fold.speakers), fold)
        weights, biases = discriminant_of(scatter, shrinkage)
        return np.asarray(fold.tested @ weights.T + biases)

    return classify


def layers_apart(layers: int) -> Callable[[Scatter, Fold], Scatter]:
    """No covariance between channels of different layers."""

    def change(scatter: Scatter, fold: Fold) -> Scatter:
        layer = np.repeat(np.arange(layers), scatter.means.shape[1] // layers)
        return replace(scatter, covariance=scatter.covariance * (layer[:, None] == layer[None]))

    return change


def speakers_twice(scatter: Scatter, fold: Fold) -> Scatter:
    """How the speakers' means of a class scatter counts twice."""
    who, more = np.array(fold.speakers), np.zeros_like(scatter.covariance)
    for label in scatter.seen:
        own = fold.labels == label
        means = [fold.values[own & (who == name)].mean(axis=0) for name in sorted(set(who[own].tolist()))]
        apart = np.array(means, np.float64) - scatter.means[label]
        more += apart.T @ apart / (len(apart) * len(scatter.seen))
    return replace(scatter, covariance=scatter.covariance + more)


def rows_alike(scatter: Scatter, fold: Fold) -> Scatter:
    """A class stands at the mean of its rows, however much each speaker says of it."""
    return scatter_of(fold.values, fold.labels, len(scatter.means))


def clean_means(scatter: Scatter, fold: Fold) -> Scatter:
    """Copies tell how a class scatters, not where it stands."""
    clean, who = fold.is_clean, np.array(fold.speakers)
    of_clean = scatter_of(fold.values[clean], fold.labels[clean], len(scatter.means), who[clean].tolist())
    return replace(scatter, means=of_clean.means)


def scaled(shrinkage: float, scale_of: Callable[[Fold, int], np.ndarray]) -> Classifier:
    """The recipe's classifier of channels that are divided by something first."""

    def classify(fold: Fold, classes: int) -> np.ndarray:
        scale = scale_of(fold, classes)
        return closed_form(shrinkage)(replace(fold, values=fold.values / scale, tested=fold.tested / scale), classes)

    return classify


def own_variances(fold: Fold, classes: int) -> np.ndarray:
    """(D,): so that a channel is shrunk toward its own spread within the classes, not toward the channels' mean."""
    return np.asarray(np.sqrt(np.diagonal(scatter_of(fold.values, fold.labels, classes, fold.speakers).covariance)))


def frames_spread(fold: Fold, classes: int) -> np.ndarray:
    """(D,): so that channels are standardised by the spread of all frames, not of the segments' means."""
    return fold.frame_spread


def variants(shrinkage: float, layers: int) -> Mapping[str, Classifier]:
    """Name -> what is tried, the recipe's own first."""
    return {
        f"the recipe's, shrinkage {shrinkage:g}": closed_form(shrinkage),
        **{f"shrinkage {each:g}": closed_form(each) for each in (0.3, 0.5, 0.7, 0.9)},
        "shrunk toward the channels' own variances": scaled(shrinkage, own_variances),
        "the layers' covariances apart": changed(shrinkage, layers_apart(layers)),
        "scatter of the speakers' class means counted twice": changed(shrinkage, speakers_twice),
        "each row counts alike in a class's mean": changed(shrinkage, rows_alike),
        "class means of unchanged utterances alone": changed(shrinkage, clean_means),
        "channels standardised by the spread of all frames": scaled(shrinkage, frames_spread),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--recipe", default="robust", help="whose copies are heard")
    given = parser.parse_args()
    corpus, recipe = read_corpus(given.manifest), load_recipe(given.recipe)
    source, shrinkage = source_of(given), recipe.shrinkage or 0.6
    heard = pooled(corpus, recipe.copies, source, recipe.loudness, recipe.tail, given.keep)
    reference = None
    print("| tried | UA | 95 % interval | difference | log-loss |\n|---|---|---|---|---|")
    for name, classifier in variants(shrinkage, len(given.layers.split(","))).items():
        labels, loss = strict(corpus, heard, classifier)
        reference = labels if reference is None else reference
        print(f"| {name} | {compared(corpus, labels, reference)} | {loss:.3f} |", flush=True)
    beside = replace(heard, mean=np.hstack([heard.mean, heard.deviation]), deviation=np.hstack([heard.deviation] * 2))
    labels, loss = strict(corpus, beside, closed_form(shrinkage))
    print(f"| the frames' deviations beside their mean | {compared(corpus, labels, reference)} | {loss:.3f} |")


if __name__ == "__main__":
    main()
