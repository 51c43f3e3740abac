"""What adaptation to a speaker does where he speaks mostly in one emotion, and what a guard saves.

Strict: for each speaker both classifiers learn from the others. Then archives of 20 of his utterances are drawn, a
share of them neutral, and labelled plainly, adapted, and with his mean removed.

    python benchmarks/one_sided.py emodb.parquet
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pooled import pooled

from emoboost.adaptation import AdaptationConfig, AdaptedHead, fit_adapted, offset_of_sum
from emoboost.corpus import Corpus, read_corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.recipe import Recipe, load_recipe
from emoboost.segment_means import utterance_means

SHARES = (None, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
GUARDS = (0.5, 0.6, 0.7, 0.8)
UTTERANCES, DRAWS = 20, 40
RESAMPLED = 10_000


@dataclass(frozen=True)
class Vectors:
    """Of all copies of all utterances."""

    values: np.ndarray
    """(segments, D) float32: mean over the valid frames, standardised by the frames of the clean copies."""
    utterance: np.ndarray
    copy: np.ndarray


def vectors_of(corpus: Corpus, recipe: Recipe, keep: Path | None) -> Vectors:
    """Hear every copy with the bundled model's encoder."""
    heard = pooled(corpus, recipe.copies, EncoderSource(), recipe.loudness, recipe.tail, keep)
    clean = heard.mean[heard.is_clean]
    spread = np.sqrt((heard.deviation[heard.is_clean] ** 2).mean(axis=0) + clean.var(axis=0))
    return Vectors((heard.mean - clean.mean(axis=0)) / spread, heard.utterance, heard.copy)


def drawn(
    truth: np.ndarray, neutral: int, share: float | None, random: np.random.Generator, utterances: int = UTTERANCES
) -> np.ndarray:
    """Utterances of an archive; None draws from all alike."""
    if share is None:
        return random.choice(len(truth), utterances, replace=False)
    own, others = np.flatnonzero(truth == neutral), np.flatnonzero(truth != neutral)
    count = round(utterances * share)
    return np.concatenate(
        [random.choice(own, count, replace=count > len(own)), random.choice(others, utterances - count, replace=False)]
    )


@dataclass(frozen=True)
class Archive:
    """One speaker's draw, and the share of right labels in each way."""

    speaker: str
    neutral: float | None
    """Share that was asked for; None draws from all alike."""
    plain: float
    adapted: float
    removed: float
    """The speaker's mean removed."""
    one_class: float
    """Share of the most frequent plain label."""

    def guarded(self, guard: float) -> float:
        """Adapted unless more than that share of the plain labels is one class."""
        return self.plain if self.one_class > guard else self.adapted


def shares_of(
    vectors: np.ndarray, plain: np.ndarray, head: AdaptedHead, truth: np.ndarray
) -> tuple[float, float, float, float]:
    """The numbers of an `Archive`, in its order."""
    adapted = head.logits(vectors)
    offset = offset_of_sum(vectors.sum(axis=0), plain, adapted, head, AdaptationConfig())
    removed = vectors.mean(axis=0) - head.means.mean(axis=0)
    labels = [plain, adapted - head.weights @ offset, adapted - head.weights @ removed]
    right = [float((logits.argmax(axis=1) == truth).mean()) for logits in labels]
    return right[0], right[1], right[2], float(np.bincount(plain.argmax(axis=1)).max() / len(plain))


@dataclass(frozen=True)
class Speaker:
    """Of whom a classifier has heard nothing."""

    name: str
    vectors: np.ndarray
    """(n, D) float64 of his utterances."""
    plain: np.ndarray
    """(n, classes) unadapted logits."""
    truth: np.ndarray
    """(n,) class numbers."""

    def archives(self, head: AdaptedHead, neutral: int, random: np.random.Generator) -> Iterator[Archive]:
        """Every draw.

        Args:
            head: the adapted classifier.
            neutral: number of the class of which there is more.
            random: chance.
        """
        for share in SHARES:
            for _ in range(DRAWS):
                some = drawn(self.truth, neutral, share, random)
                shares = shares_of(self.vectors[some], self.plain[some], head, self.truth[some])
                yield Archive(self.name, share, *shares)


def held_out(
    corpus: Corpus, recipe: Recipe, keep: Path | None
) -> Iterator[tuple[Speaker, Callable[[float], AdaptedHead]]]:
    """Each speaker by a classifier of the others, and what fits the adapted one with a shrinkage of the plain one."""
    heard = vectors_of(corpus, recipe, keep)
    truth, speakers = corpus.class_numbers(corpus.classes), np.array(corpus.speakers)
    clean, classes = heard.copy == 0, len(corpus.classes)
    means = utterance_means(heard.values[clean].astype(np.float64), heard.utterance[clean], len(truth))
    for name in sorted(set(speakers)):
        own, others = speakers == name, speakers[heard.utterance] != name
        values, labels = heard.values[others], truth[heard.utterance[others]]
        names = speakers[heard.utterance[others]].tolist()
        weights, biases = fit_discriminant(values, labels, classes, recipe.shrinkage or 0.5, names)
        fit = partial(fit_adapted, values, labels, names, clean[others], classes)
        yield Speaker(name, means[own], means[own] @ weights.T + biases, truth[own]), fit


def archives(corpus: Corpus, recipe: Recipe, keep: Path | None) -> Iterator[Archive]:
    """Every draw of every speaker."""
    neutral, random = corpus.classes.index("neutral"), np.random.default_rng(0)
    for speaker, fit in held_out(corpus, recipe, keep):
        yield from speaker.archives(fit(recipe.shrinkage or 0.5), neutral, random)


def table(found: Sequence[Archive]) -> Iterator[str]:
    """Markdown; behind each share of right labels its difference from the plain one."""
    yield f"| neutral | plain | adapted | mean removed | {' | '.join(f'guard {guard:.0%}' for guard in GUARDS)} |"
    yield "|---" * (4 + len(GUARDS)) + "|"
    for share in SHARES:
        drawn = [each for each in found if each.neutral == share]
        cells = [_beside_plain(drawn, [each.adapted for each in drawn])]
        cells.append(_beside_plain(drawn, [each.removed for each in drawn]))
        for guard in GUARDS:
            refused = np.mean([each.one_class > guard for each in drawn])
            right = _beside_plain(drawn, [each.guarded(guard) for each in drawn])
            cells.append(f"{right}, {refused:.0%} refused")
        plain = 100 * np.mean([each.plain for each in drawn])
        yield f"| {'as drawn' if share is None else f'{share:.0%}'} | {plain:.1f} | {' | '.join(cells)} |"


def _beside_plain(drawn: Sequence[Archive], right: Sequence[float]) -> str:
    plain = np.array([each.plain for each in drawn])
    return over_speakers(np.array([each.speaker for each in drawn]), plain, np.array(right))


def over_speakers(speakers: np.ndarray, before: np.ndarray, after: np.ndarray) -> str:
    """Mean of what is right, and its gain with a 95 % interval that resamples speakers; (draws,) each, percent."""
    names, number = np.unique(speakers, return_inverse=True)
    gains = after - before
    of_speaker = np.bincount(number, gains) / np.bincount(number)
    random = np.random.default_rng(0)
    means = of_speaker[random.integers(len(names), size=(RESAMPLED, len(names)))].mean(axis=1)
    low, high = np.percentile(100 * means, [2.5, 97.5])
    return f"{100 * after.mean():.1f}, {100 * gains.mean():+.1f} ({low:.1f} to {high:.1f})"


def given_corpus(description: str | None) -> tuple[Corpus, Recipe, Path | None]:
    """What the command line names: a corpus, a recipe, and a folder to keep what was heard in."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--recipe", default="robust", help="whose copies, loudness and shrinkage are taken")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    return read_corpus(given.manifest), load_recipe(given.recipe), given.keep


def main() -> None:
    """Print the table."""
    print(*table(list(archives(*given_corpus(__doc__)))), sep="\n")


if __name__ == "__main__":
    main()
