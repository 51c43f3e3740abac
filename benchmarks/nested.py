"""Figures that no choice has seen: for each speaker, layers, copies, tail and shrinkage are chosen on the others alone.

For each tested speaker every configuration is tried by leave-one-speaker-out among the other speakers; the best one
there, by UA and by log-loss, is trained on all of them, and tests him. The encoder alone: mean over valid frames,
classifier in closed form. With --also, training has another corpus beside it or not, as one choice more; its classes'
centre is moved to that of the corpus's training speakers.

    python benchmarks/nested.py emodb.parquet
    python benchmarks/nested.py emovo.parquet --encoder WHISPER_BASE --layers "2,3,4 2,3,4,5" --also emodb.parquet
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pooled import Pooled, Tail, pooled
from scipy.special import log_softmax

from emoboost.corpus import Corpus, read_corpus
from emoboost.discriminant import Scatter, discriminant_of, scatter_of
from emoboost.encoder_source import EncoderSource
from emoboost.metrics import confusion, speaker_bootstrap, unweighted_accuracy
from emoboost.recipe import load_recipe
from emoboost.segment_means import utterance_means

SHRINKAGES = (0.3, 0.5, 0.6, 0.7)
TEMPERATURES = np.geomspace(0.1, 30, 60)


@dataclass(frozen=True)
class Choice:
    """One configuration."""

    layers: tuple[int, ...]
    recipe: str
    """Whose copies are heard."""
    tail: Tail
    """What becomes of an utterance's last segment."""
    also: bool
    """Whether the other corpus is trained on."""
    shrinkage: float


@dataclass(frozen=True)
class Side:
    """Rows of one corpus that may be trained on."""

    values: np.ndarray
    labels: np.ndarray
    """Class numbers of the tested corpus."""
    speakers: np.ndarray


@dataclass(frozen=True)
class Laboratory:
    """The tested corpus under one choice of layers and copies, and the other corpus."""

    corpus: Corpus
    heard: Pooled
    truth: np.ndarray
    other: Side | None

    @property
    def speakers(self) -> np.ndarray:
        """Of each row."""
        return np.array(self.corpus.speakers)[self.heard.utterance]

    def predict(self, held: Sequence[str]) -> Iterator[tuple[bool, float, str, np.ndarray]]:
        """With and without the other corpus, each shrinkage, each held-out speaker, and his utterances' logits."""
        speakers, labels = self.speakers, self.truth[self.heard.utterance]
        rows = ~np.isin(speakers, held)
        center, scale = self.heard.mean[rows].mean(axis=0), self.heard.mean[rows].std(axis=0)
        own = Side((self.heard.mean[rows] - center) / scale, labels[rows], speakers[rows])
        for side in (own, self._with_other(own, center, scale)):
            if side is None:
                continue
            scatter = scatter_of(side.values, side.labels, len(self.corpus.classes), side.speakers.tolist())
            for shrinkage in SHRINKAGES:
                for speaker in held:
                    tested = self.heard.is_clean & (speakers == speaker)
                    yield (
                        side is not own,
                        shrinkage,
                        speaker,
                        self._logits(scatter, shrinkage, tested, center, scale),
                    )

    def _logits(
        self, scatter: Scatter, shrinkage: float, tested: np.ndarray, center: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        weights, biases = discriminant_of(scatter, shrinkage)
        logits = (self.heard.mean[tested] - center) / scale @ weights.T + biases
        count, number = np.unique(self.heard.utterance[tested], return_inverse=True)
        return utterance_means(logits, number, len(count))

    def _with_other(self, own: Side, center: np.ndarray, scale: np.ndarray) -> Side | None:
        if self.other is None:
            return None
        values, labels = (self.other.values - center) / scale, self.other.labels
        shared = np.unique(labels)
        here, there = (
            np.mean([side_values[side_labels == label].mean(axis=0) for label in shared], axis=0)
            for side_values, side_labels in ((own.values, own.labels), (values, labels))
        )
        return Side(
            np.concatenate([own.values, (values + (here - there)).astype(np.float32)]),
            np.concatenate([own.labels, labels]),
            np.concatenate([own.speakers, self.other.speakers]),
        )


def predictions(
    laboratory: Laboratory, layers: tuple[int, ...], recipe: str, tail: Tail
) -> dict[Choice, dict[str, np.ndarray]]:
    """Of each configuration: held-out speakers, as one text, the tested one last -> logits of his utterances."""
    names = sorted(set(laboratory.corpus.speakers))
    found: dict[Choice, dict[str, np.ndarray]] = {}
    for count in (1, 2):
        for held in itertools.combinations(names, count):
            for also, shrinkage, speaker, logits in laboratory.predict(held):
                key = key_of(speaker, *(name for name in held if name != speaker))
                found.setdefault(Choice(layers, recipe, tail, also, shrinkage), {})[key] = logits
    return found


def key_of(tested: str, *others: str) -> str:
    """Who is held out, the tested one last."""
    return "\n".join([*others, tested])


def side_of(corpus: Corpus, heard: Pooled, classes: Sequence[str]) -> Side:
    """The rows of another corpus whose class is one of these."""
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number.get(label, -1) for label in corpus.labels])[heard.utterance]
    known = labels >= 0
    speakers = np.array([f"other corpus: {name}" for name in corpus.speakers])[heard.utterance]
    return Side(heard.mean[known], labels[known], speakers[known])


def columns(layers: Sequence[int], wanted: Sequence[int], width: int) -> np.ndarray:
    """Channels of the wanted layers among those of all that were heard."""
    return np.concatenate([np.arange(width) + layers.index(layer) * width for layer in wanted])


def cut(heard: Pooled, copies: Sequence[int], channels: np.ndarray) -> Pooled:
    """Some copies, some channels."""
    rows = np.isin(heard.copy, copies)
    return Pooled(
        heard.mean[np.ix_(rows, channels)],
        heard.deviation[np.ix_(rows, channels)],
        heard.utterance[rows],
        heard.copy[rows],
    )


def of_speaker(corpus: Corpus, truth: np.ndarray) -> dict[str, np.ndarray]:
    """The true labels of each speaker's utterances."""
    speakers = np.array(corpus.speakers)
    return {name: truth[speakers == name] for name in sorted(set(speakers))}


def pooled_ua(truth: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray]) -> float:
    """Over these speakers together."""
    counts = [confusion(truth[name], said.argmax(axis=1), said.shape[1]) for name, said in logits.items()]
    return unweighted_accuracy(np.sum(counts, axis=0))


def less_loss(truth: Mapping[str, np.ndarray], logits: Mapping[str, np.ndarray]) -> float:
    """The mean log-probability of the true class over these speakers together, at the best temperature."""
    said, labels = (np.concatenate([each[name] for name in logits]) for each in (logits, truth))
    place = np.arange(len(labels))
    return max(float(log_softmax(said / warmth, axis=1)[place, labels].mean()) for warmth in TEMPERATURES)


CRITERIA = {"UA": pooled_ua, "log-loss": less_loss}
"""By what the best configuration is chosen: the more, the better."""


def report(corpus: Corpus, found: Mapping[Choice, Mapping[str, np.ndarray]]) -> Iterator[str]:
    """Every configuration fixed for all, then the nested choices."""
    numbers = corpus.class_numbers(corpus.classes)
    truth, speakers = of_speaker(corpus, numbers), np.array(corpus.speakers)
    yield "| layers | copies of | tail | other corpus | " + " | ".join(f"{each:g}" for each in SHRINKAGES) + " |"
    yield "|---" * (4 + len(SHRINKAGES)) + "|"
    for layers, recipe, tail, also in dict.fromkeys((each.layers, each.recipe, each.tail, each.also) for each in found):
        row = [found[Choice(layers, recipe, tail, also, shrinkage)] for shrinkage in SHRINKAGES]
        alone = [{who: logits[key_of(who)] for who in truth} for logits in row]
        cells = [f"{100 * pooled_ua(truth, each):.1f} ({-less_loss(truth, each):.3f})" for each in alone]
        named = f"{', '.join(map(str, layers))} | {recipe} | {tail} | {'yes' if also else 'no'}"
        yield f"| {named} | {' | '.join(cells)} |"
    for criterion, worth in CRITERIA.items():
        chosen = {}
        for tested in truth:
            others = [name for name in truth if name != tested]
            scores = {
                choice: worth(truth, {who: logits[key_of(who, tested)] for who in others})
                for choice, logits in found.items()
            }
            chosen[tested] = max(scores, key=lambda choice: scores[choice])
        predicted = np.zeros_like(numbers)
        for tested, choice in chosen.items():
            predicted[speakers == tested] = found[choice][key_of(tested)].argmax(axis=1)
        for name, estimate in speaker_bootstrap(numbers, predicted, corpus.speakers, len(corpus.classes)).items():
            low, high = estimate.interval or (float("nan"), float("nan"))
            yield f"nested by {criterion}: {name} {100 * estimate.value:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        for tested, choice in chosen.items():
            yield f"{tested}: {choice}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--also", help="another labelled corpus to train on, or not")
    parser.add_argument("--encoder", help="folder of another encoder than the bundled model's")
    parser.add_argument("--layers", default="2,3,4", help="choices, separated by spaces")
    parser.add_argument("--recipes", default="r robust", help="whose copies are choices, separated by spaces")
    parser.add_argument("--tails", default=load_recipe("robust").tail, help="choices, separated by spaces")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    choices = [tuple(map(int, each.split(","))) for each in given.layers.split()]
    recipes = {name: load_recipe(name) for name in given.recipes.split()}
    if given.encoder is None and len(choices) > 1:
        parser.error("the bundled model has layers 2, 3, 4 alone: --layers needs --encoder")
    layers = tuple(sorted({layer for each in choices for layer in each}))
    source = EncoderSource() if given.encoder is None else EncoderSource(encoder=given.encoder, layers=layers)
    copies = list(dict.fromkeys(copy for recipe in recipes.values() for copy in recipe.copies))
    corpora = [read_corpus(name) for name in (given.manifest, given.also) if name]
    loudness, tails = load_recipe("robust").loudness, given.tails.split()
    heard = {tail: [pooled(each, copies, source, loudness, tail, given.keep) for each in corpora] for tail in tails}
    corpus, width = corpora[0], heard[tails[0]][0].mean.shape[1] // len(layers)
    found: dict[Choice, dict[str, np.ndarray]] = {}
    for wanted, (name, recipe), tail in itertools.product(choices, recipes.items(), tails):
        numbers, channels = [copies.index(copy) for copy in recipe.copies], columns(layers, wanted, width)
        mine, *others = (cut(each, numbers, channels) for each in heard[tail])
        other = side_of(corpora[1], others[0], corpus.classes) if others else None
        laboratory = Laboratory(corpus, mine, corpus.class_numbers(corpus.classes), other)
        found |= predictions(laboratory, wanted, name, tail)
        print(f"tried layers {', '.join(map(str, wanted))}, copies of {name}, tail {tail}", flush=True)
    print(*report(corpus, found), sep="\n")


if __name__ == "__main__":
    main()
