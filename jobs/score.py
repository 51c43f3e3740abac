"""`emoboost-batch score`: the labels of an output against those that people gave."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emoboost.access import Access
from emoboost.label_maps import load_label_map
from emoboost.printable import printable
from emoboost.review import Classes, Score, judge, model_classes, read_truth, score
from emoboost.review.page import facts_of, refuse_scored, tables_of, write_score
from jobs.console import aligned, say, tell
from jobs.exits import Exit
from jobs.outputs import ledger_of
from jobs.progress import checking


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What a user may choose."""

    output: str
    truth: str
    class_map: str | None = None
    report: Path | None = None
    """Folder to write."""
    storage_options: Mapping[str, object] = field(default_factory=dict)


def score_command(options: ScoreOptions, *, as_json: bool) -> Exit:
    """Compare, print the figures and write them; an unfinished output gives what is there, and exit code 4.

    Raises:
        UsageError: a bad argument, output or table of labels, found before any figure.
        OutputError: the folder cannot be written.
    """
    class_map = None if options.class_map is None else load_label_map(options.class_map, "--class-map")
    if options.report is not None:
        refuse_scored(options.report)
    ledger = ledger_of(options.output, options.storage_options)
    model = model_classes(ledger)
    classes = Classes.of(model, class_map)
    truth = read_truth(options.truth, classes, Access(storage_options=options.storage_options))
    finished = len(ledger.finished())
    judged = judge(ledger, truth, model, classes, checking("reading", finished))
    found = score(judged, truth, options.output, classes.names)
    if options.report is not None:
        write_score(found, options.report)
    if as_json:
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        tell(score_text(found))
        if options.report is not None:
            tell(f"\nReport   {printable(options.report / 'score.md')}")
    if finished != ledger.plan.shards:
        say(
            f"The output is not complete: {finished:,} of {ledger.plan.shards:,} parts; the figures are of what is "
            "there. annotate continues it."
        )
        return Exit.INCOMPLETE
    return Exit.COMPLETE


def score_text(found: Score) -> str:
    """For people: what was compared, then every table."""
    blocks = [
        "\n".join(
            [
                printable(table.caption),
                aligned(
                    [printable(cell) for cell in table.head],
                    [[printable(cell) for cell in row] for row in table.rows],
                    table.texts,
                ),
            ]
        )
        for table in tables_of(found)
    ]
    return "\n\n".join(["\n".join(map(printable, facts_of(found))), *blocks])
