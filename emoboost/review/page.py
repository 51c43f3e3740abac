"""A score as tables, and as a folder: score.md, pictures, and score.json, which is written last."""

import json
import math
from pathlib import Path

import numpy as np

from emoboost.atomic import write_whole
from emoboost.errors import OutputError
from emoboost.metrics import Estimate
from emoboost.plots import plot_confusion_shares, plot_reliability, png
from emoboost.report.blocks import Bullets, Section, Table
from emoboost.report.markdown import escaped, markdown_report
from emoboost.report.wording import NOTHING, percent, span
from emoboost.review.score import Score

SCORE, PAGE, CONFUSION, RELIABILITY = "score.json", "score.md", "confusion.png", "reliability.png"
INTERVAL = "95 % interval"


def refuse_scored(folder: Path) -> None:
    """Stop before the work when the folder cannot take a score.

    Raises:
        OutputError: it is none, or holds something else than an earlier score.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder; choose another with --output")
    if folder.is_dir() and (other := {file.name for file in folder.iterdir()} - {SCORE, PAGE, CONFUSION, RELIABILITY}):
        raise OutputError(f"{folder}: holds {min(other)!r} and is no folder of a score; choose another with --output")


def write_score(score: Score, folder: Path) -> None:
    """Write the folder; a score that is in it is replaced.

    Args:
        score: all figures.
        folder: is made if it does not exist.

    Raises:
        OutputError: it cannot be written.
    """
    weighted = ", weighted" if score.weighted else ""
    title = f"{score.output}: {score.rows:,} rows judged{weighted}"
    accuracies = f"WA {percent(score.figures.wa.value)} %, UA {percent(score.figures.ua.value)} %"
    confusion = plot_confusion_shares(score.confusion, score.classes, f"{title}\nPercent of row: {accuracies}")
    reliability = plot_reliability({f"labels{weighted}": score.calibration}, title)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SCORE).unlink(missing_ok=True)
        write_whole(folder / CONFUSION, png(confusion))
        write_whole(folder / RELIABILITY, png(reliability))
        write_whole(folder / PAGE, page_of(score).encode())
        content = json.dumps(score.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(folder / SCORE, f"{content}\n".encode())
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder with --output"
        ) from error


def page_of(score: Score) -> str:
    """The score as Markdown."""
    sections = [
        Section("What was compared", [Bullets(facts_of(score))]),
        Section("Figures", tables_of(score)),
    ]
    pictures = [
        f"![{escaped(caption)}]({name})"
        for name, caption in (
            (CONFUSION, "Confusion matrix: each true class (row) in percent of the labels (columns) that it got."),
            (RELIABILITY, "Reliability: how often labels of a confidence are right."),
        )
    ]
    return "\n\n".join([markdown_report(f"Score of {score.output}", sections).rstrip(), *pictures]) + "\n"


def facts_of(score: Score) -> list[str]:
    """What the figures are of, in sentences."""
    facts = [f"{score.rows:,} rows have a label of a person and of the model."]
    if score.empty:
        facts.append(f"Rows without a label of a person, left out: {score.empty:,}.")
    if score.no_label:
        facts.append(f"Rows with a label of a person and none of the model (no label), left out: {score.no_label:,}.")
    if score.left_out:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(score.left_out.items()))
        facts.append(f"Rows left out by the class map: {sum(score.left_out.values()):,} ({counts}).")
    facts.append(
        "Figures are weighted by the column weight, and estimate the whole that was drawn from."
        if score.weighted
        else "There is no column weight: every row counts the same, and figures are of these rows."
    )
    if score.empty or score.left_out:
        facts.append(
            "What was left out counts nowhere, whatever the model says of it: all figures are of speech that people "
            "gave one of these classes, and too good for the rest."
        )
    if score.calibrated_on is not None:
        facts.append(
            f"The model was calibrated on {score.calibrated_on}: if these rows were among that, the figures are too "
            "good; score others."
        )
    if score.units < 2:
        return [*facts, f"There are no intervals, because there is only one {score.unit}."]
    return [*facts, f"Intervals resample {score.units:,} {score.unit}s, {INTERVAL}s by bootstrap."]


def tables_of(score: Score) -> list[Table]:
    """All figures."""
    return [_headline(score), _classes(score), _confusion(score), _calibration(score), _risk(score), _thresholds(score)]


def _headline(score: Score) -> Table:
    figures = score.figures
    rows = [
        ["WA: accuracy", *_cells(figures.wa)],
        ["UA: mean recall of the classes", *_cells(figures.ua)],
        ["macro-F1", *_cells(figures.macro_f1)],
    ]
    return Table("Accuracy", ["", "%", f"{INTERVAL} (%)"], rows)


def _classes(score: Score) -> Table:
    figures = score.figures
    rows = [
        [name, f"{heard:,}", f"{said:,}", *_cells(recall), *_cells(precision)]
        for name, heard, said, recall, precision in zip(
            score.classes,
            score.counts.sum(axis=1).tolist(),
            score.counts.sum(axis=0).tolist(),
            figures.recall,
            figures.precision,
            strict=True,
        )
    ]
    head = ["class", "heard", "labelled", "recall (%)", INTERVAL, "precision (%)", INTERVAL]
    return Table("Classes", head, rows)


def _confusion(score: Score) -> Table:
    with np.errstate(invalid="ignore"):
        shares = score.confusion / score.confusion.sum(axis=1, keepdims=True)
    rows = [
        [name, *(f"{_percent(share)} ({count})" for share, count in zip(line, counts, strict=True))]
        for name, line, counts in zip(score.classes, shares, score.counts, strict=True)
    ]
    return Table("Confusion: heard by row, label by column, % of row (rows)", ["heard", *score.classes], rows)


def _calibration(score: Score) -> Table:
    found = score.calibration
    rows = [
        [f"{number / len(found.count):.1f} to {(number + 1) / len(found.count):.1f}", f"{count}", *map(_percent, pair)]
        for number, (count, *pair) in enumerate(zip(score.bin_rows, found.confidence, found.accuracy, strict=True))
        if count
    ]
    caption = f"Calibration: expected calibration error {percent(found.error)} %"
    return Table(caption, ["confidence", "rows", "mean confidence (%)", "right (%)"], rows)


def _risk(score: Score) -> Table:
    rows = [[percent(point.coverage), f"{point.confidence:.3f}", percent(point.risk)] for point in score.risk_coverage]
    return Table(
        "Risk and coverage: most confident labels first", ["kept (%)", "confidence from", "wrong (%)"], rows, 0
    )


def _thresholds(score: Score) -> Table:
    rows = [
        [
            percent(each.wanted),
            *(
                [f"{each.confidence:.6f}", percent(each.precision), f"{each.judged:,}", f"{each.kept_rows:,}"]
                if each.confidence is not None
                else ["none"] + [NOTHING] * 3
            ),
            NOTHING if each.confidence is None else percent(each.kept_share),
        ]
        for each in score.thresholds
    ]
    head = ["wanted right (%)", "confidence from", "right (%)", "on rows judged", "keeps rows", "of the output (%)"]
    return Table("When to trust a label", head, rows, 0)


def _cells(estimate: Estimate) -> list[str]:
    return [_percent(estimate.value), span(estimate.interval)]


def _percent(value: float) -> str:
    return percent(None if math.isnan(value) else float(value))
