"""The paper's Table 5: several encoders, each with and without guidance."""

from collections.abc import Iterable, Mapping
from typing import Any

from emoboost.report.blocks import Table
from emoboost.report.figures import BASELINE
from emoboost.report.wording import percent, points, points_span, yes_no


def encoders_rows(evaluations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row an evaluation: its first variant (`with`), the encoder alone (`without`), the gain with its interval.

    Args:
        evaluations: content of each report.json.
    """
    rows = []
    for figures in evaluations:
        headline = figures["variants"][figures["variant"]]
        alone = figures["variants"].get(BASELINE)
        rows.append(
            {
                "encoder": figures["encoder"],
                "corpus": figures["corpus"],
                "protocol": figures["protocol"],
                "leaky": figures["leaky"],
                "seeds": figures["seeds"],
                "variant": figures["variant"],
                "without": alone and {"wa": alone["wa"], "ua": alone["ua"]},
                "with": {"wa": headline["wa"], "ua": headline["ua"]},
                "gain": headline["difference"],
            }
        )
    return rows


def encoders_table(evaluations: Iterable[Mapping[str, Any]]) -> Table:
    """The same rows as a table, for `markdown_table` and `html_table`."""
    cells = []
    for row in encoders_rows(evaluations):
        without, gain = row["without"] or {}, row["gain"] or {}
        cells.append(
            [
                row["encoder"],
                row["corpus"],
                row["protocol"],
                yes_no(row["leaky"]),
                row["variant"],
                percent(without.get("wa")),
                percent(row["with"]["wa"]),
                points(gain.get("wa")),
                points_span(gain.get("wa_interval")),
                percent(without.get("ua")),
                percent(row["with"]["ua"]),
                points(gain.get("ua")),
                points_span(gain.get("ua_interval")),
            ]
        )
    head = ["encoder", "corpus", "protocol", "leaky", "variant"]
    for name in ("WA", "UA"):
        head += [f"{name} alone (%)", f"{name} with (%)", f"{name} gain (points)", "95 % interval"]
    return Table("Table 5 of the paper: other encoders, with and without guidance", head, cells, texts=5)
