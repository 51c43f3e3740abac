"""The content of report.json: every number that a report shows, as plain values (docs/evaluation.md, key by key)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from emoboost.evaluation import Evaluation, Scores
from emoboost.metrics import (
    Estimate,
    confusion,
    macro_f1,
    mcnemar,
    paired_bootstrap,
    recalls,
    reliability,
    risk_coverage,
    speaker_bootstrap,
    unweighted_accuracy,
    weighted_accuracy,
)
from emoboost.report.published import comparable, published_for

FORMAT = "1"
BASELINE = "encoder alone"
"""Title of the variant that differences are taken from."""
OWN = "this report"
"""Source of the rows in `systems` that are this evaluation's."""
COVERAGES = tuple(tenth / 10 for tenth in range(1, 11))
MOST_ERRORS = 15
FEWEST_VECTORS = 10
BOOTSTRAP = {"draws": 2_000, "seed": 0}
VERSIONS = ("emoboost-batch", "numpy", "scikit-learn", "torch", "transformers")


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that is counted; finite numbers only, accuracies in [0, 1], None where a figure does not exist.

    Raises:
        ValueError: no variant, or one without a run, or runs that tested different utterances.
    """
    _check(evaluation)
    variants = {title: _variant(evaluation, title) for title in evaluation.variants}
    headline = headline_of(evaluation)
    first, runs = variants[headline], evaluation.variants[headline]
    truth = evaluation.truth[runs[0].tested]
    speakers = sorted({evaluation.speakers[row] for row in runs[0].tested})
    return {
        "format": FORMAT,
        "corpus": evaluation.corpus,
        "protocol": evaluation.protocol,
        "protocol_description": evaluation.protocol_description,
        "leaky": bool(evaluation.leaky),
        "variant": headline,
        **{key: first[key] for key in ("wa", "wa_interval", "ua", "ua_interval", "macro_f1", "macro_f1_interval")},
        "interval": {"level": 0.95, "method": "bootstrap", "resampled": "speakers", "speakers": len(speakers)}
        | BOOTSTRAP,
        "seeds": [run.seed for run in runs],
        "folds": list(evaluation.folds),
        "chance": _chance(truth, evaluation.classes),
        "classes": {
            name: int(count)
            for name, count in zip(
                evaluation.classes, np.bincount(truth, minlength=len(evaluation.classes)), strict=True
            )
        },
        "utterances": len(truth),
        "speakers": speakers,
        "hours": float(evaluation.seconds / 3600),
        "manifest": {"path": evaluation.manifest, "sha256": evaluation.manifest_hash},
        "encoder": evaluation.encoder,
        "model": evaluation.model,
        "recipe": None if evaluation.recipe is None else _plain(asdict(evaluation.recipe)),
        "variants": variants,
        "errors": _confident_errors(evaluation, runs[0]),
        "systems": _systems(evaluation, variants),
        "remarks": [*evaluation.remarks, *_own_remarks(evaluation, speakers)],
        "versions": {name: version(name) for name in VERSIONS},
    }


def headline_of(evaluation: Evaluation) -> str:
    """Title of the variant that the report's first figures are of."""
    return next(iter(evaluation.variants))


def baseline_of(evaluation: Evaluation) -> str | None:
    """Title of the variant that others are compared with; None if there is none."""
    return BASELINE if BASELINE in evaluation.variants else None


def labels_of(runs: Sequence[Scores]) -> np.ndarray:
    """Predicted class numbers: (seeds, n)."""
    return np.stack([run.shares.argmax(axis=1) for run in runs])


def counts_of(evaluation: Evaluation, title: str) -> np.ndarray:
    """Confusion of each seed, pooled over all folds: (seeds, classes, classes)."""
    runs = evaluation.variants[title]
    truth = evaluation.truth[runs[0].tested]
    return np.stack([confusion(truth, labels, len(evaluation.classes)) for labels in labels_of(runs)])


def _check(evaluation: Evaluation) -> None:
    if not evaluation.variants or not all(evaluation.variants.values()):
        raise ValueError("an evaluation needs at least one variant, and each variant at least one run")
    tested = evaluation.variants[headline_of(evaluation)][0].tested
    for title, runs in evaluation.variants.items():
        for run in runs:
            if len(tested) == 0 or not np.array_equal(run.tested, tested):
                raise ValueError(f"{title}, seed {run.seed}: tested other utterances than the first run, or none")


def _variant(evaluation: Evaluation, title: str) -> dict[str, Any]:
    runs = evaluation.variants[title]
    tested = runs[0].tested
    truth, speakers = evaluation.truth[tested], [evaluation.speakers[row] for row in tested]
    labels, counts = labels_of(runs), counts_of(evaluation, title)
    estimates = speaker_bootstrap(truth, labels, speakers, len(evaluation.classes), **BOOTSTRAP)
    return {
        **_estimates(estimates),
        "parameters": evaluation.parameters.get(title),
        "recall": _by_class(evaluation.classes, recalls(counts).mean(axis=0)),
        "seeds": [
            {
                "seed": run.seed,
                "wa": weighted_accuracy(table),
                "ua": unweighted_accuracy(table),
                "macro_f1": macro_f1(table),
                "recall": _by_class(evaluation.classes, recalls(table)),
                "confusion": table.tolist(),
            }
            for run, table in zip(runs, counts, strict=True)
        ],
        "per_fold": _per_fold(evaluation, runs, labels),
        "per_speaker": _per_speaker(truth, labels, speakers, len(evaluation.classes)),
        "calibration": _calibration(truth, runs),
        "risk_coverage": _risk_coverage(truth, runs),
        "difference": _difference(evaluation, title),
        "robustness": {name: _under(truth, speakers, runs, name, len(evaluation.classes)) for name in runs[0].changed},
        "adapted": {name: _adapted(truth, speakers, runs, name, len(evaluation.classes)) for name in runs[0].adapted},
    }


def _adapted(
    truth: np.ndarray, speakers: Sequence[str], runs: Sequence[Scores], enrolment: str, classes: int
) -> dict[str, Any]:
    """Of a way to adapt: accuracies over all seeds and draws, and those of the unadapted labels of the same tests."""
    labels = np.concatenate([run.adapted[enrolment] for run in runs])
    plain = np.concatenate([np.where(run.adapted[enrolment] < 0, -1, run.shares.argmax(axis=1)) for run in runs])
    return {
        "draws": len(runs[0].adapted[enrolment]),
        "utterances": float((labels >= 0).sum(axis=1).mean()),
        **_against(truth, plain, labels, speakers, classes),
        "unadapted": _estimates(speaker_bootstrap(truth, plain, speakers, classes, **BOOTSTRAP)),
    }


def _under(
    truth: np.ndarray, speakers: Sequence[str], runs: Sequence[Scores], condition: str, classes: int
) -> dict[str, Any]:
    """Of a condition: accuracies, what it costs, and the share of labels that it changes, means over seeds."""
    labels, plain = np.stack([run.changed[condition].argmax(axis=1) for run in runs]), labels_of(runs)
    return {
        **_against(truth, plain, labels, speakers, classes),
        "changed": float((labels != plain).mean()),
    }


def _against(
    truth: np.ndarray, plain: np.ndarray, labels: np.ndarray, speakers: Sequence[str], classes: int
) -> dict[str, Any]:
    """Accuracies of labels, (runs, n), with their difference from those of plain ones."""
    return {
        **_estimates(speaker_bootstrap(truth, labels, speakers, classes, **BOOTSTRAP)),
        "difference": _estimates(paired_bootstrap(truth, plain, labels, speakers, classes, **BOOTSTRAP)),
    }


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, estimate in estimates.items():
        found[name] = estimate.value
        found[f"{name}_interval"] = estimate.interval and list(estimate.interval)
    return found


def _per_fold(evaluation: Evaluation, runs: Sequence[Scores], labels: np.ndarray) -> dict[str, Any]:
    """Figures within each fold (mean over seeds), then their mean and standard deviation over folds: not pooled."""
    rows: list[dict[str, Any]] = []
    for number in np.unique(runs[0].fold):
        tables = []
        for run, predicted in zip(runs, labels, strict=True):
            inside = run.fold == number
            truth = evaluation.truth[run.tested[inside]]
            tables.append(confusion(truth, predicted[inside], len(evaluation.classes)))
        rows.append(
            {
                "fold": str(evaluation.folds[number]),
                "utterances": int(tables[0].sum()),
                "wa": float(np.mean([weighted_accuracy(table) for table in tables])),
                "ua": float(np.mean([unweighted_accuracy(table) for table in tables])),
                "macro_f1": float(np.mean([macro_f1(table) for table in tables])),
            }
        )
    found: dict[str, Any] = {"folds": rows}
    for name in ("wa", "ua", "macro_f1"):
        values = [row[name] for row in rows]
        found[f"{name}_mean"] = float(np.mean(values))
        found[f"{name}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return found


def _per_speaker(truth: np.ndarray, labels: np.ndarray, speakers: Sequence[str], classes: int) -> list[dict[str, Any]]:
    names = np.array(speakers)
    found = []
    for name in sorted(set(speakers)):
        own = names == name
        tables = [confusion(truth[own], predicted[own], classes) for predicted in labels]
        found.append(
            {
                "speaker": name,
                "utterances": int(own.sum()),
                "wa": float(np.mean([weighted_accuracy(table) for table in tables])),
                "ua": float(np.mean([unweighted_accuracy(table) for table in tables])),
            }
        )
    return found


def calibrated_of(runs: Sequence[Scores]) -> list[np.ndarray] | None:
    """Probabilities after temperature, one array a seed; None unless every seed has them."""
    found = [run.calibrated for run in runs if run.calibrated is not None]
    return found if len(found) == len(runs) else None


def _calibration(truth: np.ndarray, runs: Sequence[Scores]) -> dict[str, Any]:
    calibrated = calibrated_of(runs)
    return {
        "before": _reliability(truth, [run.probabilities for run in runs]),
        "after": None if calibrated is None else _reliability(truth, calibrated),
        "temperatures": [[float(t) for t in run.temperatures] for run in runs if run.temperatures],
    }


def _reliability(truth: np.ndarray, probabilities: Sequence[np.ndarray]) -> dict[str, Any]:
    together = reliability(np.concatenate(probabilities), np.tile(truth, len(probabilities)))
    return {
        "ece": float(np.mean([reliability(each, truth).error for each in probabilities])),
        "bins": [
            {"confidence": _number(confidence), "accuracy": _number(accuracy), "labels": int(count)}
            for confidence, accuracy, count in zip(together.confidence, together.accuracy, together.count, strict=True)
        ],
    }


def mean_risk(truth: np.ndarray, probabilities: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Coverage (n,) and risk (n,), the mean over seeds at each coverage."""
    curves = [risk_coverage(each, truth) for each in probabilities]
    return curves[0][0], np.mean([risk for _, risk in curves], axis=0)


def _risk_coverage(truth: np.ndarray, runs: Sequence[Scores]) -> dict[str, Any]:
    calibrated = calibrated_of(runs)
    return {
        "before": _risks(*mean_risk(truth, [run.probabilities for run in runs])),
        "after": None if calibrated is None else _risks(*mean_risk(truth, calibrated)),
    }


def _risks(coverage: np.ndarray, risk: np.ndarray) -> dict[str, Any]:
    kept = [max(1, round(share * len(coverage))) for share in COVERAGES]
    return {
        "area": float(risk.mean()),
        "points": [{"coverage": float(coverage[n - 1]), "risk": float(risk[n - 1])} for n in kept],
    }


def _difference(evaluation: Evaluation, title: str) -> dict[str, Any] | None:
    """From the encoder alone, on the seeds that both have."""
    baseline = baseline_of(evaluation)
    if baseline is None or title == baseline:
        return None
    before = {run.seed: run for run in evaluation.variants[baseline]}
    after = {run.seed: run for run in evaluation.variants[title]}
    seeds = [seed for seed in after if seed in before]
    if not seeds:
        return None
    tested = after[seeds[0]].tested
    truth, speakers = evaluation.truth[tested], [evaluation.speakers[row] for row in tested]
    first, second = (labels_of([runs[seed] for seed in seeds]) for runs in (before, after))
    return {
        "from": baseline,
        "seeds": seeds,
        **_estimates(paired_bootstrap(truth, first, second, speakers, len(evaluation.classes), **BOOTSTRAP)),
        "mcnemar_p": [mcnemar(truth, one, two) for one, two in zip(first, second, strict=True)],
    }


def _chance(truth: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    support = np.bincount(truth, minlength=len(classes))
    return {
        "ua": float(1 / (support > 0).sum()),
        "majority_class": classes[int(support.argmax())],
        "majority_wa": float(support.max() / support.sum()),
    }


def _confident_errors(evaluation: Evaluation, run: Scores) -> list[dict[str, Any]]:
    """The wrong labels of the first seed that were given with most confidence."""
    confidence, labels = run.shares.max(axis=1), run.shares.argmax(axis=1)
    wrong = np.flatnonzero(labels != evaluation.truth[run.tested])
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_ERRORS]
    return [
        {
            "utterance_id": evaluation.utterance_ids[run.tested[row]],
            "speaker": evaluation.speakers[run.tested[row]],
            "truth": evaluation.classes[evaluation.truth[run.tested[row]]],
            "label": evaluation.classes[labels[row]],
            "confidence": float(confidence[row]),
        }
        for row in worst
    ]


def _systems(evaluation: Evaluation, variants: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """This evaluation's headline and baseline, then what others published for as many classes of the corpus."""
    own = [
        {
            "system": f"this evaluation: {title}",
            "classes": len(evaluation.classes),
            "wa": variant["wa"],
            "ua": variant["ua"],
            "protocol": f"{evaluation.protocol}: {evaluation.protocol_description}",
            "leaky": bool(evaluation.leaky),
            "source": OWN,
        }
        for title, variant in variants.items()
        if title in (headline_of(evaluation), BASELINE)
    ]
    published = published_for(evaluation.corpus)
    others = [asdict(row) for row in published if comparable(row, len(evaluation.classes))]
    return own + [{key: row[key] for key in own[0]} for row in others]


def with_vectors(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Title -> vectors (n, D) of the first seed, of the headline and of the encoder alone, where enough were kept."""
    titles = dict.fromkeys([headline_of(evaluation), *filter(None, [baseline_of(evaluation)])])
    vectors = {title: evaluation.variants[title][0].vectors for title in titles}
    return {title: found for title, found in vectors.items() if found is not None and len(found) >= FEWEST_VECTORS}


def _own_remarks(evaluation: Evaluation, speakers: Sequence[str]) -> list[str]:
    remarks = []
    if len(speakers) < 2:
        remarks.append("There is one test speaker, so no interval over speakers can be given.")
    elif len(speakers) < 6:
        remarks.append(f"Intervals that resample only {len(speakers)} speakers are rough, and mostly too narrow.")
    if not with_vectors(evaluation):
        remarks.append(
            f"No t-SNE picture: no utterance vectors were kept, or there are fewer than {FEWEST_VECTORS} utterances."
        )
    if len(evaluation.variants[headline_of(evaluation)]) == 1 and evaluation.model is None:
        remarks.append("There is one seed: the figures do not show how much another training would differ.")
    return remarks


def _by_class(classes: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(classes, values, strict=True)}


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Tuples and numpy's numbers as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
