"""An evaluation with everything that a report can show: 10 speakers, 7 classes, 3 seeds, 5 variants, random answers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from emoboost.evaluation import Evaluation, Example, Scores
from emoboost.recipe import Recipe
from emoboost.training import EpochReport

CLASSES = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
SKILL = {"both": 3.4, "spectrogram": 3.3, "mfcc": 3.2, "encoder alone": 3.0, "both, no attention": 3.1}
"""Variant -> how far the right class stands out, in logits."""


def demo_evaluation(seeds: Sequence[int] = (0, 1, 2), **changes: Any) -> Evaluation:
    """The evaluation, with some fields replaced. The folds are unequal, so that pooled and mean of folds differ."""
    random = np.random.default_rng(7)
    speakers = np.repeat([f"{number:02}" for number in range(3, 13)], random.integers(12, 32, 10))
    truth = random.choice(len(CLASSES), len(speakers), p=[0.24, 0.15, 0.08, 0.13, 0.13, 0.15, 0.12])
    evaluation = Evaluation(
        corpus="EMO-DB (2-second copy)",
        manifest="corpora/emodb/manifest.csv",
        manifest_hash="0123456789abcdef" * 4,
        seconds=2.0 * len(speakers),
        protocol="loso",
        protocol_description="leave one speaker out; sentences may be shared",
        leaky=False,
        folds=sorted(set(speakers)),
        classes=CLASSES,
        truth=truth,
        speakers=speakers.tolist(),
        utterance_ids=[f"{speaker}a{number:03}" for number, speaker in enumerate(speakers)],
        variants={
            title: [_scores(truth, speakers, skill, seed, number) for seed in seeds]
            for number, (title, skill) in enumerate(SKILL.items())
        },
        parameters=dict(zip(SKILL, (2_072_413, 1_407_261, 676_061, 10_759, 1_862_557), strict=True)),
        encoder="openai/whisper-base, hidden states 2, 3, 4",
        recipe=Recipe(),
        examples=[_example(random, f"{number:02}a{number:03}: fear, labelled anger") for number in (3, 8)],
        remarks=["The recordings were cut or padded to 2 seconds, so figures of the full corpus differ."],
    )
    return dataclasses.replace(evaluation, **changes)


def _scores(truth: np.ndarray, speakers: np.ndarray, skill: float, seed: int, variant: int) -> Scores:
    random = np.random.default_rng([seed, variant])
    fold = np.unique(speakers, return_inverse=True)[1]
    hard = np.random.default_rng(1).uniform(0.5, 1.2, len(set(speakers)))[fold]
    logits = random.normal(size=(len(truth), len(CLASSES)))
    logits[np.arange(len(truth)), truth] += skill * hard
    directions = np.random.default_rng(2).normal(size=(len(CLASSES), 24))
    return Scores(
        seed=seed,
        tested=np.arange(len(truth)),
        fold=fold,
        probabilities=_softmax(8 * logits),
        calibrated=_softmax(2.5 * logits),
        temperatures=tuple(random.uniform(1.8, 2.4, len(set(speakers)))),
        vectors=skill * directions[truth] / 3 + random.normal(size=(len(truth), 24)),
        histories=[
            [
                EpochReport(epoch, 1.6 / epoch + random.uniform(0, 0.3), 0.9 - 0.5 / epoch + random.uniform(0, 0.05))
                for epoch in range(1, 6)
            ]
            for _ in set(speakers)
        ],
        changed={
            name: _softmax(8 * logits + random.normal(0, strength, logits.shape))
            for name, strength in (("after 0.5", 2), ("white 10", 12), ("mulaw", 6))
        },
        adapted={"all": (logits + skill * np.eye(len(CLASSES))[truth]).argmax(axis=1)[None]},
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _example(random: np.random.Generator, title: str) -> Example:
    """Harmonics that rise and fall, and weights that follow their loudness."""
    time, frequency = np.arange(300)[:, None], np.arange(200)[None, :]
    pitch = 9 + 3 * np.sin(time / 40)
    loud = np.clip(np.sin(time / 22), 0, 1) * (time < 200)
    spectrogram = 0.15 * random.random((300, 200)) + 0.8 * loud * (np.cos(2 * np.pi * frequency / pitch) > 0.6)
    weights = 0.6 + loud[::2, 0] + random.normal(0, 0.05, 150)
    return Example(title, np.clip(spectrogram, 0, 1), weights, 2.0)
