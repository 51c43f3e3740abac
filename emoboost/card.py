"""The model card: what a model is, how well it does on speakers it never heard, and what it must not be used for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emoboost.config import ModelConfig
from emoboost.metrics import unweighted_accuracy, weighted_accuracy
from emoboost.recipe import load_recipe

CONFUSION_PICTURE = "confusion.png"
CHOSEN_ON_EMODB = ("r", "robust")
"""Our recipes whose numbers were chosen with results on EMO-DB in view."""
VECTORS_OF = "vectors_of"
"""In `ModelConfig.training`: identity of the model on whose vectors a classifier alone was trained; else missing."""
CALIBRATION = "## Calibration on own speech"
"""Heading of the last section of a calibrated model's card."""


@dataclass(frozen=True)
class CardFacts:
    """What the card tells beside the config."""

    description: str
    """The training corpus in a few words."""
    licence: str
    """Of the corpus, with its source."""
    notes: str
    """What else limits the model, as a Markdown list; may be empty."""
    utterances: int
    speakers: int
    hours: float
    results: Mapping[str, Sequence[tuple[int, np.ndarray]]]
    """Variant -> (seed, confusion counts) of each leave-one-speaker-out run; the first variant is the shipped one."""


def model_card(config: ModelConfig, facts: CardFacts) -> str:
    """The card in Markdown."""
    sections = [
        f"# {config.name}",
        _what(config, facts),
        _results(config, facts),
        _limits(config, facts),
        _law(),
        _licences(config, facts),
    ]
    return "\n\n".join(sections) + "\n"


def calibrated_card(card: str, config: ModelConfig) -> str:
    """The card of a model that was calibrated on a user's own speech: that of the model before, with a section more.

    Args:
        card: of the model before; may be empty, or have such a section already, which is replaced.
        config: of the calibrated model; its `training` holds `calibration`.
    """
    kept = card.partition(f"\n\n{CALIBRATION}\n")[0].strip()
    _, _, body = kept.partition("\n") if kept.startswith("# ") else ("", "", kept)
    sections = [f"# {config.name}", body.strip(), _calibration(config)]
    return "\n\n".join(filter(None, sections)) + "\n"


def _calibration(config: ModelConfig) -> str:
    facts = config.training["calibration"]
    rows = [
        f"| {title} | {before[key]:{form}} | {after[key]:{form}} |"
        for before, after in [(facts["before"], facts["after"])]
        for title, key, form in (
            ("NLL (nats)", "nll", ".3f"),
            ("ECE", "ece", ".1%"),
            ("UA (mean recall)", "ua", ".1%"),
        )
    ]
    labels = ", ".join(f"{name} {count}" for name, count in facts["labels"].items())
    biases = ", ".join(f"{name} {each:+.2f}" for name, each in zip(config.classes, config.bias, strict=True))
    verdict = "It helps on speech that it was not fitted on."
    if not facts["after"]["nll"] < facts["before"]["nll"]:
        verdict = "**It does not help on speech that it was not fitted on**, and was written all the same (`--anyway`)."
    return f"""\
{CALIBRATION}

The weights are those of {facts["model"]}. Its temperature was replaced, and a bias for each class added,
so that the numbers are probabilities on speech like this:
{config.calibrated_on}.
What this card says above of temperature, scores and results is about the model before.

| | |
|---|---|
| labelled utterances | {facts["utterances"]}{", weighted" if facts["weighted"] else ""}: {labels} |
| temperature | {config.temperature:.3f} |
| bias | {biases} |

{verdict}
Cross-validated, {facts["folds"]} folds that share no {facts["apart"]}:

| | before | after |
|---|---|---|
{chr(10).join(rows)}"""


def _what(config: ModelConfig, facts: CardFacts) -> str:
    layers = ", ".join(map(str, config.backbone.layers))
    fitted = "fitted on the held-out logits of the runs below"
    if not facts.results:
        fitted = "not fitted: there were no leave-one-speaker-out runs to fit it on"
    return f"""\
{_kind(config)}on {config.backbone.source}, hidden states {layers}
(weights embedded, frozen){_guidance(config)}.
Input: 16 kHz mono, 3-second segments, {_last_segment(config)};
an utterance's probabilities are the mean of its segments'.

| | |
|---|---|
| classes | {", ".join(config.classes)} |
| training data | {facts.description}: {facts.utterances} utterances, {facts.speakers} speakers, {facts.hours:.2f} h |
{_recipe(config.training)}
| temperature | {config.temperature:.3f}, {fitted} |"""


def _recipe(training: Mapping[str, Any]) -> str:
    """Rows of the table."""
    recipe = training["recipe"]
    if VECTORS_OF in training:
        return f"""\
| recipe | copies and shrinkage of {recipe["name"]}, classifier in closed form |
| vectors | those of {training[VECTORS_OF]}; only the classifier was trained |"""
    return (
        f"| recipe | {recipe['name']}, {_epoch_count(recipe['epochs'])}, seed {training['seed']} (the seed was not "
        "chosen by its result) |"
    )


def _last_segment(config: ModelConfig) -> str:
    if config.segment.tail == "align":
        return "the last of which ends where the utterance does (a shorter utterance is zero-padded)"
    return "zero-padded"


def _kind(config: ModelConfig) -> str:
    paper = "MS-EmoBoost (Song et al., Scientific Reports 15:21607, 2025)"
    missing = [
        name
        for name, is_there in (
            ("spectrogram", config.spectrogram_branch is not None),
            ("MFCCs", config.mfcc_branch is not None),
            ("attention", config.enhancement.attention),
        )
        if not is_there
    ]
    if missing[:2] == ["spectrogram", "MFCCs"]:
        return f"The encoder alone, without the guidance of {paper},\n"
    return f"{paper} without its {' and '.join(missing)}\n" if missing else f"{paper} "


def _guidance(config: ModelConfig) -> str:
    parts = []
    if config.spectrogram_branch is not None:
        parts.append("AlexNet (ImageNet weights, frozen) over the log spectrogram")
    if config.mfcc_branch is not None:
        parts.append("a Bi-LSTM over MFCCs")
    return f", with {' and '.join(parts)}" if parts else ", the mean over its frames"


def _results(config: ModelConfig, facts: CardFacts) -> str:
    if not facts.results:
        return "## Results\n\nNot measured: the model was trained without leave-one-speaker-out runs."
    rows = [
        f"| {variant} | {_percent(runs, weighted_accuracy)} | {_percent(runs, unweighted_accuracy)} |"
        for variant, runs in facts.results.items()
    ]
    recipe = config.training["recipe"]
    who = "its classifier" if VECTORS_OF in config.training else "it"
    return f"""\
## Results on speakers {who} never heard

Strict leave-one-speaker-out on the training corpus: {facts.speakers} folds, {_epochs(config.training)}; \
pooled over all utterances; {_seeds(facts)}.{_choice(recipe)}

| | WA (accuracy) | UA (mean recall) |
|---|---|---|
{chr(10).join(rows)}

{_comparison(facts)}

![confusion matrix, leave-one-speaker-out]({CONFUSION_PICTURE})"""


def _seeds(facts: CardFacts) -> str:
    seeds = [str(seed) for seed, _ in next(iter(facts.results.values()))]
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"mean of seeds {', '.join(seeds)}, each seed's figure in brackets"


def _epoch_count(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _epochs(training: Mapping[str, Any]) -> str:
    """How many there were, and what chose them."""
    if VECTORS_OF in training:
        return (
            f"the classifier alone;\nthe vectors are those of {training[VECTORS_OF]}, which may have heard the speakers"
        )
    recipe = training["recipe"]
    if recipe["patience"] is None:
        return "a fixed number of epochs, no epoch chosen\non a test speaker"
    return (
        "the epoch of each training chosen by early stopping\non one training speaker, who was not trained on, never "
        f"on a test speaker (the shipped head was trained on all\nspeakers for all {recipe['epochs']} epochs, which "
        "these figures do not measure)"
    )


def _choice(recipe: Mapping[str, Any]) -> str:
    """What was in view when the recipe was chosen, which we know of our own only."""
    # Through JSON, because a recipe that comes from a config.json has lists.
    built_in = [json.loads(json.dumps(asdict(load_recipe(name)))) for name in CHOSEN_ON_EMODB]
    if not any(_is(ours, json.loads(json.dumps(recipe))) for ours in built_in):
        return ""
    return (
        " The recipe itself\nwas chosen with leave-one-speaker-out results on EMO-DB in view, so figures on that "
        "corpus are mildly optimistic."
    )


def _is(ours: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether a recipe is one of ours; one of an older version may lack a number."""
    return given.keys() <= ours.keys() and all(
        _is(ours[key], value) if isinstance(value, dict) and isinstance(ours[key], dict) else ours[key] == value
        for key, value in given.items()
    )


def _comparison(facts: CardFacts) -> str:
    """Whether the first variant differs from the others by more than the corpus can resolve."""
    means = {
        variant: float(np.mean([weighted_accuracy(counts) for _, counts in runs]))
        for variant, runs in facts.results.items()
    }
    (shipped, wa), *others = means.items()
    error = max(100 * _standard_error(each, facts.utterances) for each in means.values())
    lines = [f"One standard error of a WA from {facts.utterances} utterances is {error:.1f} points."]
    for variant, other in others:
        difference = 100 * (wa - other)
        verdict = "no difference can be claimed" if abs(difference) < 2 * error else "more than chance explains"
        lines.append(f"{shipped} against {variant}: {difference:+.1f} points of WA, **{verdict}**.")
    return "\n".join(lines)


def _standard_error(wa: float, utterances: int) -> float:
    """Of a WA, with one more utterance right and one more wrong: else 0 and 100 % would have no error at all."""
    share = (wa * utterances + 1) / (utterances + 2)
    return float(np.sqrt(share * (1 - share) / utterances))


def _limits(config: ModelConfig, facts: CardFacts) -> str:
    scores = "were calibrated on the training corpus; on other speech they are not probabilities"
    if not facts.results:
        scores = "were never calibrated; they are not probabilities"
    return f"""\
## Limits

- Learned from {facts.speakers} speakers. Nothing is known about others, other recording conditions or other languages
  until it is measured there.
- It always answers with one of {len(config.classes)} classes, also for silence, music and emotions it does not know.
- Real speech is mostly neutral, most training data is not: expect false alarms.
- The numbers are scores that {scores}.
{facts.notes}""".rstrip()


def _law() -> str:
    return """\
## What law forbids

Regulation (EU) 2024/1689 (AI Act), Article 5(1)(f), prohibits systems that infer emotions of people at the workplace
and in education, except for medical or safety reasons, since 2 February 2025. Most other uses of emotion recognition
are high-risk under its Annex III and must be disclosed to the people concerned (Article 50). Other countries have
rules of their own. Do not use these labels for decisions about a person."""


def _licences(config: ModelConfig, facts: CardFacts) -> str:
    encoder = "Whisper encoder: MIT, Copyright (c) 2022 OpenAI"
    if config.backbone.family != "whisper":
        encoder = f"Encoder: that of {config.backbone.source}"
    return f"""\
## Licences

Trained weights: Apache-2.0. {encoder}. AlexNet weights: BSD-3-Clause,
torchvision{_unused(config)}. Training data: {facts.licence}"""


def _unused(config: ModelConfig) -> str:
    return " (not used by this model)" if config.spectrogram_branch is None else ""


def _percent(runs: Sequence[tuple[int, np.ndarray]], metric: "object") -> str:
    assert callable(metric)
    values = [100 * metric(counts) for _, counts in runs]
    each = f" ({', '.join(f'{value:.1f}' for value in values)})" if len(values) > 1 else ""
    return f"**{np.mean(values):.1f}**{each}"
