"""What classifiers make of the encoder's mean states: in closed form, and trained in the ways of the literature.

Strict leave-one-speaker-out, encoder alone, the copies of a recipe, nothing chosen by what is tested.

    python benchmarks/classifiers.py emodb.parquet --encoder WHISPER_BASE --layers 2,3,4,5
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from comparison import compared
from pooled import CONSTANT, Pooled, pooled
from torch import Tensor, nn
from torch.nn import functional

from emoboost.corpus import Corpus, read_corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.recipe import load_recipe
from emoboost.segment_means import utterance_means

STEPS = 300
BATCH = 256
HIDDEN = 256
TEMPERATURE = 0.1


@dataclass(frozen=True)
class Way:
    """How a classifier is trained by gradients."""

    learned_sum: bool = False
    """The layers are added with learned weights; else they lie side by side."""
    hidden: bool = False
    """A layer of `HIDDEN` ReLU units, with dropout 0.3."""
    label_smoothing: float = 0.0
    mixup: float = 0.0
    """Parameter of the Beta distribution that two examples are mixed with."""
    contrastive: float = 0.0
    """Weight of the supervised contrastive loss (Khosla et al. 2020) on what the hidden layer says."""
    seeds: int = 1
    """The mean of so many trainings' log-probabilities is taken."""


@dataclass(frozen=True)
class Fold:
    """Standardised states of the training speakers, and of the tested one."""

    values: np.ndarray
    labels: np.ndarray
    speakers: list[str]
    tested: np.ndarray
    is_clean: np.ndarray
    """Rows of unchanged utterances."""
    frame_spread: np.ndarray
    """How much more all frames scatter than their means, in each channel."""


Classifier = Callable[[Fold, int], np.ndarray]
"""Fold, number of classes -> (tested segments, classes) logits."""


class Network(nn.Module):
    """From the layers' states to logits."""

    def __init__(self, way: Way, layers: int, width: int, classes: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(layers)) if way.learned_sum else None
        inputs = width if way.learned_sum else layers * width
        self.hidden = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Dropout(0.3)) if way.hidden else None
        self.classifier = nn.Linear(HIDDEN if way.hidden else inputs, classes)
        nn.init.zeros_(self.classifier.weight)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(B, layers, width) -> (B, C) logits, and what they are made of."""
        vector = values.flatten(1) if self.mix is None else torch.einsum("l,bld->bd", self.mix.softmax(0), values)
        if self.hidden is not None:
            vector = self.hidden(vector)
        return self.classifier(vector), vector


def closed_form(shrinkage: float) -> Classifier:
    """The discriminant analysis of recipe `robust`."""

    def classify(fold: Fold, classes: int) -> np.ndarray:
        weights, biases = fit_discriminant(fold.values, fold.labels, classes, shrinkage, fold.speakers)
        return np.asarray(fold.tested @ weights.T + biases)

    return classify


def head_for_each_layer(shrinkage: float, layers: int) -> Classifier:
    """The mean of the log-probabilities of one discriminant analysis per layer."""

    def classify(fold: Fold, classes: int) -> np.ndarray:
        width = fold.values.shape[1] // layers
        logits = []
        for first in range(0, layers * width, width):
            part = slice(first, first + width)
            of_layer = replace(fold, values=fold.values[:, part], tested=fold.tested[:, part])
            said = torch.from_numpy(closed_form(shrinkage)(of_layer, classes))
            logits.append(said.log_softmax(dim=1).numpy())
        return np.asarray(np.mean(logits, axis=0))

    return classify


def trained(way: Way, layers: int) -> Classifier:
    """By AdamW, a cosine to 0 and `STEPS` batches of `BATCH`."""

    def classify(fold: Fold, classes: int) -> np.ndarray:
        said = [_train(way, fold, layers, classes, seed).log_softmax(dim=1) for seed in range(way.seeds)]
        return np.asarray(torch.stack(said).mean(0).numpy())

    return classify


def _train(way: Way, fold: Fold, layers: int, classes: int, seed: int) -> Tensor:
    torch.manual_seed(seed)
    values = torch.from_numpy(fold.values).float().unflatten(1, (layers, -1))
    labels = torch.from_numpy(fold.labels)
    network = Network(way, layers, values.shape[2], classes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(values), (BATCH,))
        heard, wanted = values[rows], functional.one_hot(labels[rows], classes).float()
        if way.mixup:
            share = torch.distributions.Beta(way.mixup, way.mixup).sample((BATCH,))
            order = torch.randperm(BATCH)
            heard = torch.lerp(heard[order], heard, share[:, None, None])
            wanted = torch.lerp(wanted[order], wanted, share[:, None])
        logits, vector = network(heard)
        loss = functional.cross_entropy(logits, wanted, label_smoothing=way.label_smoothing)
        loss = loss + 0.05 * network.classifier.weight.square().sum()
        if way.contrastive:
            loss = loss + way.contrastive * supervised_contrast(vector, labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        return network(torch.from_numpy(fold.tested).float().unflatten(1, (layers, -1)))[0]


def supervised_contrast(vector: Tensor, labels: Tensor) -> Tensor:
    """Mean over the batch of the log-probability of finding one's own class among all others (B, D), (B,) -> ()."""
    unit = functional.normalize(vector, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool)
    likeness = (unit @ unit.T / TEMPERATURE).masked_fill(itself, -torch.inf)
    same = (labels[:, None] == labels[None]) & ~itself
    found = likeness.log_softmax(dim=1).masked_fill(~same, 0).sum(1) / same.sum(1).clamp(1)
    return -found.mean()


def strict(corpus: Corpus, heard: Pooled, classifier: Classifier) -> tuple[np.ndarray, float]:
    """Labels of all utterances, and their mean log-loss at the best temperature."""
    truth, who = corpus.class_numbers(corpus.classes), np.array(corpus.speakers)[heard.utterance]
    logits = np.zeros((len(truth), len(corpus.classes)))
    for speaker in sorted(set(corpus.speakers)):
        rows, tested = who != speaker, (who == speaker) & heard.is_clean
        center, scale = heard.mean[rows].mean(axis=0), heard.mean[rows].std(axis=0) + CONSTANT
        fold = Fold(
            ((heard.mean[rows] - center) / scale).astype(np.float32),
            truth[heard.utterance[rows]],
            who[rows].tolist(),
            ((heard.mean[tested] - center) / scale).astype(np.float32),
            heard.is_clean[rows],
            np.sqrt(1 + np.square(heard.deviation[rows] / scale).mean(axis=0)),
        )
        said = classifier(fold, len(corpus.classes))
        numbers, number = np.unique(heard.utterance[tested], return_inverse=True)
        logits[numbers] = utterance_means(said, number, len(numbers))
    given, labels = torch.from_numpy(logits), torch.from_numpy(truth)
    losses = [float(functional.cross_entropy(given / warmth, labels)) for warmth in np.geomspace(0.1, 30, 60)]
    return logits.argmax(axis=1), min(losses)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--encoder", help="folder of another encoder than the bundled model's")
    parser.add_argument("--layers", default="2,3,4")
    parser.add_argument("--recipe", default="robust", help="whose copies are heard")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    layers = tuple(map(int, given.layers.split(",")))
    if given.encoder is None and layers != (2, 3, 4):
        parser.error("the bundled model has layers 2, 3, 4 alone: --layers needs --encoder")
    source = EncoderSource() if given.encoder is None else EncoderSource(encoder=given.encoder, layers=layers)
    corpus, recipe = read_corpus(given.manifest), load_recipe(given.recipe)
    heard = pooled(corpus, recipe.copies, source, recipe.loudness, recipe.tail, given.keep)
    shrinkage, count = recipe.shrinkage or 0.6, len(layers)
    linear, deep = Way(), Way(hidden=True)
    ways: dict[str, Classifier] = {
        "closed form": closed_form(shrinkage),
        "closed form, one for each layer, mean of log-probabilities": head_for_each_layer(shrinkage, count),
        **{
            name: trained(way, count)
            for name, way in {
                "linear, trained": linear,
                "linear, learned sum of layers": replace(linear, learned_sum=True),
                "linear, label smoothing 0.1": replace(linear, label_smoothing=0.1),
                "linear, mixup 0.4": replace(linear, mixup=0.4),
                "hidden layer": deep,
                "hidden layer, five seeds' mean": replace(deep, seeds=5),
                "hidden layer, supervised contrastive 0.5": replace(deep, contrastive=0.5),
                "hidden layer, mixup 0.4": replace(deep, mixup=0.4),
                "hidden layer, label smoothing 0.1": replace(deep, label_smoothing=0.1),
            }.items()
        },
    }
    print("| classifier | UA | 95 % interval | against closed form | log-loss |\n|---|---|---|---|---|")
    reference, _ = strict(corpus, heard, ways["closed form"])
    for name, classifier in ways.items():
        predicted, loss = strict(corpus, heard, classifier)
        print(f"| {name} | {compared(corpus, predicted, reference)} | {loss:.3f} |", flush=True)


if __name__ == "__main__":
    main()
