"""Recipes: R's numbers, the paper's form, and files that say what differs."""

from pathlib import Path

import pytest
from tiny_model import tiny_config

from emoboost.checkpoint import find_model
from emoboost.config import MfccBranchConfig
from emoboost.errors import UsageError
from emoboost.recipe import Recipe, load_recipe
from emoboost.variants import VARIANTS, variant_of


def test_recipe_r() -> None:
    recipe = load_recipe("r")
    assert recipe == Recipe()
    assert recipe.copies == ("clean", "speed 0.9", "speed 1.1")
    assert (recipe.name, recipe.epochs, recipe.guidance_skip, recipe.patience) == ("r", 3, 0.5, None)
    assert recipe.enhancement.form == "mean_start"


def test_the_paper_has_its_sizes() -> None:
    recipe = load_recipe("paper")
    assert recipe.name == "paper"
    assert recipe.mfcc_branch == MfccBranchConfig(), "2 x 256 on 300 frames"
    assert recipe.enhancement.form == "paper"
    assert recipe.copies == ("clean",)
    assert recipe.patience == 8


def test_robust_sees_copies_and_has_a_closed_form() -> None:
    recipe = load_recipe("robust")
    assert recipe.copies[0] == "clean"
    assert len(recipe.copies) == len(set(recipe.copies)) == 11
    assert (recipe.shrinkage, recipe.loudness, recipe.epochs) == (0.6, 0.1, 1)
    assert recipe.tail == "align"
    config = recipe.head_of(tiny_config())
    assert config.segment.loudness == 0.1
    assert Recipe().head_of(config).segment.loudness is None


def test_the_last_segment_may_end_with_the_utterance(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("tail: align\n")
    config = load_recipe(str(file)).head_of(tiny_config())
    assert config.segment.tail == "align"
    assert Recipe().head_of(config).segment.tail == "pad"


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 5\nclassifier_lr: 1\ncopies: [clean, noise]\nmfcc_branch: {lstm_hidden: 16}\n")
    recipe = load_recipe(str(file))
    assert (recipe.name, recipe.epochs, recipe.classifier_lr) == ("mine", 5, 1.0)
    assert recipe.copies == ("clean", "noise")
    assert recipe.mfcc_branch == MfccBranchConfig(lstm_hidden=16)
    assert recipe.guidance_lr == Recipe().guidance_lr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 5", r"mine\.yaml: unknown key 'epoch'; a recipe has: name, mfcc_branch"),
        ("epochs: many", r"mine\.yaml: epochs: expected int, found 'many'"),
        ("epochs: 0", r"recipe mine: epochs is at least 1; it is 0"),
        ("classifier_lr: -1", r"recipe mine: classifier_lr is not below 0; it is -1\.0"),
        ("shrinkage: 0", r"recipe mine: shrinkage is above 0 and at most 1, or left out; it is 0"),
        ("tail: cut", r"mine\.yaml: tail: 'cut' is none of 'pad', 'align'"),
        ("loudness: 2", r"recipe mine: loudness is above 0 and at most 1, or left out; it is 2"),
        ("copies: [noise]", r"recipe mine: copies starts with the clean copy"),
        ("copies: [clean, loud]", r"copy 'loud': there is no 'loud'; give one of clean, speed"),
        ("- 1", r"mine\.yaml: a recipe is a list of names and values"),
        ("a: [", r"mine\.yaml: not a recipe in YAML"),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_recipe(str(file))


def test_unknown_name() -> None:
    with pytest.raises(
        UsageError, match=r"--recipe best: no such recipe; give one of r, paper, robust, or a YAML file"
    ):
        load_recipe("best")


def test_for_the_vectors_of_a_model_takes_what_makes_them_from_it() -> None:
    config = load_recipe("robust").head_of(find_model().config)
    found = Recipe(name="mine", shrinkage=0.3, patience=2, copies=("clean",)).for_vectors_of(config)
    assert found.head_of(config) == config
    assert (found.name, found.shrinkage, found.copies, found.patience) == ("mine", 0.3, ("clean",), None)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_models_variant_is_found_again(name: str) -> None:
    assert variant_of(VARIANTS[name].change(find_model().config)) == name
