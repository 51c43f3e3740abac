"""What a person reads. Commands compute values; only this module turns them into text."""

import sys
from collections.abc import Mapping

from emoboost.errors import FIXES, AudioErrorType
from emoboost.summary import MANY_SEGMENTS, Summary
from jobs.progress import duration

BAR = 20


def say(text: str) -> None:
    """One line of what is going on, on standard error, so that standard output holds results only."""
    print(text, file=sys.stderr, flush=True)


def bar(share: float, width: int = BAR) -> str:
    """A horizontal bar of block characters.

    >>> bar(0.5, 4)
    '██··'
    """
    full = round(share * width)
    return "█" * full + "·" * (width - full)


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
    lines += [f"Renamed: {old} is carried as {new}" for old, new in summary.renames.items()]
    lines += [f"PROBLEM: {problem}" for problem in summary.problems]
    lines += ["", f"Model    {summary.model} ({trained_on})", f"Output   {summary.output}/labels"]
    if log is not None:
        lines.append(f"Log      {log}")
    return "\n".join(lines)


def label_lines(labels: Mapping[str, int]) -> list[str]:
    """Counts per label with bars, most frequent first."""
    if not labels:
        return ["No utterance was labelled."]
    total, width = sum(labels.values()), max(map(len, labels))
    ordered = sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
    return [f"  {name:<{width}}  {bar(count / total)}  {count:>9,}  {count / total:6.1%}" for name, count in ordered]


def _error_lines(summary: Summary) -> list[str]:
    lines = [
        f"  {count:>7,}  {kind}: {FIXES[AudioErrorType(kind)]}"
        for kind, count in summary.counts.error_types.most_common()
    ]
    lines += ["  the first:"]
    lines += [f"    {error['utterance_id']}: {error['error_message']}" for error in summary.counts.first_errors]
    return lines
