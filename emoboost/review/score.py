"""How right an output is, by what people heard in a part of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emoboost.metrics import (
    ClassEstimates,
    Estimate,
    Reliability,
    confusion,
    lowest_confidence,
    reliability,
    risk_coverage,
    weighted_bootstrap,
)
from emoboost.review.judged import Judged
from emoboost.review.truth import Truth

FORMAT = "1"
DRAWS, SEED = 2_000, 0
BINS = 10
COVERAGES = tuple(tenth / 10 for tenth in range(1, 11))
WANTED = (0.9, 0.95)
"""Shares of right labels for which a confidence is looked for."""


@dataclass(frozen=True)
class Threshold:
    """From which confidence on so many labels are right."""

    wanted: float
    """Share of right labels."""
    confidence: float | None
    """The smallest from which on at least that share is right; None when there is none."""
    precision: float | None = None
    """Weighted share of right labels among those kept."""
    judged: int = 0
    """Rows of the truth that are kept, on which the precision rests."""
    kept_rows: int = 0
    """Labelled rows of the whole output with at least this confidence."""
    kept_share: float = 0.0


@dataclass(frozen=True)
class Kept:
    """The most confident labels."""

    coverage: float
    """Weighted share of the truth that is kept."""
    risk: float
    """Weighted share of wrong labels among them."""
    confidence: float
    """The lowest of them."""


@dataclass(frozen=True)
class Score:
    """All figures; shares are in [0, 1]."""

    output: str
    """What was scored, as the user named it, and by what."""
    truth: str
    classes: Sequence[str]
    rows: int
    """Rows that both a person and the model labelled."""
    no_label: int
    """Rows that a person labelled and the model could not."""
    empty: int
    """Rows of the truth without a label."""
    left_out: Mapping[str, int]
    """Label of a person -> rows that the class map leaves out."""
    weighted: bool
    """Whether rows count differently."""
    unit: str
    """What the intervals resample: `speaker` or `row`."""
    units: int
    """How many of them there are."""
    figures: ClassEstimates
    counts: np.ndarray
    """(classes, classes) int64, true class by row."""
    confusion: np.ndarray
    """The same, weighted."""
    calibration: Reliability
    """Weighted."""
    bin_rows: np.ndarray
    """(bins,) rows of each."""
    risk_coverage: Sequence[Kept]
    thresholds: Sequence[Threshold]
    labelled_rows: int
    """Rows of the whole output that have a label."""
    calibrated_on: str | None
    """The speech that the model was calibrated on; None where it was not."""

    def to_dict(self) -> dict[str, Any]:
        """For programs: plain values, None where a figure does not exist."""
        figures = self.figures
        return {
            "format": FORMAT,
            "output": self.output,
            "truth": self.truth,
            "classes": list(self.classes),
            "rows": self.rows,
            "no_label": self.no_label,
            "empty": self.empty,
            "left_out": dict(self.left_out),
            "weighted": self.weighted,
            "bootstrap": {"unit": self.unit, "units": self.units, "draws": DRAWS, "seed": SEED},
            "wa": _estimate(figures.wa),
            "ua": _estimate(figures.ua),
            "macro_f1": _estimate(figures.macro_f1),
            "recall": {name: _estimate(each) for name, each in zip(self.classes, figures.recall, strict=True)},
            "precision": {name: _estimate(each) for name, each in zip(self.classes, figures.precision, strict=True)},
            "confusion": {"weighted": self.confusion.tolist(), "counts": self.counts.tolist()},
            "calibration": {"ece": self.calibration.error, "bins": self._bins()},
            "risk_coverage": [dict(vars(point)) for point in self.risk_coverage],
            "thresholds": [dict(vars(threshold)) for threshold in self.thresholds],
            "labelled_rows": self.labelled_rows,
            "calibrated_on": self.calibrated_on,
        }

    def _bins(self) -> list[dict[str, Any]]:
        found = self.calibration
        return [
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "rows": int(self.bin_rows[number]),
                "weight": float(found.count[number]),
                "confidence": _finite(float(found.confidence[number])),
                "accuracy": _finite(float(found.accuracy[number])),
            }
            for number in range(BINS)
        ]


def score(judged: Judged, truth: Truth, output: str, classes: Sequence[str]) -> Score:
    """Count everything.

    Intervals resample speakers where these are known, because their utterances stand or fall together; a row whose
    speaker is not known counts as a speaker of its own.

    Args:
        judged: people's labels beside the model's.
        truth: where people's labels are from.
        output: name of what is scored.
        classes: names of the classes.
    """
    count, heard = len(classes), judged.truth
    units = _units(judged)
    calibration = reliability(judged.probabilities, heard, BINS, judged.weights)
    return Score(
        output=output,
        truth=truth.file,
        classes=classes,
        rows=len(heard),
        no_label=judged.no_label,
        empty=truth.empty,
        left_out=truth.left_out,
        weighted=truth.weighted,
        unit="row" if judged.speakers is None else "speaker",
        units=len(set(units)),
        figures=weighted_bootstrap(heard, judged.predicted, judged.weights, units, count, draws=DRAWS, seed=SEED),
        counts=confusion(heard, judged.predicted, count),
        confusion=confusion(heard, judged.predicted, count, judged.weights),
        calibration=calibration,
        bin_rows=reliability(judged.probabilities, heard, BINS).count,
        risk_coverage=_kept(judged),
        thresholds=[_threshold(judged, wanted) for wanted in WANTED],
        labelled_rows=len(judged.confidences),
        calibrated_on=judged.calibrated_on,
    )


def _units(judged: Judged) -> list[str]:
    """(n,) what is resampled as one; names begin such that a row is no speaker's."""
    speakers = [""] * len(judged.truth) if judged.speakers is None else judged.speakers
    return [f"speaker {speaker}" if speaker else f"row {number}" for number, speaker in enumerate(speakers)]


def _kept(judged: Judged) -> list[Kept]:
    coverage, risk = risk_coverage(judged.probabilities, judged.truth, judged.weights)
    confidence = np.sort(judged.confidence)[::-1]
    # A sum of shares may miss 1 by rounding.
    last = [min(int(np.searchsorted(coverage, share - 1e-9)), len(coverage) - 1) for share in COVERAGES]
    return [Kept(float(coverage[row]), float(risk[row]), float(confidence[row])) for row in last]


def _threshold(judged: Judged, wanted: float) -> Threshold:
    found = lowest_confidence(judged.confidence, judged.right, judged.weights, wanted)
    if found is None:
        return Threshold(wanted, None)
    kept = judged.confidence >= found
    above = len(judged.confidences) - int(np.searchsorted(judged.confidences, found))
    return Threshold(
        wanted,
        found,
        float(np.average(judged.right[kept], weights=judged.weights[kept])),
        int(kept.sum()),
        above,
        above / len(judged.confidences),
    )


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {"value": _finite(estimate.value), "interval": estimate.interval and list(estimate.interval)}


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
