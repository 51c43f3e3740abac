"""`emoboost-batch corpus`: published corpora as manifests, and what is in a labelled manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from emoboost.access import Access
from emoboost.audio import probe
from emoboost.corpora import IMPORTERS, CorpusRow, Imported, LeftOut
from emoboost.corpus import read_corpus
from emoboost.corpus_facts import CorpusFacts, corpus_facts, warnings_of
from emoboost.decoder import ROUNDING_SECONDS
from emoboost.errors import AudioError, ManifestError, UsageError
from emoboost.printable import printable
from jobs.console import say, tell
from jobs.exits import Exit
from jobs.outputs import refuse_unwritable

if TYPE_CHECKING:
    from pandas import DataFrame

WIDEST = 30
"""Speakers with a column of their own; more columns no screen can show."""


def import_command(
    corpus: str, folder: Path, output: Path, *, sessions: str | None = None, texts: str | None = None
) -> Exit:
    """Write the manifest; say how many rows it has and what was left out.

    Args:
        corpus: a key of `IMPORTERS`.
        folder: of the corpus.
        output: .csv or .parquet.
        sessions: only these, separated by commas.
        texts: only texts of this pattern, as in `impro*`.

    Raises:
        UsageError: no such corpus, session or text, nothing to import, or an output that cannot be written.
    """
    if corpus not in IMPORTERS:
        raise UsageError(f"{corpus}: no importer for this corpus; there is: {', '.join(IMPORTERS)}")
    if output.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{output}: name a file that ends in .csv or .parquet")
    refuse_unwritable(output)
    imported = chosen(IMPORTERS[corpus](folder), sessions, texts)
    if not imported.rows:
        reasons = ", ".join(_left_out(imported)) or "none"
        raise UsageError(
            f"{folder}: nothing is left to import; left out: {reasons}; give a folder that holds labelled speech with "
            "its audio"
        )
    table = _table_of(imported.rows)
    try:
        if output.suffix == ".csv":
            table.to_csv(output, index=False)
        else:
            table.to_parquet(output, index=False)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror or error})") from error
    counts = ", ".join(f"{label} {count}" for label, count in sorted(Counter(table["label"]).items()))
    speakers = f"{table['speaker'].nunique()} speakers"
    tell(f"{len(table):,} utterances of {speakers} in {printable(output)}: {printable(counts)}")
    for line in _left_out(imported):
        say(f"left out: {line}")
    for note in imported.notes:
        say(f"note: {note}")
    return Exit.COMPLETE


def chosen(imported: Imported, sessions: str | None, texts: str | None) -> Imported:
    """The part of a corpus with some sessions and texts, as if there were no other.

    Raises:
        UsageError: the corpus has no such session or text.
    """
    if sessions is None and texts is None:
        return imported
    everything: list[CorpusRow | LeftOut] = [*imported.rows, *imported.left_out]
    wanted = {row.session for row in everything}
    if sessions is not None:
        known, wanted = wanted, {name.strip() for name in sessions.split(",")}
        if unknown := wanted - known:
            has = ", ".join(sorted(known - {""})) or "none"
            raise UsageError(f"--sessions {sessions}: no session {min(unknown)!r}; the corpus has {has}")

    def is_wanted(row: CorpusRow | LeftOut) -> bool:
        return row.session in wanted and (texts is None or fnmatch(row.text, texts))

    if everything and not any(map(is_wanted, everything)):
        example = next(row.text for row in everything if row.session in wanted)
        raise UsageError(f"--texts {texts}: no text of the corpus is like this; it has for example {example!r}")
    # Published counts are those of the whole corpus.
    return replace(
        imported,
        rows=[row for row in imported.rows if is_wanted(row)],
        left_out=[utterance for utterance in imported.left_out if is_wanted(utterance)],
        published={},
    )


def _left_out(imported: Imported) -> list[str]:
    return [f"{count:,} ({reason})" for reason, count in sorted(imported.dropped.items())]


def _table_of(rows: Sequence[CorpusRow]) -> "DataFrame":
    """The manifest; channel, start and end are columns where some row has one."""
    import pandas as pd

    table = pd.DataFrame([{**asdict(row), "duration": _duration(row)} for row in rows])
    table["channel"] = table["channel"].astype("Int64")
    if all(row.channel is None for row in rows):
        table = table.drop(columns=["channel"])
    if all((row.start, row.end) == (0.0, None) for row in rows):
        table = table.drop(columns=["start", "end"])
    return table


def _duration(row: CorpusRow) -> float | None:
    """Seconds of the utterance; None when neither the row nor the recording's header says where it ends."""
    try:
        recorded = probe(row.path, Access()).duration
    except AudioError as error:
        raise ManifestError(f"{printable(error.message)}; mend or remove that recording") from error
    end = recorded if row.end is None else row.end
    if recorded is not None and end is not None and not row.start < end <= recorded + ROUNDING_SECONDS:
        raise ManifestError(
            f"{printable(row.path)}: the span from {row.start:g} to {end:g} s is not in the recording, which has "
            f"{recorded:.2f} s; correct start and end, or offset and duration, in that row"
        )
    return None if end is None else end - row.start


def show_command(manifest: str, *, as_json: bool) -> Exit:
    """Print counts per class and speaker, durations, and what is suspicious."""
    corpus = read_corpus(manifest, to_train=False)
    facts = corpus_facts(corpus)
    found = warnings_of(facts, corpus.speakers)
    if as_json:
        print(json.dumps({**_numbers(facts), "counts": facts.counts, "warnings": found}))
        return Exit.COMPLETE
    speakers = sorted(set(corpus.speakers))
    tell(_table(facts, speakers if len(speakers) <= WIDEST else []))
    for name, value in _numbers(facts).items():
        tell(f"{name:<16} {value:,}")
    for line in found:
        tell(f"warning: {printable(line)}")
    return Exit.COMPLETE


def _numbers(facts: CorpusFacts) -> dict[str, float]:
    seconds = facts.seconds
    if len(seconds) == 0:
        return {"utterances": len(facts.unreadable)}
    return {
        "utterances": len(seconds) + len(facts.unreadable),
        "hours": round(float(seconds.sum()) / 3600, 3),
        "shortest_s": round(float(seconds.min()), 3),
        "longest_s": round(float(seconds.max()), 3),
    }


def _table(facts: CorpusFacts, speakers: Sequence[str]) -> str:
    """Utterances of each class: of each of these speakers, and of all."""
    width = max(len(printable(label)) for label in facts.counts) + 2
    columns = [max(len(printable(speaker)), 5) + 1 for speaker in speakers]
    heads = "".join(f"{printable(s):>{w}}" for s, w in zip(speakers, columns, strict=True))
    lines = [" " * width + heads + "   all"]
    for label, by_speaker in facts.counts.items():
        cells = "".join(f"{by_speaker.get(s, 0):>{w}}" for s, w in zip(speakers, columns, strict=True))
        lines.append(f"{printable(label):<{width}}{cells}{sum(by_speaker.values()):>6}")
    return "\n".join(lines)
