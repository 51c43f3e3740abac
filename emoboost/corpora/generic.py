"""Any labelled CSV: a manifest with columns label and speaker, and if it has them session, text and split.

The manifest's reader says what the audio, start and end, offset and duration, channel and utterance_id are.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from emoboost.audio import resolve
from emoboost.corpora.row import CorpusRow, Imported, with_distinct_ids
from emoboost.errors import ManifestError
from emoboost.manifest import open_manifest
from emoboost.manifest.identifiers import derived_id
from emoboost.vocabulary import canonical

REQUIRED = ("label", "speaker")
OPTIONAL = ("session", "text", "split")
READ = ("utterance_id", "uri", "channel", "start", "end", *REQUIRED, *OPTIONAL)


def read(table: Path) -> Imported:
    """Every row of a CSV file, its labels in the canonical vocabulary where they are known there.

    An utterance without an id is named after its file; where two would have one name, it gets the id that the
    manifest's reader makes, which tells folders and spans apart.

    Args:
        table: the CSV file; a relative path in it starts at its folder.

    Raises:
        ManifestError: no usable manifest, a column is missing, or a row lacks a label or speaker.
    """
    manifest = open_manifest(str(table))
    if missing := [name for name in REQUIRED if name not in manifest.columns.carried]:
        found = ", ".join(manifest.source.schema.names)
        raise ManifestError(f"{table}: no column {missing[0]!r}; found {found}; rename the one that holds it")
    stretches = (
        stretch.select([name for name in stretch.column_names if name in READ]) for stretch in manifest.utterances()
    )
    utterances = [utterance for stretch in stretches for utterance in stretch.to_pylist()]
    rows = []
    for number, utterance in enumerate(utterances, start=1):
        if empty := [name for name in REQUIRED if not _cell(utterance, name)]:
            raise ManifestError(f"{table}, row {number} has no {empty[0]}; fill or remove it")
        rows.append(_row(utterance, manifest.source.base))
    return Imported(with_distinct_ids(rows, [utterance["utterance_id"] for utterance in utterances]))


def _row(utterance: Mapping[str, Any], base: str) -> CorpusRow:
    label = _cell(utterance, "label")
    return CorpusRow(
        path=resolve(utterance["uri"], base),
        utterance_id=_name(utterance),
        label=canonical(label),
        original_label=label,
        speaker=_cell(utterance, "speaker"),
        channel=utterance["channel"],
        start=utterance["start"],
        end=utterance["end"],
        **{name: _cell(utterance, name) for name in OPTIONAL},
    )


def _name(utterance: Mapping[str, Any]) -> str:
    """The id that the table gives, or else the file's name without its ending."""
    given: str = utterance["utterance_id"]
    made = derived_id(*(utterance[name] for name in ("uri", "channel", "start", "end")))
    return PurePosixPath(utterance["uri"]).stem if given == made else given


def _cell(utterance: Mapping[str, Any], name: str) -> str:
    value = utterance.get(name)
    return "" if value is None else str(value).strip()
