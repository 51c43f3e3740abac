"""`evaluate` as a command: check the words, evaluate, print what the report says first."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from emoboost.conditions import parse_conditions
from emoboost.enrolment import parse_adapt
from emoboost.errors import UsageError
from emoboost.feature_cache import default_cache
from emoboost.folds import PROTOCOLS
from emoboost.ledger import refuse_inside
from emoboost.printable import printable
from emoboost.recipe import load_recipe
from emoboost.report import REPORT_FILE
from emoboost.storage import Folder
from emoboost.variants import chosen_variants
from jobs.console import tell
from jobs.evaluate import EvaluateOptions, evaluate
from jobs.exits import Exit
from jobs.failures import RESUME, told_plainly
from jobs.lab_arguments import encoder_source, parse_seeds
from jobs.score_model import ScoreOptions, score_model

VOID = {
    "model": (
        *("protocol", "folds", "train_on", "seeds", "variants", "recipe"),
        *("encoder", "layers", "alexnet", "calibrate", "keep_checkpoints", "resume"),
    ),
    "train_on": ("protocol", "folds"),
}
"""Option -> options that have no meaning beside it."""
ADAPTED = "Adapted to the speaker by so many of his utterances, a protocol of its own:"


def evaluate_command(
    *,
    given: Collection[str],
    corpus: str,
    output: Path,
    protocol: str,
    folds: int,
    seeds: str,
    variants: str,
    recipe: str,
    model: str | None,
    train_on: str | None,
    label_map: str | None,
    encoder: str | None,
    layers: str,
    alexnet: Path | None,
    base_model: str,
    calibrate: bool,
    keep_checkpoints: bool,
    conditions: str | None,
    adapt: str | None,
    resume: bool,
    cache: Path | None,
    ray_address: str | None,
    as_json: bool,
) -> Exit:
    """Evaluate a protocol, or a fixed model; print the figures.

    Args:
        given: names of the options that stand on the command line; the other arguments are their values.

    Raises:
        UsageError: a bad argument, found before any work.
    """
    refuse_output(output)
    refuse_unused(given)
    place = cache or default_cache()
    tried = () if conditions is None else parse_conditions(conditions)
    adapted = () if adapt is None else parse_adapt(adapt)
    with told_plainly(output, RESUME):
        if model is not None:
            score_model(
                ScoreOptions(
                    corpus=corpus,
                    model=model,
                    output=output,
                    label_map=label_map,
                    conditions=tried,
                    cache=place,
                    ray_address=ray_address,
                )
            )
            show(output, as_json=as_json)
            return Exit.COMPLETE
        if protocol not in PROTOCOLS:
            raise UsageError(f"--protocol {protocol}: there is {', '.join(PROTOCOLS)}")
        chosen = parse_seeds(seeds, "--seeds")
        if not chosen:
            raise UsageError("--seeds is empty; give at least one, as in 0,1,2")
        evaluate(
            EvaluateOptions(
                corpus=corpus,
                output=output,
                protocol=protocol,
                k=folds,
                seeds=chosen,
                variants=chosen_variants(variants),
                recipe=load_recipe(recipe),
                source=encoder_source(base_model, encoder, layers, alexnet),
                label_map=label_map,
                train_on=train_on,
                calibrate=calibrate,
                keep_checkpoints=keep_checkpoints,
                conditions=tried,
                adapt=adapted,
                resume=resume,
                cache=place,
                ray_address=ray_address,
            )
        )
    show(output, as_json=as_json)
    return Exit.COMPLETE


def show(output: Path, *, as_json: bool) -> None:
    """Print what the report says first."""
    figures: dict[str, Any] = json.loads((output / REPORT_FILE).read_text(encoding="utf-8"))
    if as_json:
        print(json.dumps(figures))
        return
    if figures["leaky"]:
        tell("LEAKY: training has seen what is tested here; the figures are too good for unknown speech.")
    width = max(map(len, figures["variants"]))
    count = len(figures["seeds"])
    seeds = "one seed" if count == 1 else f"mean of {count} seeds"
    tell(f"{'':<{width}}     WA     UA   (pooled over all test utterances, {seeds})")
    for title, variant in figures["variants"].items():
        tell(f"{title:<{width}} {variant['wa']:6.1%} {variant['ua']:6.1%}")
    if any(variant["adapted"] for variant in figures["variants"].values()):
        tell(ADAPTED)
    for title, variant in figures["variants"].items():
        for enrolled, adapted in variant["adapted"].items():
            unadapted = f"unadapted UA {adapted['unadapted']['ua']:.1%}, enrolment: {enrolled}"
            tell(f"{title:<{width}} {adapted['wa']:6.1%} {adapted['ua']:6.1%}   {unadapted}")
    tell(f"Report   {printable(output / 'report.html')}")


def refuse_unused(given: Collection[str]) -> None:
    """Stop when an option was given that another one makes void.

    Args:
        given: names of the command line's options, as in `train_on`.

    Raises:
        UsageError: there is one.
    """
    if {"model", "adapt"} <= set(given):
        raise UsageError(
            "--adapt cannot be used with --model; adapt the labels of an output with relabel --adapt, or train, as "
            "with --train-on"
        )
    for option, void in VOID.items():
        if option in given and (unused := [name for name in void if name in given]):
            names = [f"--{name.replace('_', '-')}" for name in (unused[0], option)]
            raise UsageError(f"{names[0]} has no meaning with {names[1]}; leave one of them out")


def refuse_output(output: Path) -> None:
    """Stop when the report folder cannot be one.

    Raises:
        UsageError: there is a file of that name.
        OutputError: it would lie in an output.
    """
    refuse_inside(Folder.at(output))
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output}: is not a folder; choose another")
