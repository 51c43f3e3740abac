"""What `evaluate` left in its cache, for benchmarks of what can be made of guidance."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from emoboost.corpus import Corpus, read_corpus
from emoboost.feature_cache import default_cache
from emoboost.frozen import FrozenFeatures
from emoboost.predict import preparation_for
from emoboost.recipe import load_recipe
from jobs.lab_arguments import encoder_source
from jobs.laboratory import Laboratory, Plan, prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which corpus, copies and encoder."""
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("--recipe", default="robust", help="whose copies were heard")
    parser.add_argument("--encoder")
    parser.add_argument("--layers", default="")
    parser.add_argument("--cache", type=Path, default=default_cache())


def cached(parser: argparse.ArgumentParser, given: argparse.Namespace) -> tuple[Corpus, Laboratory, FrozenFeatures]:
    """The corpus and the features of all its copies; ends with a message where some are missing."""
    corpus = read_corpus(given.manifest)
    source = encoder_source("whisper-base-emodb", given.encoder, given.layers, None)
    plan = Plan(variants=("both", "encoder"), seeds=(0,), recipe=load_recipe(given.recipe), source=source)
    laboratory = prepare(corpus, plan, given.cache)
    if missing := len(laboratory.missing_features()):
        parser.error(f"{missing} features are not in {given.cache}; run evaluate first, as above")
    features = laboratory.cache.features([[each.name for each in wanted] for wanted in laboratory.wanted])
    return corpus, laboratory, features


def over_valid(values: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation over the first frames of each segment: (B, T, D), (B,) -> (B, D) each."""
    mask = (torch.arange(values.shape[1])[None] < valid[:, None])[..., None]
    mean = (values * mask).sum(1) / valid[:, None]
    return mean, (((values - mean[:, None]).square() * mask).sum(1) / valid[:, None]).sqrt()


def with_log_mel(laboratory: Laboratory, features: FrozenFeatures) -> tuple[Laboratory, FrozenFeatures]:
    """The same with what Whisper reads in place of what it says: two log-mel frames' mean for each of its frames."""
    config = replace(laboratory.config, mfcc_branch=None, spectrogram_branch=None)
    hear = preparation_for(config)
    heard = []
    for copies in laboratory.wanted:
        log_mel = hear([each.utterance for each in copies], [each.change for each in copies]).inputs["log_mel"]
        frames = np.swapaxes(log_mel, 1, 2).astype(np.float32)  # (n, 300, 80)
        heard.append(frames.reshape(len(frames), -1, 2, frames.shape[2]).mean(axis=2))
    frames = np.concatenate(heard)
    assert len(frames) == len(features.utterance)
    backbone = replace(laboratory.config.backbone, width=frames.shape[2], layers=(1,), frames=frames.shape[1])
    laboratory = replace(laboratory, config=replace(laboratory.config, backbone=backbone))
    return laboratory, replace(features, frames=torch.from_numpy(frames))
