"""How a speaker's offset should be found: temperature of the shares, shrinkage, rounds, and utterances.

Strict: for each speaker both classifiers learn from the others, as in `one_sided.py`. Some of his utterances, drawn
without looking at their labels, give his offset, and all others are tested. Every row differs in one thing from what
the product does. In the last column 16 of the 20 are neutral; the guard is off.

    python benchmarks/offsets.py emodb.parquet
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from one_sided import drawn, given_corpus, held_out, over_speakers

from emoboost.adaptation import SHRINKAGE, AdaptationConfig, speaker_offset
from emoboost.corpus import Corpus
from emoboost.recipe import Recipe

DRAWS = 20
ENROLLED: Mapping[str, tuple[int, float | None]] = {
    "5": (5, None),
    "10": (10, None),
    "20": (20, None),
    "20, 80 % neutral": (20, 0.8),
}
"""Utterances, and the share of them that is neutral; None draws from all alike."""


@dataclass(frozen=True)
class Way:
    """To adapt; as the product does it unless said."""

    name: str
    config: AdaptationConfig = field(default_factory=AdaptationConfig)
    shrinkage: float = SHRINKAGE
    """Share of the plain classifier's."""


WAYS = (
    Way("as the product does it"),
    *(Way(f"temperature {value:g}", AdaptationConfig(temperature=value)) for value in (1.0, 5.0, 10.0, 40.0, 80.0)),
    *(Way(f"shrunk as by {value:g}", AdaptationConfig(prior_utterances=value)) for value in (0.0, 1.0, 5.0, 10.0)),
    *(Way(f"rounds {value}", AdaptationConfig(rounds=value)) for value in (1, 2, 5)),
    *(Way(f"{value:g} of the shrinkage", shrinkage=value) for value in (0.25, 1.0)),
)
Right = dict[tuple[str, str], list[tuple[str, float, float]]]
"""Way and enrolment -> speaker, share of right labels unadapted, and adapted, of each draw."""


def right_of(corpus: Corpus, recipe: Recipe, keep: Path | None) -> Right:
    """Of every draw of every speaker."""
    neutral, random = corpus.classes.index("neutral"), np.random.default_rng(0)
    found = Right()
    for speaker, fit in held_out(corpus, recipe, keep):
        plain, vectors, mine = speaker.plain, speaker.vectors, speaker.truth
        shares = sorted({way.shrinkage for way in WAYS})
        heads = {share: fit((recipe.shrinkage or 0.5) * share / SHRINKAGE) for share in shares}
        for enrolment, (count, share) in ENROLLED.items():
            for _ in range(DRAWS):
                known = drawn(mine, neutral, share, random, count)
                tested = np.setdiff1d(np.arange(len(mine)), known)
                before = float((plain[tested].argmax(axis=1) == mine[tested]).mean())
                for way in WAYS:
                    head = heads[way.shrinkage]
                    offset = speaker_offset(vectors[known], plain[known], head, way.config)
                    labelled = head.logits(vectors[tested] - offset).argmax(axis=1)
                    after = float((labelled == mine[tested]).mean())
                    found.setdefault((way.name, enrolment), []).append((speaker.name, before, after))
    return found


def table(found: Right) -> Iterator[str]:
    """Markdown: right labels, and their difference from the unadapted ones of the same tests."""
    yield f"| way | {' | '.join(ENROLLED)} |\n|---{'|---' * len(ENROLLED)}|"
    before = [100 * np.mean([was for _, was, _ in found[WAYS[0].name, each]]) for each in ENROLLED]
    yield f"| unadapted | {' | '.join(f'{each:.1f}' for each in before)} |"
    for way in WAYS:
        cells = [over_speakers(*map(np.array, zip(*found[way.name, each], strict=True))) for each in ENROLLED]
        yield f"| {way.name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    print(*table(right_of(*given_corpus(__doc__))), sep="\n")


if __name__ == "__main__":
    main()
