"""The model card: what a model is, how well it does on speakers it never heard, and what it must not be used for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emoboost.config import ModelConfig
from emoboost.metrics import unweighted_accuracy, weighted_accuracy

CONFUSION_PICTURE = "confusion.png"


@dataclass(frozen=True)
class CardFacts:
    """What the card tells beside the config."""

    corpus: str
    licence: str
    utterances: int
    speakers: int
    hours: float
    constant_seconds: float | None
    """The one length of all recordings, when they have one."""
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
        _licences(facts),
    ]
    return "\n\n".join(sections) + "\n"


def _what(config: ModelConfig, facts: CardFacts) -> str:
    layers = ", ".join(map(str, config.backbone.layers))
    return f"""\
MS-EmoBoost (Song et al., Scientific Reports 15:21607, 2025) on {config.backbone.source}, hidden states {layers}
(weights embedded, frozen), with AlexNet (ImageNet weights, frozen) over the log spectrogram and a Bi-LSTM over MFCCs.
Input: 16 kHz mono, 3-second segments, zero-padded; an utterance's probabilities are the mean of its segments'.

| | |
|---|---|
| classes | {", ".join(config.classes)} |
| training data | {facts.corpus}: {facts.utterances} utterances, {facts.speakers} speakers, {facts.hours:.2f} h |
| recipe | {config.training["recipe"]["name"]}, {config.training["recipe"]["epochs"]} epochs, \
seed {config.training["seed"]} (the seed was not chosen by its result) |
| temperature | {config.temperature:.3f}, fitted on the held-out logits of the runs below |"""


def _results(config: ModelConfig, facts: CardFacts) -> str:
    if not facts.results:
        return "## Results\n\nNot measured: the model was trained without leave-one-speaker-out runs."
    rows = [
        f"| {variant} | {_percent(runs, weighted_accuracy)} | {_percent(runs, unweighted_accuracy)} |"
        for variant, runs in facts.results.items()
    ]
    seeds = ", ".join(str(seed) for seed, _ in next(iter(facts.results.values())))
    return f"""\
## Results on speakers it never heard

Strict leave-one-speaker-out on the training corpus: {facts.speakers} folds, fixed number of epochs, no choice made on
a test speaker; pooled over all utterances; mean of seeds {seeds}, each seed's figure in brackets. Recipe, encoder
layers and augmentation were chosen on this same corpus, so the figures are mildly optimistic.

| | WA (accuracy) | UA (mean recall) |
|---|---|---|
{chr(10).join(rows)}

One standard error of a figure from {facts.utterances} utterances is about \
{100 * (0.06 * 0.94 / facts.utterances) ** 0.5:.1f} points. A difference between the rows that is smaller says nothing:
**guidance shows no gain over the encoder alone under this protocol.**

![confusion matrix of seed {config.training["seed"]}, leave-one-speaker-out]({CONFUSION_PICTURE})"""


def _limits(config: ModelConfig, facts: CardFacts) -> str:
    length = ""
    if facts.constant_seconds is not None:
        length = f"""
- Every training recording is exactly {facts.constant_seconds:g} s long: this copy of the corpus was cut or
  zero-padded, and how much speech a recording lost depends on its emotion. Padding itself may be one of the model's
  cues. A probe of the same encoder lost 8 points of UA with half a second of silence behind the clip, 8 when speech
  filled the segment, 20 at 10 dB of noise and 7 over a telephone band."""
    return f"""\
## Limits

- Acted speech of {facts.speakers} speakers in one language, read from a few fixed sentences in a studio. There is no
  claim for natural speech, other languages, children, or telephone lines: measure on your own labelled speech first.
- On another corpus it falls far: a probe of the same encoder trained on this corpus and tested on acted Italian speech
  (four shared classes, chance 25 %) reached 55 % UA.
- It always answers with one of {len(config.classes)} classes, also for silence, music and emotions it does not know.
- Real speech is mostly neutral, the training data is not: expect false alarms, most of all anger.
- The numbers are scores that were calibrated on this corpus; on other speech they are not probabilities.{length}"""


def _law() -> str:
    return """\
## What law forbids

Regulation (EU) 2024/1689 (AI Act), Article 5(1)(f), prohibits systems that infer emotions of people at the workplace
and in education, except for medical or safety reasons, since 2 February 2025. Most other uses of emotion recognition
are high-risk under its Annex III and must be disclosed to the people concerned (Article 50). Other countries have
rules of their own. Do not use these labels for decisions about a person."""


def _licences(facts: CardFacts) -> str:
    return f"""\
## Licences

Trained weights: Apache-2.0. Whisper encoder: MIT, Copyright (c) 2022 OpenAI. AlexNet weights: BSD-3-Clause,
torchvision. Training data: {facts.licence}"""


def _percent(runs: Sequence[tuple[int, np.ndarray]], metric: "object") -> str:
    assert callable(metric)
    values = [100 * metric(counts) for _, counts in runs]
    return f"**{np.mean(values):.1f}** ({', '.join(f'{value:.1f}' for value in values)})"
