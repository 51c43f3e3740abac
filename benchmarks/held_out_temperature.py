"""How well the confidence of speakers that were never heard fits, with a temperature that was not fitted on them.

Reads the test predictions of an evaluation; each fold's temperature is fitted on the held-out predictions of all other
folds. The models of these folds had the speaker in training; `evaluate` without --no-calibrate has a temperature from
inner folds instead, for which no model heard him, and takes ten times as long.

    emoboost-batch evaluate emodb.parquet --seeds 0 --no-calibrate --output emodb-strict
    python benchmarks/held_out_temperature.py emodb-strict
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from emoboost.calibration import probabilities
from emoboost.metrics import reliability
from emoboost.trials import fit_temperature

SURE = 0.9


def main() -> None:
    """Print a few lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="folder that evaluate wrote, of one seed")
    given = parser.parse_args()
    table = pq.read_table(given.report / "predictions.parquet").to_pandas()
    columns = [name for name in table.columns if name.startswith("prob_")]
    classes = [name.removeprefix("prob_") for name in columns]
    truth = np.array([classes.index(name) for name in table["truth"]])
    before = table[columns].to_numpy(np.float64)
    # An utterance of one segment has the probabilities of its logits; the mean of several is near enough.
    logits, after, temperatures = np.log(np.maximum(before, 1e-30)), np.empty_like(before), []
    for fold in sorted(set(table["fold"])):
        own = (table["fold"] == fold).to_numpy()
        temperatures.append(fit_temperature(logits[~own], truth[~own]))
        after[own] = probabilities(logits[own], temperatures[-1])
    print(f"expected calibration error {reliability(before, truth).error:.1%}, after temperature ", end="")
    print(f"{reliability(after, truth).error:.1%} (temperatures {min(temperatures):.2f} to {max(temperatures):.2f})")
    sure = after.max(axis=1) > SURE
    right = (after.argmax(axis=1) == truth)[sure]
    print(f"confidence above {SURE}: {sure.mean():.0%} of the labels, of which {right.mean():.1%} are right")


if __name__ == "__main__":
    main()
