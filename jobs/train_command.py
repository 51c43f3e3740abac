"""`train` as a command: check the words, train."""

from dataclasses import replace
from pathlib import Path

from emoboost.card import VECTORS_OF
from emoboost.checkpoint import ModelFolder, find_model
from emoboost.encoder_source import EncoderSource
from emoboost.errors import UsageError
from emoboost.feature_cache import default_cache
from emoboost.recipe import Recipe, load_recipe
from emoboost.variants import WHOLE, chosen_variant, variant_of
from jobs.exits import Exit
from jobs.failures import told_plainly
from jobs.lab_arguments import encoder_source, parse_seeds
from jobs.train import Origin, TrainOptions, read_notes, train


def train_command(
    *,
    corpus: str,
    output: Path,
    licence: str,
    description: str,
    notes: Path | None,
    variant: str,
    seed: int,
    loso_seeds: str,
    recipe: str,
    label_map: str | None,
    encoder: str | None,
    layers: str,
    alexnet: Path | None,
    base_model: str,
    classifier_only: bool,
    cache: Path | None,
    ray_address: str | None,
) -> Exit:
    """Train a model.

    Raises:
        UsageError: a bad argument, found before any work.
    """
    place = cache or default_cache()
    source, chosen = encoder_source(base_model, encoder, layers, alexnet), load_recipe(recipe)
    name = chosen_variant(variant)
    seeds = parse_seeds(loso_seeds, "--loso-seeds")
    if classifier_only:
        base = find_model(source.model)
        refuse_other_vectors(source, chosen, name, base)
        source, chosen = replace(source, classifier_only=True), chosen.for_vectors_of(base.config)
        # Nothing is random then: every seed gives the same figures.
        name, seeds = variant_of(base.config), seeds[:1]
    options = TrainOptions(
        corpus=corpus,
        output=output,
        origin=Origin(description, licence, read_notes(notes)),
        variant=name,
        seed=seed,
        loso_seeds=seeds,
        recipe=chosen,
        source=source,
        label_map=label_map,
        cache=place,
        ray_address=ray_address,
    )
    with told_plainly(place, "the same command trains again, from the features that are kept"):
        return train(options)


def refuse_other_vectors(source: EncoderSource, recipe: Recipe, variant: str, base: ModelFolder) -> None:
    """Stop where a classifier is asked for alone, and something else would change the vectors that it is for.

    Raises:
        UsageError: another encoder, AlexNet or variant is asked for, the recipe has no closed form, or the vectors of
            `base` are themselves those of another model.
    """
    for option, is_given in (
        ("--encoder", source.encoder is not None),
        ("--layers", bool(source.layers)),
        ("--alexnet", source.alexnet is not None),
        ("--variant", variant != WHOLE),
    ):
        if is_given:
            raise UsageError(f"{option} does not go with --classifier-only: vectors stay those of --base-model")
    if (root := base.config.training.get(VECTORS_OF)) is not None:
        raise UsageError(f"--base-model {base.reference}: reads the vectors of {root}; name that model instead")
    if recipe.shrinkage is None or recipe.tunes:
        raise UsageError(
            f"--classifier-only needs a recipe whose classifier is found in closed form (shrinkage) and that tunes no "
            f"encoder, such as robust; {recipe.name} is none"
        )
