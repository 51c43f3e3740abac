"""The tables of a report, from the content of report.json."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from emoboost.report.blocks import Table
from emoboost.report.figures import BASELINE, OWN
from emoboost.report.wording import (
    NOTHING,
    PAPER_NAMES,
    number,
    percent,
    points,
    points_span,
    probability,
    span,
    yes_no,
)

Figures = Mapping[str, Any]
INTERVAL = "95 % interval"
MOST_SPEAKERS = 100


def in_papers_order(variants: Mapping[str, Figures]) -> dict[str, Figures]:
    """What tables call each variant -> its figures; a variant that the paper does not have keeps its title, at the end.

    >>> list(in_papers_order({"mine": {}, "both": {}, "encoder alone": {}}))
    ['encoder alone', '+ both (MS-EmoBoost)', 'mine']
    """
    known = {name: variants[title] for title, name in PAPER_NAMES.items() if title in variants}
    return known | {title: variant for title, variant in variants.items() if title not in PAPER_NAMES}


def headline_table(figures: Figures) -> Table:
    """WA, UA and macro-F1 with intervals, and what no skill would reach."""
    chance = figures["chance"]
    rows = [
        ["WA: accuracy, pooled", percent(figures["wa"]), span(figures["wa_interval"])],
        ["UA: mean recall of the classes, pooled", percent(figures["ua"]), span(figures["ua_interval"])],
        ["macro-F1, pooled", percent(figures["macro_f1"]), span(figures["macro_f1_interval"])],
        ["UA by chance", percent(chance["ua"]), NOTHING],
        [f"WA of always answering {chance['majority_class']}", percent(chance["majority_wa"]), NOTHING],
    ]
    return Table(f"{figures['variant']}, mean over seeds", ["", "%", f"{INTERVAL} (%)"], rows)


def setup_table(figures: Figures) -> Table:
    """What was measured on what."""
    rows = [
        ["corpus", figures["corpus"]],
        ["protocol", f"{figures['protocol']}: {figures['protocol_description']}"],
        ["leaky", "true" if figures["leaky"] else "false"],
        ["folds", f"{len(figures['folds'])}"],
        ["seeds", ", ".join(map(str, figures["seeds"]))],
        ["test utterances", f"{figures['utterances']:,} of {len(figures['speakers'])} speakers"],
    ]
    return Table("What was tested", ["", ""], rows, texts=2)


def variants_table(figures: Figures) -> Table:
    """The paper's Tables 3 and 4: with and without the two kinds of guidance, and without attention."""
    return _variants_table("Tables 3 and 4 of the paper: what each part brings", in_papers_order(figures["variants"]))


def guidance_table(figures: Figures) -> Table:
    """The paper's Table 3."""
    shown = {title: figures["variants"][title] for title in ("encoder alone", "mfcc", "spectrogram", "both")}
    return _variants_table("Table 3 of the paper: what each kind of guidance brings", in_papers_order(shown))


def attention_table(figures: Figures) -> Table:
    """The paper's Table 4."""
    shown = {title: figures["variants"][title] for title in ("both", "both, no attention")}
    return _variants_table("Table 4 of the paper: with and without attention", in_papers_order(shown))


def _variants_table(caption: str, variants: Mapping[str, Figures]) -> Table:
    rows = [
        [
            name,
            percent(variant["wa"]),
            span(variant["wa_interval"]),
            percent(variant["ua"]),
            span(variant["ua_interval"]),
            percent(variant["macro_f1"]),
            span(variant["macro_f1_interval"]),
            NOTHING if variant["parameters"] is None else f"{variant['parameters']:,}",
        ]
        for name, variant in variants.items()
    ]
    head = ["variant", "WA (%)", INTERVAL, "UA (%)", INTERVAL, "macro-F1 (%)", INTERVAL, "trained parameters"]
    return Table(f"{caption}, pooled, mean over seeds", head, rows)


def differences_table(figures: Figures) -> Table:
    """What each variant of the same tables gains over the encoder alone."""
    rows = [
        [
            name,
            points(difference["wa"]),
            points_span(difference["wa_interval"]),
            points(difference["ua"]),
            points_span(difference["ua_interval"]),
            " / ".join(map(probability, difference["mcnemar_p"])),
        ]
        for name, variant in in_papers_order(figures["variants"]).items()
        if (difference := variant["difference"]) is not None
    ]
    head = ["variant", "WA (points)", INTERVAL, "UA (points)", INTERVAL, "McNemar p, each seed"]
    return Table(f"Tables 3 and 4 of the paper: difference from {BASELINE}", head, rows)


def systems_table(figures: Figures) -> Table:
    """The paper's Table 2: against other systems, each with its protocol."""
    rows = [
        [
            row["system"],
            row["protocol"],
            yes_no(row["leaky"]),
            row["source"],
            "not stated" if row["classes"] is None else str(row["classes"]),
            *_as_published(row),
        ]
        for row in figures["systems"]
    ]
    head = ["system", "protocol", "leaky", "source", "classes", "WA (%)", "UA (%)"]
    return Table("Table 2 of the paper: other systems on this corpus", head, rows, texts=4)


def _as_published(row: Mapping[str, Any]) -> list[str]:
    """WA and UA with the digits that the source gives, at most two."""
    if row["source"] == OWN:
        return [percent(row["wa"]), percent(row["ua"])]
    return [NOTHING if value is None else f"{round(100 * value, 2)}" for value in (row["wa"], row["ua"])]


def recall_table(figures: Figures) -> Table:
    """Recall of each class, for every variant."""
    variants = in_papers_order(figures["variants"])
    rows = [
        [name, f"{count:,}", *(percent(variant["recall"][name]) for variant in variants.values())]
        for name, count in figures["classes"].items()
    ]
    rows.append(["UA: their mean", f"{figures['utterances']:,}", *(percent(v["ua"]) for v in variants.values())])
    return Table("Recall of each class (%), pooled, mean over seeds", ["class", "utterances", *variants], rows)


def pooling_table(figures: Figures) -> Table:
    """Pooled figures beside the mean and standard deviation over folds, which are others."""
    rows = []
    for name, variant in in_papers_order(figures["variants"]).items():
        folds = variant["per_fold"]
        cells = [
            cell
            for key in ("wa", "ua", "macro_f1")
            for cell in (percent(variant[key]), f"{percent(folds[f'{key}_mean'])} ± {percent(folds[f'{key}_std'])}")
        ]
        rows.append([name, *cells])
    head = ["variant"]
    for name in ("WA", "UA", "macro-F1"):
        head += [f"{name} pooled (%)", f"{name} mean of folds ± std (%)"]
    return Table("Pooled over all utterances, and the mean of the folds", head, rows)


def folds_table(figures: Figures) -> Table:
    """Each fold of the first variant."""
    rows = [
        [row["fold"], f"{row['utterances']:,}", percent(row["wa"]), percent(row["ua"]), percent(row["macro_f1"])]
        for row in figures["variants"][figures["variant"]]["per_fold"]["folds"]
    ]
    head = ["fold", "utterances", "WA (%)", "UA (%)", "macro-F1 (%)"]
    return Table(f"Each fold, {figures['variant']}, mean over seeds", head, rows)


def adapted_table(figures: Figures) -> Table:
    """Every variant under every way to adapt, beside the unadapted labels of the same test utterances."""
    rows = [
        [
            name,
            found_name,
            f"{found['utterances']:,.0f}",
            percent(found["wa"]),
            percent(found["ua"]),
            span(found["ua_interval"]),
            percent(found["unadapted"]["ua"]),
            points(found["difference"]["ua"]),
            points_span(found["difference"]["ua_interval"]),
        ]
        for name, variant in in_papers_order(figures["variants"]).items()
        for found_name, found in variant["adapted"].items()
    ]
    head = ["variant", "enrolment", "tested", "WA (%)", "UA (%)", INTERVAL, "unadapted UA (%)", "UA (points)", INTERVAL]
    return Table("Adapted to the speaker, mean over seeds and draws", head, rows, texts=2)


def robustness_table(figures: Figures) -> Table:
    """The first variant under every condition that was tried."""
    variant = figures["variants"][figures["variant"]]
    unchanged = [percent(variant["wa"]), percent(variant["ua"]), span(variant["ua_interval"])]
    rows = [["as it is", *unchanged, NOTHING, NOTHING, NOTHING]]
    rows += [
        [
            name,
            percent(found["wa"]),
            percent(found["ua"]),
            span(found["ua_interval"]),
            points(found["difference"]["ua"]),
            points_span(found["difference"]["ua_interval"]),
            percent(found["changed"]),
        ]
        for name, found in variant["robustness"].items()
    ]
    head = ["test speech", "WA (%)", "UA (%)", INTERVAL, "UA (points)", INTERVAL, "labels changed (%)"]
    return Table(f"{figures['variant']}, mean over seeds", head, rows)


def speakers_table(figures: Figures) -> Table:
    """Each test speaker of the first variant; of very many, those with the lowest WA."""
    found = figures["variants"][figures["variant"]]["per_speaker"]
    which = "Each speaker"
    if len(found) > MOST_SPEAKERS:
        which = f"The {MOST_SPEAKERS} of {len(found):,} speakers with the lowest WA"
        found = sorted(found, key=itemgetter("wa"))[:MOST_SPEAKERS]
    rows = [[row["speaker"], f"{row['utterances']:,}", percent(row["wa"]), percent(row["ua"])] for row in found]
    head = ["speaker", "utterances", "WA (%)", "UA (%)"]
    return Table(f"{which}, {figures['variant']}, mean over seeds", head, rows)


def seeds_table(figures: Figures) -> Table:
    """Each seed of every variant."""
    rows = [
        [name, str(run["seed"]), percent(run["wa"]), percent(run["ua"]), percent(run["macro_f1"])]
        for name, variant in in_papers_order(figures["variants"]).items()
        for run in variant["seeds"]
    ]
    return Table("Each seed, pooled", ["variant", "seed", "WA (%)", "UA (%)", "macro-F1 (%)"], rows)


def calibration_table(figures: Figures) -> Table:
    """Expected calibration error of every variant."""
    rows = [
        [
            name,
            percent(variant["calibration"]["before"]["ece"]),
            percent((variant["calibration"]["after"] or {}).get("ece")),
        ]
        for name, variant in in_papers_order(figures["variants"]).items()
    ]
    head = ["variant", "before temperature (%)", "after (%)"]
    return Table("Expected calibration error, 10 bins, mean over seeds", head, rows)


def risk_table(figures: Figures) -> Table:
    """Error rate among the most confident labels, for some shares of them."""
    found = figures["variants"][figures["variant"]]["risk_coverage"]
    after = found["after"]["points"] if found["after"] else [None] * len(found["before"]["points"])
    rows = [
        [percent(point["coverage"]), percent(point["risk"]), percent(calibrated and calibrated["risk"])]
        for point, calibrated in zip(found["before"]["points"], after, strict=True)
    ]
    head = ["labels kept (%)", "wrong among them (%)", "after temperature (%)"]
    return Table(f"Risk and coverage, {figures['variant']}, mean over seeds", head, rows, texts=0)


def errors_table(figures: Figures) -> Table:
    """The wrong labels that were given with most confidence."""
    rows = [
        [row["utterance_id"], row["speaker"], row["truth"], row["label"], percent(row["confidence"])]
        for row in figures["errors"]
    ]
    head = ["utterance", "speaker", "true class", "label", "confidence (%)"]
    return Table(f"Most confident errors, {figures['variant']}, seed {figures['seeds'][0]}", head, rows, texts=4)


def recipe_table(figures: Figures) -> Table:
    """Every number of the recipe."""
    rows = [[name, number(value)] for name, value in figures["recipe"].items()]
    return Table(f"Recipe {figures['recipe']['name']}", ["number", "value"], rows, texts=2)


def provenance_table(figures: Figures) -> Table:
    """What made the figures."""
    rows = [
        ["manifest", figures["manifest"]["path"]],
        ["manifest, SHA-256", figures["manifest"]["sha256"]],
        ["audio", f"{figures['hours']:.2f} h"],
        ["encoder", figures["encoder"] or NOTHING],
        ["model", figures["model"] or "trained for this evaluation"],
        *([f"version of {name}", found] for name, found in figures["versions"].items()),
    ]
    return Table("Where the figures come from", ["", ""], rows, texts=2)
