"""Training of one head on frozen features: a pure function of data, config, recipe and seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emoboost.config import ModelConfig
from emoboost.frozen import Batch, FrozenFeatures
from emoboost.model import EnhancementHead, HeadOutput, Standardise
from emoboost.recipe import Recipe


@dataclass(frozen=True)
class EpochReport:
    """Where training stands after an epoch."""

    epoch: int
    loss: float
    """Mean cross-entropy with penalties over the epoch."""


def train_head(
    features: FrozenFeatures,
    labels: np.ndarray,
    rows: np.ndarray,
    config: ModelConfig,
    recipe: Recipe,
    seed: int,
    report: Callable[[EpochReport], None] | None = None,
) -> EnhancementHead:
    """Train one head; the same arguments on the same machine give the same weights.

    Args:
        features: frozen features of a whole corpus.
        labels: (segments,) class number of each row of `features`.
        rows: (m,) the rows that may be seen; statistics come from these alone.
        config: which parts the head has.
        recipe: the numbers of training.
        seed: of initialisation, dropout, guidance skips and order.
        report: called after every epoch.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    torch.manual_seed(seed)
    head = EnhancementHead(config)
    torch.nn.init.zeros_(head.classify.weight)
    torch.nn.init.zeros_(head.classify.bias)
    _fit_statistics(head, features, rows)
    optimiser = _optimiser(head, recipe)
    steps = recipe.epochs * -(-len(rows) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    targets = torch.from_numpy(labels)
    order = np.random.default_rng(seed)
    head.train()
    for epoch in range(recipe.epochs):
        losses = []
        for batch in _batches(order.permutation(rows), recipe.batch_size):
            loss = _loss(head, features.batch(batch), targets[torch.from_numpy(batch)], recipe)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), recipe.gradient_clip)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        if not np.isfinite(losses).all():
            raise FloatingPointError(f"the loss is not a number in epoch {epoch + 1}; lower the learning rates")
        if report is not None:
            report(EpochReport(epoch + 1, float(np.mean(losses))))
    return head.eval()


def segment_logits(head: EnhancementHead, features: FrozenFeatures, rows: np.ndarray) -> np.ndarray:
    """Logits of these rows, without dropout: (m, classes) float32."""
    with torch.inference_mode():
        outputs = [head(*features.batch(batch)).logits for batch in _batches(rows, 64)]
    return torch.cat(outputs).numpy()


def _fit_statistics(head: EnhancementHead, features: FrozenFeatures, rows: np.ndarray) -> None:
    """Normalisers after the frozen networks, from training rows only."""
    if isinstance(head.standardise, Standardise):
        pooled = torch.cat([_mean_pool(features, batch) for batch in _batches(rows, 64)])
        head.standardise.set_statistics(pooled.mean(0), pooled.std(0))
    if head.spectrogram is not None and isinstance(head.spectrogram.standardise, Standardise):
        assert features.image is not None
        image = features.image[torch.from_numpy(rows)].float().flatten(0, 1)
        head.spectrogram.standardise.set_statistics(image.mean(0), image.std(0))


def _mean_pool(features: FrozenFeatures, rows: np.ndarray) -> Tensor:
    frames, valid = features.batch(rows)[:2]
    mask = torch.arange(frames.shape[1]) < valid[:, None]
    return (frames * mask[..., None]).sum(1) / valid[:, None]


def _optimiser(head: EnhancementHead, recipe: Recipe) -> torch.optim.AdamW:
    classifier = list(head.classify.parameters())
    chosen = {id(parameter) for parameter in classifier}
    guidance = [parameter for parameter in head.parameters() if id(parameter) not in chosen]
    groups = [{"params": classifier, "lr": recipe.classifier_lr}]
    if guidance:
        groups.append({"params": guidance, "lr": recipe.guidance_lr})
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)


def _loss(head: EnhancementHead, batch: Batch, targets: Tensor, recipe: Recipe) -> Tensor:
    unguided = torch.rand(len(targets)) < recipe.guidance_skip
    output: HeadOutput = head(*batch, unguided=unguided)
    loss = functional.cross_entropy(output.logits, targets)
    loss = loss + recipe.classifier_l2 * head.classify.weight.square().sum() / 2
    if head.enhance is None or recipe.weight_penalty == 0:
        return loss
    valid = batch[1]
    spoken = torch.arange(output.weights.shape[1]) < valid[:, None]
    departure = (output.weights * valid[:, None] - 1)[spoken]
    return loss + recipe.weight_penalty * departure.square().mean()


def _batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
