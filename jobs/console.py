"""What a person reads. Commands compute values; only this module turns them into text."""

import sys
from collections.abc import Mapping, Sequence

from emoboost.errors import FIXES, AudioErrorType
from emoboost.printable import printable, printable_lines
from emoboost.summary import MANY_SEGMENTS, Summary
from jobs.progress import duration

BAR = 20


def say(text: str) -> None:
    """One line of what is going on, on standard error, so that standard output holds results only."""
    print(printable(text), file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """Lines of a result for people, on standard output; nothing in them can command the terminal.

    A value that may hold an end of line must be made `printable` before: here nobody can tell it from ours.
    """
    print(printable_lines(text))


def bar(share: float, width: int = BAR) -> str:
    """A horizontal bar of block characters.

    >>> bar(0.5, 4)
    '██··'
    """
    full = round(share * width)
    return "█" * full + "·" * (width - full)


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table whose columns stand below each other, indented; the caller has made names `printable`.

    >>> print(aligned(["class", "rows"], [["anger", "7"], ["joy", "12"]]))
      class  rows
      anger     7
      joy      12

    Args:
        head: names of the columns.
        rows: cells.
        texts: so many columns from the left hold words, the others numbers, which are set flush right.
    """
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    sides = ["<" if column < texts else ">" for column in range(len(head))]
    return "\n".join(
        "  "
        + "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in lines
    )


def summary_text(summary: Summary, speed: float, log: str | None, trained_on: str) -> str:
    """The end of an annotate run."""
    counts = summary.counts
    ok = counts.status.get("ok", 0)
    lines = [
        f"{'Complete' if summary.complete else 'INCOMPLETE'}: "
        f"{counts.utterances:,} of {summary.planned:,} utterances, {duration(counts.seconds)} of audio, "
        f"{ok:,} labelled, {counts.status.get('error', 0):,} with an error"
        + (f"; this run: {speed:.1f} x real time with start-up" if speed else ""),
        "",
        *label_lines(counts.labels),
    ]
    if counts.error_types:
        lines += ["", "Errors", *_error_lines(summary)]
    if counts.compared:
        share = counts.agreed / counts.compared
        lines += [
            "",
            f"Agreement with manifest_label: {counts.agreed:,} of {counts.compared:,} ({share:.1%})",
        ]
    if counts.many_segments:
        lines += [
            "",
            f"Warning: {counts.many_segments:,} utterances were averaged over more than {MANY_SEGMENTS} segments; one "
            "label for a long file says little. Cut them into spans with columns start and end.",
        ]
    lines += [f"Renamed: {printable(old)} is carried as {printable(new)}" for old, new in summary.renames.items()]
    lines += [f"PROBLEM: {printable(problem)}" for problem in summary.problems]
    lines += ["", f"Model    {printable(summary.model)} ({printable(trained_on)})"]
    if ok:
        lines.append(f"Scores   {calibration_text(counts.calibrated_on)}")
    lines += [f"Output   {printable(summary.output)}/labels"]
    if log is not None:
        lines.append(f"Log      {printable(log)}")
    return "\n".join(lines)


def calibration_text(calibrated_on: str | None) -> str:
    """What the numbers of a model are: probabilities on some speech, or scores."""
    if calibrated_on is None:
        return "not calibrated on your speech (emoboost-batch calibrate)"
    return f"probabilities on speech like that of the calibration: {printable(calibrated_on)}"


def label_lines(labels: Mapping[str, int]) -> list[str]:
    """Counts per label with bars, most frequent first."""
    if not labels:
        return ["No utterance was labelled."]
    total, width = sum(labels.values()), max(len(printable(name)) for name in labels)
    ordered = sorted(((printable(name), count) for name, count in labels.items()), key=lambda pair: (-pair[1], pair[0]))
    return [f"  {name:<{width}}  {bar(count / total)}  {count:>9,}  {count / total:6.1%}" for name, count in ordered]


def _error_lines(summary: Summary) -> list[str]:
    lines = [
        f"  {count:>7,}  {kind}: {FIXES[AudioErrorType(kind)]}"
        for kind, count in summary.counts.error_types.most_common()
    ]
    lines += ["  the first:"]
    lines += [
        f"    {printable(error['utterance_id'])}: {printable(error['error_message'])}"
        for error in summary.counts.first_errors
    ]
    return lines
