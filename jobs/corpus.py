"""`emoboost-batch corpus`: published corpora as manifests, and what is in a labelled manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from emoboost.audio import probe
from emoboost.config import SegmentConfig
from emoboost.corpora import IMPORTERS, CorpusRow
from emoboost.corpus import read_corpus
from emoboost.corpus_facts import CorpusFacts, corpus_facts, warnings_of
from emoboost.errors import AudioError, ManifestError, UsageError
from jobs.console import say
from jobs.exits import Exit


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
    """
    import pandas as pd

    if corpus not in IMPORTERS:
        raise UsageError(f"{corpus}: no importer for this corpus; there is: {', '.join(IMPORTERS)}")
    if output.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{output}: name a file that ends in .csv or .parquet")
    imported = IMPORTERS[corpus](folder)
    rows = chosen(imported.rows, sessions, texts)
    table = pd.DataFrame([{**asdict(row), "duration": _duration(row.path)} for row in rows])
    try:
        if output.suffix == ".csv":
            table.to_csv(output, index=False)
        else:
            table.to_parquet(output, index=False)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror or error})") from error
    counts = ", ".join(f"{label} {count}" for label, count in sorted(Counter(row.label for row in rows).items()))
    print(f"{len(rows):,} utterances of {table['speaker'].nunique()} speakers in {output}: {counts}")
    for reason, count in sorted(imported.dropped.items()):
        say(f"left out: {count:,} ({reason})")
    for remark in imported.remarks:
        say(f"note: {remark}")
    return Exit.COMPLETE


def chosen(rows: Sequence[CorpusRow], sessions: str | None, texts: str | None) -> list[CorpusRow]:
    """The rows of some sessions and texts.

    Raises:
        UsageError: the corpus has no such session or text.
    """
    wanted = None if sessions is None else {name.strip() for name in sessions.split(",")}
    if wanted is not None and (unknown := wanted - {row.session for row in rows}):
        known = ", ".join(sorted({row.session for row in rows} - {""})) or "none"
        raise UsageError(f"--sessions {sessions}: no session {min(unknown)!r}; the corpus has {known}")
    kept = [
        row for row in rows if (wanted is None or row.session in wanted) and (texts is None or fnmatch(row.text, texts))
    ]
    if not kept:
        raise UsageError(f"--texts {texts}: no text of the corpus is like this; it has for example {rows[0].text!r}")
    return kept


def show_command(manifest: str, *, as_json: bool) -> Exit:
    """Print counts per class and speaker, durations, and what is suspicious."""
    corpus = read_corpus(manifest, any_label=True)
    facts = corpus_facts(corpus, SegmentConfig().sample_rate)
    found = warnings_of(facts, corpus.speakers)
    if as_json:
        print(json.dumps({**_numbers(facts), "counts": facts.counts, "warnings": found}, ensure_ascii=False))
        return Exit.COMPLETE
    print(_table(facts, sorted(set(corpus.speakers))))
    for name, value in _numbers(facts).items():
        print(f"{name:<16} {value:,}")
    for line in found:
        print(f"warning: {line}")
    return Exit.COMPLETE


def _numbers(facts: CorpusFacts) -> dict[str, float]:
    seconds = facts.seconds
    if len(seconds) == 0:
        return {"utterances": 0}
    return {
        "utterances": len(seconds) + len(facts.unreadable),
        "hours": round(float(seconds.sum()) / 3600, 3),
        "shortest_s": round(float(seconds.min()), 3),
        "longest_s": round(float(seconds.max()), 3),
    }


def _table(facts: CorpusFacts, speakers: Sequence[str]) -> str:
    width = max(len(label) for label in facts.counts) + 2
    columns = [max(len(speaker), 5) + 1 for speaker in speakers]
    lines = [" " * width + "".join(f"{s:>{w}}" for s, w in zip(speakers, columns, strict=True)) + "   all"]
    for label, by_speaker in facts.counts.items():
        cells = "".join(f"{by_speaker.get(s, 0):>{w}}" for s, w in zip(speakers, columns, strict=True))
        lines.append(f"{label:<{width}}{cells}{sum(by_speaker.values()):>6}")
    return "\n".join(lines)


def _duration(path: str) -> float | None:
    try:
        return probe(path).duration
    except AudioError as error:
        raise ManifestError(f"{path}: {error.message}; mend or remove that recording") from error
