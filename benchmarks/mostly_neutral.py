"""What a correction for the mix of classes does to labels of an archive that is mostly neutral.

Reads the test predictions of an evaluation, draws archives of them in which so much is neutral, and labels these with
the probabilities as they are, corrected for the true mix, and corrected for the mix that is estimated without labels.

    emoboost-batch evaluate emodb.parquet --variants encoder --seeds 0 --no-calibrate --output emodb-strict
    python benchmarks/mostly_neutral.py emodb-strict --temperature 3
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from emoboost.metrics import confusion, precisions, recalls, weighted_accuracy
from emoboost.priors import corrected, estimate

UTTERANCES, DRAWS = 1_000, 100


def archives(truth: np.ndarray, neutral: int, share: float) -> Iterator[np.ndarray]:
    """Rows of each archive; what is not neutral has the mix of the corpus."""
    random = np.random.default_rng(0)
    own, others = np.flatnonzero(truth == neutral), np.flatnonzero(truth != neutral)
    count = round(UTTERANCES * share)
    for _ in range(DRAWS):
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
    """Print a table of WA, and precision and recall of each class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    counts: dict[str, np.ndarray] = {}
    for rows in archives(truth, classes.index("neutral"), given.neutral):
        for way, predicted in labels_of(shares[rows], truth[rows]).items():
            counts[way] = counts.get(way, 0) + confusion(truth[rows], predicted, len(classes))
    print(f"| labels | WA | {' | '.join(classes)} |")
    print("|---" * (2 + len(classes)) + "|")
    for way, sums in counts.items():
        pairs = zip(precisions(sums), recalls(sums), strict=True)
        cells = " | ".join(f"{100 * precision:.0f} / {100 * recall:.0f}" for precision, recall in pairs)
        print(f"| {way} | {100 * weighted_accuracy(sums):.1f} | {cells} |")


if __name__ == "__main__":
    main()
