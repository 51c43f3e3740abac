"""What `calibrate` gives on another corpus: a hundred labelled utterances of two speakers, tested on all others.

For every pair of speakers, several times, a hundred of their utterances are drawn and the model calibrated on them;
every other speaker's utterances are scored before and after. Classes that the model does not have are left out.

    python benchmarks/calibrated_elsewhere.py emovo.parquet
"""

import argparse
import csv
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from emoboost.access import Access
from emoboost.audio import resolve
from emoboost.calibration_fit import Calibration, Figures, figures_of, fit
from emoboost.checkpoint import find_model
from emoboost.corpus import Corpus, read_corpus
from emoboost.predict import EmotionModel
from emoboost.truth import Truth, read_truth
from jobs.calibrate import hear

LABELLED, DRAWS = 100, 4


def truth_of(corpus: Corpus, classes: tuple[str, ...]) -> Truth:
    """The corpus as a user's labelled manifest."""
    rows = zip(corpus.utterances, corpus.labels, corpus.speakers, strict=True)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "truth.csv"
        with file.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["path", "label", "speaker"])
            writer.writerows(
                [resolve(each.uri, corpus.base), label if label in classes else "", who] for each, label, who in rows
            )
        return read_truth(str(file), classes)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus with speakers, as evaluate reads it")
    parser.add_argument("--model", default="whisper-base-emodb")
    given = parser.parse_args()
    folder = find_model(given.model)
    truth = truth_of(read_corpus(given.manifest), folder.config.classes)
    heard = hear(EmotionModel(folder), truth, 0.0, Access())
    before = Calibration(folder.config.temperature, folder.config.bias)
    speakers, rng = np.array(heard.group), np.random.default_rng(0)
    found: dict[str, list[Figures]] = {"as it is": [], "calibrated": []}
    for pair in itertools.combinations(sorted(set(heard.group)), 2):
        for _ in range(DRAWS):
            own = np.flatnonzero(np.isin(speakers, pair))
            labelled = np.isin(np.arange(len(speakers)), rng.choice(own, LABELLED, replace=False))
            others = heard.rows(~np.isin(speakers, pair))
            for name, calibration in (("as it is", before), ("calibrated", fit(heard.rows(labelled)))):
                shares = others.probabilities(calibration)
                found[name].append(figures_of(shares, others.truth, others.weight))
    print("| | log-loss | expected calibration error | UA |\n|---|---|---|---|")
    rows = {name: np.array([[each.nll, 100 * each.ece, 100 * each.ua] for each in found[name]]) for name in found}
    rows["difference"] = rows["calibrated"] - rows["as it is"]
    for name, values in rows.items():
        low, high = np.quantile(values, [0.025, 0.975], axis=0)
        middle = zip(values.mean(axis=0), low, high, (2, 1, 1), strict=True)
        cells = [f"{mean:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})" for mean, least, most, digits in middle]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
