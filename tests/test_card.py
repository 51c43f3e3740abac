"""The model card: every sentence that depends on how the model was trained."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from operator import itemgetter

import numpy as np
import pytest
from reading import REPOSITORY

from emoboost.card import CardFacts, model_card
from emoboost.checkpoint import bundled_models, find_model
from emoboost.recipe import Recipe, load_recipe
from emoboost.variants import VARIANTS

OPTIMISTIC = "was chosen with leave-one-speaker-out results on EMO-DB in view"


def facts_of(results: Mapping[str, Sequence[tuple[int, np.ndarray]]]) -> CardFacts:
    return CardFacts(
        description="acted speech",
        licence="made up",
        notes="",
        utterances=100,
        speakers=5,
        hours=0.5,
        results=results,
    )


def two_classes(wrong: int) -> np.ndarray:
    """Confusion of 100 utterances."""
    return np.array([[50 - wrong, wrong], [0, 50]])


def card_of(recipe: Recipe, shipped: int = 5, alone: int = 5) -> str:
    """The card of a model with so many wrong labels of 100, with guidance and without."""
    config = find_model().config
    results = {"shipped": [(0, two_classes(shipped))], "alone": [(0, two_classes(alone))]}
    training = {"recipe": asdict(recipe), "seed": 0}
    return model_card(replace(config, training=training), facts_of(results))


def flat(card: str) -> str:
    """On one line."""
    return " ".join(card.split())


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_models_card_is_what_the_code_writes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its config keeps WA and UA of each run instead of the confusion that they were counted from."""
    folder = find_model(name)
    training = folder.config.training
    monkeypatch.setattr("emoboost.card.weighted_accuracy", itemgetter("wa"))
    monkeypatch.setattr("emoboost.card.unweighted_accuracy", itemgetter("ua"))
    facts = CardFacts(
        description="EMO-DB, 2-second copy (acted German)",
        licence=training["licence"],
        notes=(REPOSITORY / "docs/bundled-model-notes.md").read_text(encoding="utf-8").strip(),
        utterances=535,
        speakers=10,
        hours=0.3,
        results={
            title: [(run["seed"], run) for run in training["loso"][title]]
            for title in sorted(training["loso"], key=lambda title: "(shipped)" not in title)
        },
    )
    assert model_card(folder.config, facts) == folder.card


def test_a_recipe_of_an_older_version_may_lack_a_number() -> None:
    config, results = find_model().config, {"shipped": [(0, two_classes(5))]}
    older = asdict(load_recipe("robust"))
    del older["enhancement"]["beside"], older["class_weights"]
    older["copies"] = list(older["copies"])
    training = {"recipe": older, "seed": 0}
    assert OPTIMISTIC in flat(model_card(replace(config, training=training), facts_of(results)))


def test_a_fixed_number_of_epochs() -> None:
    text = flat(card_of(Recipe()))
    assert "5 folds, a fixed number of epochs, no epoch chosen on a test speaker; pooled" in text
    assert "early stopping" not in text


def test_what_becomes_of_the_last_segment() -> None:
    config, facts = find_model().config, facts_of({"shipped": [(0, two_classes(5))]})
    padded, aligned = (
        flat(model_card(replace(config, segment=replace(config.segment, tail=tail)), facts))
        for tail in ("pad", "align")
    )
    assert "3-second segments, zero-padded; an utterance's probabilities" in padded
    assert "3-second segments, the last of which ends where the utterance does" in aligned
    assert "zero-padded; an utterance's" not in aligned


def test_early_stopping() -> None:
    text = flat(card_of(load_recipe("paper")))
    assert "a fixed number of epochs" not in text
    assert (
        "5 folds, the epoch of each training chosen by early stopping on one training speaker, who was not trained on, "
        "never on a test speaker (the shipped head was trained on all speakers for all 100 epochs, which these figures "
        "do not measure); pooled"
    ) in text


@pytest.mark.parametrize("recipe", [load_recipe("paper"), Recipe(name="mine"), Recipe(epochs=5)])
def test_only_the_built_in_recipes_were_chosen_on_emodb(recipe: Recipe) -> None:
    assert OPTIMISTIC in flat(card_of(Recipe()))
    assert OPTIMISTIC in flat(card_of(load_recipe("robust")))
    assert OPTIMISTIC not in flat(card_of(recipe))


@pytest.mark.parametrize(("shipped", "alone"), [(0, 0), (0, 1), (1, 0), (50, 50), (5, 5), (5, 8)])
def test_no_claim_within_the_error(shipped: int, alone: int) -> None:
    text = card_of(Recipe(), shipped, alone)
    assert text.count("**no difference can be claimed**") == 1
    assert "more than chance" not in text
    assert "is 0.0 points" not in text


@pytest.mark.parametrize(("shipped", "alone", "shown"), [(5, 30, "+25.0"), (30, 5, "-25.0"), (0, 20, "+20.0")])
def test_a_claim_beyond_it(shipped: int, alone: int, shown: str) -> None:
    assert f"{shown} points of WA, **more than chance explains**" in card_of(Recipe(), shipped, alone)


def test_without_runs_nothing_was_fitted() -> None:
    config = find_model().config
    text = model_card(replace(config, temperature=1.0, training={**config.training}), facts_of({}))
    assert "| temperature | 1.000, not fitted: there were no leave-one-speaker-out runs to fit it on |" in text
    assert "runs below" not in text
    assert "Not measured" in text
    assert "scores that were never calibrated" in text
    assert "calibrated on the training corpus" not in text
    assert "runs below |" in card_of(Recipe())


@pytest.mark.parametrize(
    ("variant", "says", "parts"),
    [
        ("both", "MS-EmoBoost (Song et al., Scientific Reports 15:21607, 2025) on ", ("AlexNet (I", "Bi-LSTM")),
        ("mfcc", "15:21607, 2025) without its spectrogram on ", ("Bi-LSTM",)),
        ("spectrogram", "15:21607, 2025) without its MFCCs on ", ("AlexNet (I",)),
        ("no-attention", "15:21607, 2025) without its attention on ", ("AlexNet (I", "Bi-LSTM")),
        ("encoder", "The encoder alone, without the guidance of MS-EmoBoost (Song et al.,", ()),
    ],
)
def test_names_what_a_variant_lacks(variant: str, says: str, parts: tuple[str, ...]) -> None:
    config = VARIANTS[variant].change(find_model().config)
    text = flat(model_card(config, facts_of({})))
    assert says in text
    assert [part for part in ("AlexNet (I", "Bi-LSTM") if part in text] == list(parts)


def test_one_seed_has_no_mean() -> None:
    text = flat(card_of(Recipe()))
    assert "; seed 0." in text
    assert "in brackets" not in text
    assert "| shipped | **95.0** | **95.0** |" in text


def test_a_classifier_alone_says_whose_vectors_it_reads_and_no_epoch() -> None:
    config, results = find_model().config, {"shipped": [(0, two_classes(5))]}
    training = {"recipe": asdict(load_recipe("robust")), "seed": 0, "vectors_of": "other@0123"}
    card = flat(model_card(replace(config, training=training), facts_of(results)))
    assert "| recipe | copies and shrinkage of robust, classifier in closed form |" in card
    assert "| vectors | those of other@0123; only the classifier was trained |" in card
    assert "## Results on speakers its classifier never heard" in card
    assert "the vectors are those of other@0123, which may have heard the speakers" in card
    assert "epoch" not in card
