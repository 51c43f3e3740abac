"""`train` as a command: check the words, train."""

from pathlib import Path

from emoboost.feature_cache import default_cache
from emoboost.recipe import load_recipe
from emoboost.variants import chosen_variant
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
    cache: Path | None,
    ray_address: str | None,
) -> Exit:
    """Train a model.

    Raises:
        UsageError: a bad argument, found before any work.
    """
    place = cache or default_cache()
    options = TrainOptions(
        corpus=corpus,
        output=output,
        origin=Origin(description, licence, read_notes(notes)),
        variant=chosen_variant(variant),
        seed=seed,
        loso_seeds=parse_seeds(loso_seeds, "--loso-seeds"),
        recipe=load_recipe(recipe),
        source=encoder_source(base_model, encoder, layers, alexnet),
        label_map=label_map,
        cache=place,
        ray_address=ray_address,
    )
    with told_plainly(place, "the same command trains again, from the features that are kept"):
        return train(options)
