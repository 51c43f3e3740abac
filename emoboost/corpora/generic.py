"""Any labelled CSV: columns path, label and speaker, and if it has them session, text, split and utterance_id."""

from pathlib import Path

from emoboost.corpora.row import CorpusRow, Imported
from emoboost.errors import ManifestError
from emoboost.vocabulary import canonical

REQUIRED = ("path", "label", "speaker")
OPTIONAL = ("session", "text", "split")


def read(table: Path) -> Imported:
    """Every row of a CSV file, its labels in the canonical vocabulary where they are known there.

    Args:
        table: the CSV file; a relative path in it starts at its folder.

    Raises:
        ManifestError: not a readable CSV, a column is missing, or a row lacks a path, label or speaker.
    """
    import pandas as pd

    try:
        found = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ManifestError(f"{table}: cannot be read as CSV ({error})") from error
    if missing := [name for name in REQUIRED if name not in found.columns]:
        raise ManifestError(f"{table}: no column {missing[0]!r}; found {', '.join(found.columns)}")
    rows = []
    for line, cells in enumerate(found.to_dict("records"), start=2):
        if empty := [name for name in REQUIRED if not cells[name].strip()]:
            raise ManifestError(f"{table}, row {line - 1} has no {empty[0]}; fill or remove it")
        path = (table.parent / cells["path"]).resolve()
        rows.append(
            CorpusRow(
                path=str(path),
                utterance_id=cells.get("utterance_id") or path.stem,
                label=canonical(cells["label"]),
                original_label=cells["label"],
                speaker=cells["speaker"].strip(),
                **{name: cells.get(name, "").strip() for name in OPTIONAL},
            )
        )
    return Imported(rows)
