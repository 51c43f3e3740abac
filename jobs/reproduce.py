"""`emoboost-batch reproduce`: the experiments of a table of the paper, strictly and as the paper does them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoboost.atomic import write_whole
from emoboost.backbone.hub import find_encoder
from emoboost.encoder_source import EncoderSource
from emoboost.errors import UsageError
from emoboost.feature_cache import default_cache
from emoboost.printable import printable
from emoboost.recipe import load_recipe
from emoboost.report import REPORT_FILE, encoders_table, markdown_table
from emoboost.report.blocks import Table
from emoboost.report.tables import Figures, attention_table, guidance_table, systems_table
from jobs.console import tell
from jobs.evaluate import EvaluateOptions, evaluate
from jobs.exits import Exit
from jobs.failures import RESUME, told_plainly
from jobs.lab_arguments import encoder_source, parse_seeds

PROTOCOLS = ("loso", "paper")
VARIANTS = {
    "table2": ("both", "encoder"),
    "table3": ("both", "spectrogram", "mfcc", "encoder"),
    "table4": ("both", "no-attention", "encoder"),
    "table5": ("both", "encoder"),
}
LAYOUTS: Mapping[str, Callable[[Figures], Table]] = {
    "table2": systems_table,
    "table3": guidance_table,
    "table4": attention_table,
}
"""Of the tables that are made for each protocol."""
EVALUATION_KEYS = ("corpus", "manifest", "encoder", "protocol", "protocol_description", "leaky", "seeds", "interval")
VARIANT_KEYS = ("wa", "wa_interval", "ua", "ua_interval", "macro_f1", "macro_f1_interval", "parameters", "difference")


@dataclass(frozen=True)
class Experiment:
    """One evaluation of a table."""

    folder: str
    protocol: str
    source: EncoderSource


def reproduce_command(
    table: str,
    corpus: str,
    output: Path,
    *,
    seeds: str,
    recipe: str,
    encoders: str,
    resume: bool,
    cache: Path | None,
    ray_address: str | None,
) -> Exit:
    """Run the experiments one after the other, write `OUTPUT/<table>.md`, `<table>.json` and a report folder for each.

    Raises:
        UsageError: a bad argument, found before any work; for table5 also an encoder that cannot be had.
    """
    experiments = experiments_of(table, encoders)
    numbers, rules = parse_seeds(seeds, "--seeds"), load_recipe(recipe)
    if not numbers:
        raise UsageError("--seeds is empty; give at least one, as in 0,1,2")
    for experiment in experiments:
        folder = output / experiment.folder
        with told_plainly(folder, RESUME):
            evaluate(
                EvaluateOptions(
                    corpus=corpus,
                    output=folder,
                    protocol=experiment.protocol,
                    seeds=numbers,
                    variants=VARIANTS[table],
                    recipe=rules,
                    source=experiment.source,
                    calibrate=False,
                    resume=resume,
                    cache=cache or default_cache(),
                    ray_address=ray_address,
                )
            )
    tell(write_table(table, [output / experiment.folder for experiment in experiments], output))
    tell(f"Reports  {printable(output)}")
    return Exit.COMPLETE


def write_table(table: str, reports: Sequence[Path], output: Path) -> str:
    """Write `<table>.md` and `<table>.json` from the report folders of its experiments; what the first one says."""
    found = [json.loads((report / REPORT_FILE).read_text(encoding="utf-8")) for report in reports]
    text = f"# {table} on {found[0]['corpus']}\n\n{tables_of(table, found)}\n"
    write_whole(output / f"{table}.md", text.encode())
    numbers = {"table": table, "evaluations": [_numbers(table, figures) for figures in found]}
    content = json.dumps(numbers, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(output / f"{table}.json", f"{content}\n".encode())
    return text


def experiments_of(table: str, encoders: str) -> list[Experiment]:
    """Both protocols, for table5 with each encoder.

    Raises:
        UsageError: an encoder that cannot be had.
    """
    if table != "table5":
        return [Experiment(protocol, protocol, EncoderSource()) for protocol in PROTOCOLS]
    names = [name.strip() for name in encoders.split(",") if name.strip()]
    if not names:
        raise UsageError("--encoders is empty; give hub ids or folders, separated by commas")
    for name in names:
        find_encoder(name, None)
    sources = {name: encoder_source(EncoderSource().model, name, "", None) for name in names}
    return [
        Experiment(f"{protocol}-{re.sub(r'[^A-Za-z0-9.]+', '-', Path(name).name)}", protocol, source)
        for name, source in sources.items()
        for protocol in PROTOCOLS
    ]


def tables_of(table: str, found: Sequence[Figures]) -> str:
    """The table, for each protocol where it does not have a column of its own; `found` holds each report.json."""
    if table == "table5":
        return markdown_table(encoders_table(found))
    parts = []
    for figures in found:
        leaky = " (LEAKY)" if figures["leaky"] else ""
        parts.append(f"## {figures['protocol']}{leaky}\n\n{markdown_table(LAYOUTS[table](figures))}")
    return "\n\n".join(parts)


def _numbers(table: str, figures: Figures) -> dict[str, Any]:
    numbers = {key: figures[key] for key in EVALUATION_KEYS}
    numbers["variants"] = {
        title: {key: variant[key] for key in VARIANT_KEYS} for title, variant in figures["variants"].items()
    }
    return numbers | ({"systems": figures["systems"]} if table == "table2" else {})
