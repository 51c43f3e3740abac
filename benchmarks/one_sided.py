"""What adaptation to a speaker does where he speaks mostly in one emotion, and what a guard saves.

Strict: for each speaker both classifiers learn from the others. Then archives of 20 of his utterances are drawn, a
share of them neutral, and labelled plainly, adapted, and with his mean removed.

    python benchmarks/one_sided.py emodb.parquet
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pooled import pooled

from emoboost.adaptation import AdaptationConfig, AdaptedHead, fit_adapted, offset_of_sum
from emoboost.corpus import Corpus, read_corpus
from emoboost.discriminant import fit_discriminant
from emoboost.encoder_source import EncoderSource
from emoboost.recipe import Recipe, load_recipe

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


def archives(corpus: Corpus, recipe: Recipe, keep: Path | None) -> Iterator[Archive]:
    """Every draw of every speaker."""
    heard, random = vectors_of(corpus, recipe, keep), np.random.default_rng(0)
    truth, speakers = corpus.class_numbers(corpus.classes), np.array(corpus.speakers)
    neutral, classes, shrinkage = corpus.classes.index("neutral"), len(corpus.classes), recipe.shrinkage or 0.5
    for speaker in sorted(set(speakers)):
        others = speakers[heard.utterance] != speaker
        values, labels = heard.values[others], truth[heard.utterance[others]]
        names = speakers[heard.utterance[others]].tolist()
        weights, biases = fit_discriminant(values, labels, classes, shrinkage, names)
        head = fit_adapted(values, labels, names, heard.copy[others] == 0, classes, shrinkage)
        rows = np.flatnonzero(~others & (heard.copy == 0))
        tested = np.unique(heard.utterance[rows])
        own = np.array(
            [heard.values[rows][heard.utterance[rows] == each].mean(axis=0, dtype=np.float64) for each in tested]
        )
        plain = own @ weights.T + biases
        yield from archives_of(speaker, own, plain, head, truth[tested], neutral, random)


def archives_of(
    speaker: str,
    vectors: np.ndarray,
    plain: np.ndarray,
    head: AdaptedHead,
    truth: np.ndarray,
    neutral: int,
    random: np.random.Generator,
) -> Iterator[Archive]:
    """Every draw of one speaker.

    Args:
        speaker: his name.
        vectors: (n, D) of his utterances.
        plain: (n, classes) unadapted logits.
        head: the adapted classifier.
        truth: (n,) class numbers.
        neutral: number of the class of which there is more.
        random: chance.
    """
    for share in SHARES:
        for _ in range(DRAWS):
            some = drawn(truth, neutral, share, random)
            yield Archive(speaker, share, *shares_of(vectors[some], plain[some], head, truth[some]))


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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--recipe", default="robust", help="whose copies, loudness and shrinkage are taken")
    parser.add_argument("--keep", type=Path, help="folder where what was heard stays")
    given = parser.parse_args()
    print(*table(list(archives(read_corpus(given.manifest), load_recipe(given.recipe), given.keep))), sep="\n")


if __name__ == "__main__":
    main()
