"""What a correction for the mix of classes does to labels of an archive that is mostly neutral.

Reads the test predictions of an evaluation, draws archives of them in which so much is neutral, and labels these with
the probabilities as they are, corrected for the true mix, and corrected for the mix that is estimated without labels.

    emoboost-batch evaluate emodb.parquet --variants encoder --seeds 0 --no-calibrate --output emodb-strict
    python benchmarks/mostly_neutral.py emodb.parquet emodb-strict --temperature 3
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from emoboost.corpus import read_corpus
from emoboost.metrics import confusion, precisions, recalls, weighted_accuracy
from emoboost.priors import corrected, estimate

UTTERANCES, DRAWS = 1_000, 1_000


def archives(truth: np.ndarray, speakers: np.ndarray, neutral: int, share: float) -> Iterator[np.ndarray]:
    """Rows of each archive: as many speakers as there are, drawn with replacement, and utterances of theirs.

    What is not neutral has the mix of the corpus.
    """
    random = np.random.default_rng(0)
    names, count = np.unique(speakers), round(UTTERANCES * share)
    for _ in range(DRAWS):
        rows = np.concatenate([np.flatnonzero(speakers == name) for name in random.choice(names, len(names))])
        own, others = rows[truth[rows] == neutral], rows[truth[rows] != neutral]
        yield np.concatenate([random.choice(own, count), random.choice(others, UTTERANCES - count)])


def labels_of(shares: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """An archive's labels in each way."""
    classes = shares.shape[1]
    uniform = np.full(classes, 1 / classes)
    true_mix = np.maximum(np.bincount(truth, minlength=classes) / len(truth), 1e-3)
    return {
        "as they are": shares.argmax(axis=1),
        "the true mix": corrected(shares, uniform, true_mix).argmax(axis=1),
        "the estimated mix": corrected(shares, uniform, estimate(shares, uniform)).argmax(axis=1),
    }


def main() -> None:
    """Print a table of WA, and precision / recall of each class, with what 95 % of the archives have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="the labelled corpus that was tested")
    parser.add_argument("report", type=Path, help="folder that evaluate wrote")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the probabilities")
    parser.add_argument("--neutral", type=float, default=0.85, help="share of neutral utterances")
    given = parser.parse_args()
    table = pq.read_table(given.report / "predictions.parquet").to_pandas()
    columns = [name for name in table.columns if name.startswith("prob_")]
    classes = [name.removeprefix("prob_") for name in columns]
    truth = np.array([classes.index(name) for name in table["truth"]])
    # An utterance of one segment has the probabilities of its logits; the mean of several is near enough.
    shares = np.maximum(table[columns].to_numpy(np.float64), 1e-30) ** (1 / given.temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    found: dict[str, list[np.ndarray]] = {}
    corpus = read_corpus(given.manifest)
    speaker_of = dict(zip((each.utterance_id for each in corpus.utterances), corpus.speakers, strict=True))
    speakers = np.array([speaker_of[name] for name in table["utterance_id"]])
    for rows in archives(truth, speakers, classes.index("neutral"), given.neutral):
        for way, predicted in labels_of(shares[rows], truth[rows]).items():
            counts = confusion(truth[rows], predicted, len(classes))
            found.setdefault(way, []).append(
                np.array([weighted_accuracy(counts), *precisions(counts), *recalls(counts)])
            )
    print(f"| | {' | '.join(found)} |\n|---{'|---' * len(found)}|")
    cells = {way: list(map(_with_range, np.array(values).T)) for way, values in found.items()}
    print(f"| WA | {' | '.join(each[0] for each in cells.values())} |")
    for place, name in enumerate(classes, start=1):
        pairs = (f"{each[place]} / {each[place + len(classes)]}" for each in cells.values())
        print(f"| {name} | {' | '.join(pairs)} |")


def _with_range(values: np.ndarray) -> str:
    """Median of the archives that have a value, and where 95 % of these lie; percent."""
    there = values[~np.isnan(values)]
    if not len(there):
        return "-"
    low, high = np.percentile(100 * there, [2.5, 97.5])
    return f"{100 * np.median(there):.0f} ({low:.0f} to {high:.0f})"


if __name__ == "__main__":
    main()
