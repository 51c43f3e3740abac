"""Other forms of guidance than the paper's frame weights, trained freely with its branches.

Each form ends in a vector of a segment, which a classifier in closed form reads, strict leave-one-speaker-out. The
features are those that `evaluate` left in its cache:

    emoboost-batch evaluate emodb.parquet --recipe r --encoder WHISPER_BASE --layers 0 --seeds 0 --output emodb-layer0
    python benchmarks/guidance_forms.py emodb.parquet --recipe r --encoder WHISPER_BASE --layers 0
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from cached import add_arguments, cached, over_valid
from comparison import compared
from pooled import strict_labels
from torch import Tensor, nn
from torch.nn import functional

from emoboost.config import ModelConfig
from emoboost.corpus import Corpus
from emoboost.discriminant import fit_discriminant
from emoboost.frozen import Batch, FrozenFeatures
from emoboost.model import ALEXNET_CHANNELS, MfccGuidance, SpectrogramGuidance, Standardise
from emoboost.segment_means import utterance_means
from jobs.lab_arguments import parse_seeds

SHRINKAGE = 0.6
EPOCHS = 6
BATCH = 32
CLASSIFIER_RATE, GUIDANCE_RATE = 2e-3, 1e-3


class Weights(nn.Module):
    """Frame weights that start at mean pooling, one set for each of several heads."""

    def __init__(self, guidance: int, frames: int, dim: int, heads: int = 1) -> None:
        super().__init__()
        self.heads, self.out = heads, heads * dim
        self.linear = nn.Linear(guidance, heads * frames)
        with torch.no_grad():
            self.linear.weight.mul_(0.1)
            self.linear.bias.fill_(1.0)

    def forward(self, x: Tensor, plain: Tensor, guidance: Tensor) -> Tensor:
        """(B, T', D), (B, T'), (B, G) -> (B, heads * D)."""
        weights = functional.relu(self.linear(guidance)).unflatten(1, (self.heads, -1)) * plain[:, None]
        return torch.bmm(weights, x).flatten(1)


class SoftmaxWeights(nn.Module):
    """Frame weights that sum to 1."""

    def __init__(self, guidance: int, frames: int, dim: int) -> None:
        super().__init__()
        self.out = dim
        self.linear = nn.Linear(guidance, frames)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, plain: Tensor, guidance: Tensor) -> Tensor:
        """(B, T', D), (B, T'), (B, G) -> (B, D)."""
        weights = self.linear(guidance).masked_fill(plain == 0, -torch.inf).softmax(dim=1)
        return torch.bmm(weights[:, None], x).squeeze(1)


class Gate(nn.Module):
    """The mean's channels are scaled, and shifted where that is asked for."""

    def __init__(self, guidance: int, frames: int, dim: int, *, shift: bool = False) -> None:
        super().__init__()
        del frames
        self.out = dim
        self.scale = nn.Linear(guidance, dim)
        self.shift = nn.Linear(guidance, dim) if shift else None
        for linear in (self.scale, self.shift):
            if linear is not None:
                nn.init.zeros_(linear.weight)
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, plain: Tensor, guidance: Tensor) -> Tensor:
        """(B, T', D), (B, T'), (B, G) -> (B, D)."""
        mean = torch.bmm(plain[:, None], x).squeeze(1) * (1 + torch.tanh(self.scale(guidance)))
        return mean if self.shift is None else mean + self.shift(guidance)


class Beside(nn.Module):
    """The guidance behind the mean."""

    def __init__(self, guidance: int, frames: int, dim: int) -> None:
        super().__init__()
        del frames
        self.out = dim + guidance

    def forward(self, x: Tensor, plain: Tensor, guidance: Tensor) -> Tensor:
        """(B, T', D), (B, T'), (B, G) -> (B, D + G)."""
        return torch.cat([torch.bmm(plain[:, None], x).squeeze(1), guidance], dim=1)


@dataclass(frozen=True)
class Form:
    """How guidance reaches the classifier, and whether it has a loss of its own."""

    build: Callable[[int, int, int], nn.Module]
    auxiliary: float = 0.0
    """Weight of the loss of a classifier that sees nothing but the guidance."""


FORMS = {
    "frame weights": Form(Weights),
    "frame weights, own loss": Form(Weights, 0.5),
    "four heads of frame weights": Form(lambda guidance, frames, dim: Weights(guidance, frames, dim, 4)),
    "softmax weights": Form(SoftmaxWeights),
    "channel gate": Form(Gate),
    "channel gate, own loss": Form(Gate, 0.5),
    "channel gate and shift": Form(lambda guidance, frames, dim: Gate(guidance, frames, dim, shift=True)),
    "beside the vector": Form(Beside),
    "beside the vector, own loss": Form(Beside, 0.5),
}


class Guided(nn.Module):
    """Both branches, a form, and the classifiers that train them."""

    def __init__(self, config: ModelConfig, form: Form) -> None:
        super().__init__()
        assert config.mfcc_branch is not None
        assert config.spectrogram_branch is not None
        width = 2 * config.enhancement.guidance_dim
        self.standardise = Standardise(config.backbone.dim)
        self.mfcc = MfccGuidance(config.mfcc_branch, config)
        self.spectrogram = SpectrogramGuidance(config.spectrogram_branch, config)
        self.form = form.build(width, config.backbone.frames, config.backbone.dim)
        self.classify = nn.Linear(int(self.form.out), len(config.classes))
        self.by_itself = nn.Linear(width, len(config.classes))
        nn.init.zeros_(self.classify.weight)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Vector and guidance of some segments: (B, out), (B, G)."""
        frames, valid, mfcc, image = batch
        assert mfcc is not None
        assert image is not None
        guidance = torch.cat([self.mfcc(mfcc), self.spectrogram(image)], dim=1)
        plain = (torch.arange(frames.shape[1])[None] < valid[:, None]).float() / valid[:, None]
        return self.form(self.standardise(frames), plain, guidance), guidance


def train(
    features: FrozenFeatures,
    means: Tensor,
    labels: np.ndarray,
    rows: np.ndarray,
    config: ModelConfig,
    form: Form,
    seed: int,
) -> Guided:
    """One network on these rows; `means` (S, D) are those of all segments' frames."""
    torch.manual_seed(seed)
    network = Guided(config, form)
    seen = means[torch.from_numpy(rows)]
    network.standardise.set_statistics(seen.mean(0), seen.std(0))
    images = torch.cat([_image(features, rows[i : i + 256]) for i in range(0, len(rows), 256)]).flatten(0, 1)
    assert isinstance(network.spectrogram.standardise, Standardise)
    network.spectrogram.standardise.set_statistics(images.mean(0), images.std(0))
    classifiers = [*network.classify.parameters(), *network.by_itself.parameters()]
    chosen = {id(each) for each in classifiers}
    others = [each for each in network.parameters() if id(each) not in chosen]
    groups = [{"params": classifiers, "lr": CLASSIFIER_RATE}, {"params": others, "lr": GUIDANCE_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        shuffled = order.permutation(rows)
        for first in range(0, len(rows), BATCH):
            batch = shuffled[first : first + BATCH]
            vector, guidance = network(features.batch(batch))
            wanted = torch.from_numpy(labels[batch])
            loss = functional.cross_entropy(network.classify(vector), wanted)
            loss = loss + 0.05 * network.classify.weight.square().sum()
            if form.auxiliary:
                loss = loss + form.auxiliary * functional.cross_entropy(network.by_itself(guidance), wanted)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
    return network.eval()


def _image(features: FrozenFeatures, rows: np.ndarray) -> Tensor:
    image = features.batch(rows)[3]
    assert image is not None
    assert image.shape[2] == ALEXNET_CHANNELS
    return image


def vectors_of(network: Guided, features: FrozenFeatures, rows: np.ndarray) -> np.ndarray:
    """(m, out) of these rows, without dropout."""
    with torch.inference_mode():
        parts = [network(features.batch(rows[i : i + 64]))[0].numpy() for i in range(0, len(rows), 64)]
    return np.concatenate(parts)


def strict(
    corpus: Corpus, features: FrozenFeatures, means: Tensor, config: ModelConfig, form: Form, seed: int
) -> np.ndarray:
    """Class numbers of all utterances, each from a network that never heard its speaker."""
    truth, who = corpus.class_numbers(corpus.classes), np.array(corpus.speakers)[features.utterance]
    labels, predicted = truth[features.utterance], np.zeros_like(truth)
    for speaker in sorted(set(corpus.speakers)):
        rows = np.flatnonzero(who != speaker)
        tested = np.flatnonzero((who == speaker) & (features.copy == 0))
        network = train(features, means, labels, rows, config, form, seed)
        values = vectors_of(network, features, rows)
        center, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
        weights, biases = fit_discriminant(
            (values - center) / scale, labels[rows], len(corpus.classes), SHRINKAGE, who[rows].tolist()
        )
        logits = (vectors_of(network, features, tested) - center) / scale @ weights.T + biases
        numbers, number = np.unique(features.utterance[tested], return_inverse=True)
        predicted[numbers] = utterance_means(logits, number, len(numbers)).argmax(axis=1)
    return predicted


def means_of(features: FrozenFeatures) -> Tensor:
    """(S, D): over the valid frames of every segment."""
    parts = []
    for first in range(0, len(features.utterance), 64):
        rows = np.arange(first, min(first + 64, len(features.utterance)))
        frames, valid, *_ = features.batch(rows)
        parts.append(over_valid(frames, valid)[0])
    return torch.cat(parts)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--seeds", default="0", help="of training; figures are means over them")
    parser.add_argument("--forms", default=";".join(FORMS), help="some of these, with ; between them")
    given = parser.parse_args()
    torch.set_num_threads(1)
    corpus, laboratory, features = cached(parser, given)
    means = means_of(features)
    alone = strict_labels(corpus, means.numpy(), features.utterance, features.copy == 0, SHRINKAGE)
    seeds = parse_seeds(given.seeds, "--seeds")
    print("| form of guidance | UA | 95 % interval | against the encoder alone |\n|---|---|---|---|")
    print(f"| none | {compared(corpus, alone, alone)} |", flush=True)
    for name in given.forms.split(";"):
        form = FORMS[name]
        predicted = np.stack([strict(corpus, features, means, laboratory.config, form, seed) for seed in seeds])
        print(f"| {name} | {compared(corpus, predicted, alone)} |", flush=True)


if __name__ == "__main__":
    main()
