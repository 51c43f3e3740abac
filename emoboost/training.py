"""Training of one head on frozen features: a pure function of data, config, recipe and seed."""

import os
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor
from torch.nn import functional

from emoboost.config import ModelConfig
from emoboost.frozen import Batch, FrozenFeatures
from emoboost.metrics import confusion, unweighted_accuracy
from emoboost.model import EnhancementHead, HeadOutput, Standardise
from emoboost.recipe import Recipe


@dataclass(frozen=True)
class EpochReport:
    """Where training stands after an epoch."""

    epoch: int
    """Counted from 1."""
    loss: float
    """Mean loss with penalties over the epoch."""
    validation_ua: float | None = None
    """UA over the validation segments' utterances, in [0, 1]; None without early stopping."""


@dataclass(frozen=True)
class Trained:
    """A head, and how it came about."""

    head: EnhancementHead
    history: tuple[EpochReport, ...]


def train_head(
    features: FrozenFeatures,
    labels: np.ndarray,
    rows: np.ndarray,
    config: ModelConfig,
    recipe: Recipe,
    seed: int,
    report: Callable[[EpochReport], None] | None = None,
    *,
    validation: np.ndarray | None = None,
    state: Path | None = None,
) -> Trained:
    """Train one head; the same arguments on the same machine give the same weights, interrupted or not.

    Args:
        features: frozen features of a whole corpus.
        labels: (segments,) class number of each row of `features`.
        rows: (m,) the rows that may be seen; statistics come from these alone.
        config: which parts the head has.
        recipe: the numbers of training.
        seed: of initialisation, dropout, guidance skips and order.
        report: called after every epoch.
        validation: rows that choose the epoch; used only when the recipe has a patience.
        state: file that holds everything after each epoch; if it exists, training goes on from there.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    torch.manual_seed(seed)
    head = EnhancementHead(config)
    torch.nn.init.zeros_(head.classify.weight)
    torch.nn.init.zeros_(head.classify.bias)
    _fit_statistics(head, features, rows)
    run = _Run(head, _optimiser(head, recipe), recipe, len(rows), seed)
    if state is not None and state.exists():
        run.restore(state)
    targets = torch.from_numpy(labels)
    weights = class_weights(labels[rows], len(config.classes)) if recipe.class_weights else None
    while not run.finished:
        loss = _epoch(run, features, targets, rows, weights)
        ua = None
        if recipe.patience is not None and validation is not None:
            ua = _validation_ua(head, features, labels, validation)
        done = run.after_epoch(loss, ua)
        if state is not None:
            run.save(state)
        if report is not None:
            report(done)
    if run.best is not None:
        head.load_state_dict(run.best)
    return Trained(head.eval(), tuple(run.history))


class _Run:
    """All that changes while a head is trained, so that it can be stored and restored."""

    def __init__(
        self, head: EnhancementHead, optimiser: torch.optim.AdamW, recipe: Recipe, rows: int, seed: int
    ) -> None:
        self.head, self.optimiser, self.recipe = head, optimiser, recipe
        steps = recipe.epochs * -(-rows // recipe.batch_size)
        self.schedule = (
            torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
            if recipe.cosine
            else torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
        )
        self.order = np.random.default_rng(seed)
        self.history: list[EpochReport] = []
        self.best: dict[str, Tensor] | None = None

    @property
    def finished(self) -> bool:
        """All epochs are done, or the validation rows have not become better for too long."""
        scores = [done.validation_ua for done in self.history if done.validation_ua is not None]
        patience = self.recipe.patience
        waited = len(scores) - 1 - int(np.argmax(scores)) if scores else 0
        return len(self.history) >= self.recipe.epochs or (patience is not None and waited >= patience)

    def after_epoch(self, loss: float, validation_ua: float | None) -> EpochReport:
        """Note an epoch, and keep its weights if it is the best on the validation rows."""
        done = EpochReport(len(self.history) + 1, loss, validation_ua)
        earlier = [before.validation_ua for before in self.history if before.validation_ua is not None]
        if validation_ua is not None and validation_ua > max(earlier, default=-1.0):
            self.best = {name: tensor.clone() for name, tensor in self.head.state_dict().items()}
        self.history.append(done)
        return done

    def save(self, file: Path) -> None:
        """Write everything in one step: a reader sees the old or the new state, never half of one."""
        content = {
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.order.bit_generator.state,
            "torch": torch.get_rng_state(),
            "history": [astuple(done) for done in self.history],
            "best": self.best,
        }
        temporary = file.with_name(f"{file.name}.{os.getpid()}.partial")
        torch.save(content, temporary)
        temporary.replace(file)

    def restore(self, file: Path) -> None:
        """The inverse of `save`; the random state of torch is the whole process's."""
        content = torch.load(file, weights_only=True)
        self.head.load_state_dict(content["head"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.schedule.load_state_dict(content["schedule"])
        self.order.bit_generator.state = content["order"]
        torch.set_rng_state(content["torch"])
        self.history = [EpochReport(*done) for done in content["history"]]
        self.best = content["best"]


def _epoch(run: _Run, features: FrozenFeatures, targets: Tensor, rows: np.ndarray, weights: Tensor | None) -> float:
    """One pass over the rows in a new order; the mean loss."""
    recipe, losses = run.recipe, []
    run.head.train()
    for batch in _batches(run.order.permutation(rows), recipe.batch_size):
        loss = _loss(run.head, features.batch(batch), targets[torch.from_numpy(batch)], recipe, weights)
        run.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.head.parameters(), recipe.gradient_clip)
        run.optimiser.step()
        run.schedule.step()
        losses.append(loss.item())
    if not np.isfinite(losses).all():
        raise FloatingPointError(
            f"the loss is not a number in epoch {len(run.history) + 1}; lower the learning rates of the recipe"
        )
    return float(np.mean(losses))


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """Inverse of each class's share, with mean 1 over the rows: (classes,) float32; 0 for a class without a row."""
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.from_numpy(weights)


def _validation_ua(head: EnhancementHead, features: FrozenFeatures, labels: np.ndarray, rows: np.ndarray) -> float:
    """UA over the utterances of these rows, each the mean of its segments' probabilities."""
    probabilities = softmax(segment_logits(head.eval(), features, rows), axis=1)
    utterances, number = np.unique(features.utterance[rows], return_inverse=True)
    truth = np.zeros(len(utterances), np.int64)
    truth[number] = labels[rows]
    predicted = utterance_means(probabilities, number, len(utterances)).argmax(axis=1)
    return unweighted_accuracy(confusion(truth, predicted, probabilities.shape[1]))


def utterance_means(segments: np.ndarray, utterance: np.ndarray, count: int) -> np.ndarray:
    """Mean over each utterance's segments: (segments, classes) -> (count, classes)."""
    sums = np.zeros((count, segments.shape[1]))
    np.add.at(sums, utterance, segments)
    return sums / np.bincount(utterance, minlength=count)[:, None]


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


def _loss(head: EnhancementHead, batch: Batch, targets: Tensor, recipe: Recipe, weights: Tensor | None) -> Tensor:
    unguided = torch.rand(len(targets)) < recipe.guidance_skip
    output: HeadOutput = head(*batch, unguided=unguided)
    loss = functional.cross_entropy(output.logits, targets, weights, label_smoothing=recipe.label_smoothing)
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
