"""`emoboost-batch corpus import`: a published corpus as a manifest."""

from dataclasses import asdict
from pathlib import Path

from emoboost.corpora import IMPORTERS
from emoboost.errors import UsageError
from jobs.exits import Exit


def import_command(corpus: str, folder: Path, output: Path) -> Exit:
    """Write the manifest and say how many rows it has."""
    import pandas as pd

    if corpus not in IMPORTERS:
        raise UsageError(f"{corpus}: no importer for this corpus; there is: {', '.join(IMPORTERS)}")
    if output.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{output}: name a file that ends in .csv or .parquet")
    rows = pd.DataFrame([asdict(row) for row in IMPORTERS[corpus](folder)])
    try:
        if output.suffix == ".csv":
            rows.to_csv(output, index=False)
        else:
            rows.to_parquet(output, index=False)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror or error})") from error
    counts = ", ".join(f"{label} {count}" for label, count in rows["label"].value_counts().sort_index().items())
    print(f"{len(rows)} utterances of {rows['speaker'].nunique()} speakers in {output}: {counts}")
    return Exit.COMPLETE
