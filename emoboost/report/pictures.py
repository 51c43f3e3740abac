"""The pictures of a report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from emoboost.evaluation import Evaluation
from emoboost.metrics import Reliability, reliability
from emoboost.plots import (
    plot_confusion_counts,
    plot_confusion_shares,
    plot_enhancement,
    plot_learning,
    plot_reliability,
    plot_risk_coverage,
    plot_robustness,
    plot_speakers,
    plot_vectors,
    png,
    tsne,
)
from emoboost.report.blocks import Picture
from emoboost.report.figures import baseline_of, calibrated_of, counts_of, headline_of, mean_risk, with_vectors
from emoboost.training import EpochReport

MOST_POINTS = 2_000
"""Utterances in the t-SNE picture: more would hide each other, and take minutes."""


def pictures_of(evaluation: Evaluation, figures: Mapping[str, Any]) -> dict[str, list[Picture]]:
    """Section -> its pictures; a section without data has an empty list.

    Args:
        evaluation: what was found.
        figures: `figures_of(evaluation)`.
    """
    return {
        "confusion": list(_confusions(evaluation)),
        "speakers": list(_speakers(evaluation, figures)),
        "robustness": list(_robustness(evaluation, figures)),
        "calibration": list(_calibration(evaluation, figures)),
        "risk": list(_risk(evaluation)),
        "learning": list(_learning(evaluation)),
        "vectors": list(_vectors(evaluation)),
        "enhancement": list(_enhancement(evaluation)),
    }


def picture_title(evaluation: Evaluation, what: str) -> str:
    """A picture that is copied out of its report still says what it is of, and whether to believe it."""
    leaky = " · LEAKY: too good" if evaluation.leaky else ""
    return f"{what}\n{evaluation.corpus} · protocol {evaluation.protocol}{leaky}"


def _robustness(evaluation: Evaluation, figures: Mapping[str, Any]) -> Iterator[Picture]:
    title = headline_of(evaluation)
    variant = figures["variants"][title]
    if not variant["robustness"]:
        return
    of = f"{title}, {_seeds(evaluation, title)}"
    yield Picture(
        "robustness",
        f"UA of {of} under each condition, and how many labels it changes.",
        png(
            plot_robustness(
                list(variant["robustness"]),
                np.array([found["ua"] for found in variant["robustness"].values()]),
                np.array([found["changed"] for found in variant["robustness"].values()]),
                variant["ua"],
                picture_title(evaluation, f"Robustness: {of}"),
            )
        ),
    )


def _seeds(evaluation: Evaluation, title: str) -> str:
    count = len(evaluation.variants[title])
    return "one seed" if count == 1 else f"mean of {count} seeds"


def _confusions(evaluation: Evaluation) -> Iterator[Picture]:
    titles = dict.fromkeys([headline_of(evaluation), *filter(None, [baseline_of(evaluation)])])
    for number, title in enumerate(titles):
        counts = counts_of(evaluation, title).mean(axis=0)
        of = f"{title}, {_seeds(evaluation, title)}"
        suffix = "" if number == 0 else "_baseline"
        yield Picture(
            f"confusion_counts{suffix}",
            f"Confusion matrix of {of}: utterances of each true class (row) that got each label (column).",
            png(plot_confusion_counts(counts, evaluation.classes, picture_title(evaluation, f"Utterances: {of}"))),
        )
        yield Picture(
            f"confusion_shares{suffix}",
            f"The same matrix of {of}, each row in percent: the diagonal holds the recall of each class.",
            png(plot_confusion_shares(counts, evaluation.classes, picture_title(evaluation, f"Percent of row: {of}"))),
        )


def _speakers(evaluation: Evaluation, figures: Mapping[str, Any]) -> Iterator[Picture]:
    title = headline_of(evaluation)
    rows = figures["variants"][title]["per_speaker"]
    figure = plot_speakers(
        [row["speaker"] for row in rows],
        np.array([row["wa"] for row in rows]),
        np.array([row["utterances"] for row in rows]),
        figures["wa"],
        picture_title(evaluation, f"WA of each speaker: {title}, {_seeds(evaluation, title)}"),
    )
    yield Picture(
        "speakers", f"WA of each test speaker, {title}; the dashed line is WA over all utterances.", png(figure)
    )


def _calibration(evaluation: Evaluation, figures: Mapping[str, Any]) -> Iterator[Picture]:
    title = headline_of(evaluation)
    runs, found = evaluation.variants[title], figures["variants"][title]["calibration"]
    truth = evaluation.truth[runs[0].tested]
    curves = {_ece("before temperature", found["before"]): _bins(truth, [run.probabilities for run in runs])}
    calibrated = calibrated_of(runs)
    if calibrated is not None:
        curves[_ece("after temperature", found["after"])] = _bins(truth, calibrated)
    seeds = "" if len(runs) == 1 else f", {len(runs)} seeds together"
    figure = plot_reliability(curves, picture_title(evaluation, f"Reliability: {title}{seeds}"))
    yield Picture(
        "reliability",
        f"Reliability diagram of {title}{seeds}: on the dashed line, labels of a confidence are right that often; "
        "below it they are overconfident. The lower panel shows how many labels have each confidence.",
        png(figure),
    )


def _ece(name: str, found: Mapping[str, Any]) -> str:
    return f"{name} (ECE {100 * found['ece']:.1f} %)"


def _bins(truth: np.ndarray, probabilities: Sequence[np.ndarray]) -> Reliability:
    return reliability(np.concatenate(probabilities), np.tile(truth, len(probabilities)))


def _risk(evaluation: Evaluation) -> Iterator[Picture]:
    title = headline_of(evaluation)
    runs = evaluation.variants[title]
    truth = evaluation.truth[runs[0].tested]
    curves = {"before temperature": mean_risk(truth, [run.probabilities for run in runs])}
    calibrated = calibrated_of(runs)
    if calibrated is not None:
        curves["after temperature"] = mean_risk(truth, calibrated)
    figure = plot_risk_coverage(
        curves, picture_title(evaluation, f"Risk and coverage: {title}, {_seeds(evaluation, title)}")
    )
    yield Picture(
        "risk_coverage",
        f"Error rate of {title} among the labels that are kept when the least confident are dropped.",
        png(figure),
    )


def _learning(evaluation: Evaluation) -> Iterator[Picture]:
    title = headline_of(evaluation)
    histories = [history for run in evaluation.variants[title] for history in run.histories if history]
    if not histories:
        return
    losses = [np.array([epoch.loss for epoch in history]) for history in histories]
    validation = [scores for history in histories if len(scores := _validation(history))]
    chosen = " The epoch was chosen on the test fold." if validation and evaluation.leaky else ""
    figure = plot_learning(losses, validation, picture_title(evaluation, f"Learning curves: {title}"))
    yield Picture(
        "learning", f"Learning curves of {title}: {len(histories)} trainings (folds and seeds).{chosen}", png(figure)
    )


def _validation(history: Sequence[EpochReport]) -> np.ndarray:
    return np.array([epoch.validation_ua for epoch in history if epoch.validation_ua is not None])


def _vectors(evaluation: Evaluation) -> Iterator[Picture]:
    found = with_vectors(evaluation)
    if not found:
        return
    tested = evaluation.variants[headline_of(evaluation)][0].tested
    shown = np.arange(len(tested))
    if len(tested) > MOST_POINTS:
        shown = np.sort(np.random.default_rng(0).permutation(len(tested))[:MOST_POINTS])
    positions = {title: tsne(vectors[shown]) for title, vectors in found.items()}
    truth = evaluation.truth[tested[shown]]
    figure = plot_vectors(
        positions, truth, evaluation.classes, picture_title(evaluation, "t-SNE of utterance vectors, by true class")
    )
    seed = evaluation.variants[headline_of(evaluation)][0].seed
    sample = "" if len(shown) == len(tested) else f" A random {len(shown):,} of {len(tested):,} utterances."
    yield Picture(
        "vectors",
        f"t-SNE of the utterances' vectors ({' and '.join(positions)}), seed {seed}. Each vector comes from the fold "
        "that tested the utterance, and each fold has a head of its own, so some groups may be folds. Axes and "
        f"distances between groups mean nothing.{sample}",
        png(figure),
    )


def _enhancement(evaluation: Evaluation) -> Iterator[Picture]:
    for number, example in enumerate(evaluation.examples, start=1):
        figure = plot_enhancement(
            example.spectrogram, example.weights, example.seconds, picture_title(evaluation, example.title)
        )
        yield Picture(
            f"enhancement_{number:02}",
            f"Frame weights over the log spectrogram: {example.title}. A weight of 1 everywhere would be mean pooling.",
            png(figure),
        )
