"""Training of one head on frozen features: a pure function of data, config, recipe and seed."""

import copy
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from emoboost.atomic import write_whole
from emoboost.config import ModelConfig
from emoboost.discriminant import fit_discriminant
from emoboost.frozen import Batch, FrozenFeatures
from emoboost.metrics import confusion, unweighted_accuracy
from emoboost.model import EnhancementHead, FrozenEncoders, HeadOutput, Standardise
from emoboost.recipe import Recipe
from emoboost.segment_means import utterance_means


@dataclass(frozen=True)
class EpochReport:
    """Where training stands after an epoch."""

    epoch: int
    """Counted from 1."""
    loss: float
    """Mean loss with penalties over the epoch."""
    validation_ua: float | None = None
    """UA over the validation segments' utterances, in [0, 1]; None without early stopping."""


class Learner(nn.Module):
    """What is trained: the head and, when a recipe frees parts of the encoders, these before it.

    With `kept`, as `train_head` takes it, the head's classifier alone.
    """

    def __init__(
        self,
        config: ModelConfig,
        recipe: Recipe,
        encoders: FrozenEncoders | None = None,
        kept: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.head = EnhancementHead(config)
        self.keeps_vectors = bool(kept)
        if kept:
            self.head.load_state_dict({**self.head.state_dict(), **kept})
        torch.nn.init.zeros_(self.head.classify.weight)
        torch.nn.init.zeros_(self.head.classify.bias)
        self.encoders = None
        self._refits = recipe.shrinkage is not None
        if recipe.tunes:
            if encoders is None:
                raise ValueError("a recipe that tunes the encoders needs them")
            self.encoders = copy.deepcopy(encoders)
            self.encoders.free(recipe.tune_encoder_layers, alexnet=recipe.tune_alexnet)

    @property
    def is_closed_form(self) -> bool:
        """Whether nothing is left for gradient descent: all that is trained is computed at once afterwards."""
        learns_vectors = self.head.enhance is not None and not self.keeps_vectors
        return self._refits and not learns_vectors and self.encoders is None

    def represent(self, batch: Batch) -> Batch:
        """The head's arguments; without encoders of its own these are the batch."""
        if self.encoders is None:
            return batch
        frames, valid_frames, mfcc, image = batch
        seen = None if image is None or self.encoders.alexnet is None else self.encoders.alexnet(image).float()
        return self.encoders.backbone(frames).float(), valid_frames, mfcc, seen

    def forward(self, batch: Batch, unguided: Tensor | None = None) -> HeadOutput:
        """One batch of segments; `unguided` as in `EnhancementHead.forward`."""
        output: HeadOutput = self.head(*self.represent(batch), unguided=unguided)
        return output


@dataclass(frozen=True)
class Trained:
    """A trained network, and how it came about."""

    learner: Learner
    history: tuple[EpochReport, ...]

    @property
    def head(self) -> EnhancementHead:
        """Its head."""
        return self.learner.head

    @property
    def weights_hash(self) -> str:
        """SHA-256 over every weight: equal for equal networks."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.learner.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()


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
    device: str = "cpu",
    encoders: FrozenEncoders | None = None,
    speakers: Sequence[str] = (),
    kept: Mapping[str, Tensor] | None = None,
) -> Trained:
    """Train one head; the same arguments on the same CPU give the same weights, interrupted or not.

    Args:
        features: frozen features of a whole corpus; the encoders' inputs when the recipe tunes the encoders.
        labels: (segments,) class number of each row of `features`.
        rows: (m,) the rows that may be seen; statistics come from these alone.
        config: which parts the head has.
        recipe: the numbers of training.
        seed: of initialisation, dropout, guidance skips and order.
        report: called after every epoch.
        validation: rows that choose the epoch; used only when the recipe has a patience.
        state: file that holds everything after each epoch; if it exists, training goes on from there.
        device: where to compute; on a GPU in mixed precision, when the recipe says so.
        encoders: where tuning starts; needed only by a recipe that tunes them.
        speakers: (segments,) who speaks in each row of `features`, for a recipe with a shrinkage
            (`discriminant.fit_discriminant`); empty when that is not known.
        kept: of another head, all but its classifier: vectors are made as that head makes them, and only the
            classifier is found, in closed form; None or empty trains all of the head.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    torch.manual_seed(seed)
    learner = Learner(config, recipe, encoders, kept).to(device)
    if not learner.keeps_vectors:
        _fit_statistics(learner, features, rows)
    run = _Run(learner, _optimiser(learner, recipe), recipe, len(rows), seed)
    if state is not None and state.exists():
        run.restore(state)
    targets = torch.from_numpy(labels)
    weights = class_weights(labels[rows], len(config.classes)) if recipe.class_weights else None
    while not (run.finished or learner.is_closed_form):
        loss = _epoch(run, features, targets, rows, weights)
        ua = None
        if recipe.patience is not None and validation is not None:
            ua = _validation_ua(learner, features, labels, validation)
        done = run.after_epoch(loss, ua)
        if state is not None:
            run.save(state)
        if report is not None:
            report(done)
    if run.best is not None:
        learner.load_state_dict(run.best)
    if recipe.shrinkage is not None:
        _refit_classifier(learner, features, labels, rows, recipe.shrinkage, speakers)
    return Trained(learner.eval(), tuple(run.history))


def _refit_classifier(
    learner: Learner,
    features: FrozenFeatures,
    labels: np.ndarray,
    rows: np.ndarray,
    shrinkage: float,
    speakers: Sequence[str],
) -> None:
    """Replace the classifier by the discriminant functions of what the network makes of the training rows."""
    classify = learner.head.classify
    vectors = segment_outputs(learner.eval(), features, rows).vector.numpy()
    who = [speakers[row] for row in rows] if speakers else ()
    weights, biases = fit_discriminant(vectors, labels[rows], classify.out_features, shrinkage, who)
    with torch.no_grad():
        classify.weight.copy_(torch.from_numpy(weights))
        classify.bias.copy_(torch.from_numpy(biases))


class _Run:
    """All that changes while a head is trained, so that it can be stored and restored."""

    def __init__(self, learner: Learner, optimiser: torch.optim.AdamW, recipe: Recipe, rows: int, seed: int) -> None:
        self.learner, self.optimiser, self.recipe = learner, optimiser, recipe
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
            self.best = {name: tensor.clone() for name, tensor in self.learner.state_dict().items()}
        self.history.append(done)
        return done

    def save(self, file: Path) -> None:
        """Write everything in one step: a reader sees the old or the new state, never half of one."""
        content = {
            "learner": self.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.order.bit_generator.state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "history": [astuple(done) for done in self.history],
            "best": self.best,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_whole(file, buffer.getvalue())

    def restore(self, file: Path) -> None:
        """The inverse of `save`; the random state of torch is the whole process's."""
        content = torch.load(file, weights_only=True, map_location="cpu")
        self.learner.load_state_dict(content["learner"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.schedule.load_state_dict(content["schedule"])
        self.order.bit_generator.state = content["order"]
        torch.set_rng_state(content["torch"])
        if content["cuda"]:
            torch.cuda.set_rng_state_all(content["cuda"])
        self.history = [EpochReport(*done) for done in content["history"]]
        self.best = content["best"]


def _epoch(run: _Run, features: FrozenFeatures, targets: Tensor, rows: np.ndarray, weights: Tensor | None) -> float:
    """One pass over the rows in a new order; the mean loss."""
    recipe, losses = run.recipe, []
    run.learner.train()
    for batch in _batches(run.order.permutation(rows), recipe.batch_size):
        loss = _loss(run.learner, features.batch(batch), targets[torch.from_numpy(batch)], recipe, weights)
        run.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.learner.parameters(), recipe.gradient_clip)
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


def _validation_ua(learner: Learner, features: FrozenFeatures, labels: np.ndarray, rows: np.ndarray) -> float:
    """UA over the utterances of these rows, each the mean of its segments' probabilities."""
    probabilities = softmax(segment_outputs(learner.eval(), features, rows).logits.numpy(), axis=1)
    utterances, number = np.unique(features.utterance[rows], return_inverse=True)
    truth = np.zeros(len(utterances), np.int64)
    truth[number] = labels[rows]
    predicted = utterance_means(probabilities, number, len(utterances)).argmax(axis=1)
    return unweighted_accuracy(confusion(truth, predicted, probabilities.shape[1]))


def segment_outputs(learner: Learner, features: FrozenFeatures, rows: np.ndarray) -> HeadOutput:
    """What the network gives for these rows, without dropout, in float32 on the CPU."""
    device = _device_of(learner)
    with torch.inference_mode():
        outputs = [learner(_moved(features.batch(batch), device)) for batch in _batches(rows, 64)]
    return HeadOutput(*(torch.cat([values.cpu() for values in column]) for column in zip(*outputs, strict=True)))


def _fit_statistics(learner: Learner, features: FrozenFeatures, rows: np.ndarray) -> None:
    """Normalisers after the frozen networks, from training rows only."""
    head = learner.head
    if isinstance(head.standardise, Standardise):
        pooled = torch.cat([_mean_pool(*batch[:2]) for batch in _represented(learner, features, rows)])
        head.standardise.set_statistics(pooled.mean(0), pooled.std(0))
    if head.spectrogram is not None and isinstance(head.spectrogram.standardise, Standardise):
        image = torch.cat([_present(batch[3]) for batch in _represented(learner, features, rows)]).flatten(0, 1)
        head.spectrogram.standardise.set_statistics(image.mean(0), image.std(0))


def _represented(learner: Learner, features: FrozenFeatures, rows: np.ndarray) -> Iterator[Batch]:
    device = _device_of(learner)
    for batch in _batches(rows, 64):
        with torch.no_grad():
            yield learner.represent(_moved(features.batch(batch), device))


def _mean_pool(frames: Tensor, valid: Tensor) -> Tensor:
    mask = torch.arange(frames.shape[1], device=frames.device) < valid[:, None]
    return (frames * mask[..., None]).sum(1) / valid[:, None]


def _optimiser(learner: Learner, recipe: Recipe) -> torch.optim.AdamW:
    classifier = list(learner.head.classify.parameters())
    chosen = {id(parameter) for parameter in classifier}
    guidance = [parameter for parameter in learner.head.parameters() if id(parameter) not in chosen]
    tuned = [] if learner.encoders is None else [p for p in learner.encoders.parameters() if p.requires_grad]
    groups = [
        {"params": parameters, "lr": rate}
        for parameters, rate in (
            (classifier, recipe.classifier_lr),
            (guidance, recipe.guidance_lr),
            (tuned, recipe.encoder_lr),
        )
        if parameters
    ]
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)


def _loss(learner: Learner, batch: Batch, targets: Tensor, recipe: Recipe, weights: Tensor | None) -> Tensor:
    head, device = learner.head, _device_of(learner)
    unguided = (torch.rand(len(targets)) < recipe.guidance_skip).to(device)
    batch = _moved(batch, device)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" and recipe.mixed_precision):
        output: HeadOutput = learner(batch, unguided)
    loss = functional.cross_entropy(
        output.logits.float(),
        targets.to(device),
        None if weights is None else weights.to(device),
        label_smoothing=recipe.label_smoothing,
    )
    loss = loss + recipe.classifier_l2 * head.classify.weight.square().sum() / 2
    if head.enhance is None or recipe.weight_penalty == 0:
        return loss
    valid = batch[1]
    spoken = torch.arange(output.weights.shape[1], device=device) < valid[:, None]
    departure = (output.weights * valid[:, None] - 1)[spoken]
    return loss + recipe.weight_penalty * departure.square().mean()


def _device_of(learner: Learner) -> torch.device:
    return learner.head.classify.weight.device


def _moved(batch: Batch, device: torch.device) -> Batch:
    frames, valid_frames, mfcc, image = batch
    return (
        frames.to(device),
        valid_frames.to(device),
        None if mfcc is None else mfcc.to(device),
        None if image is None else image.to(device),
    )


def _present(image: Tensor | None) -> Tensor:
    assert image is not None
    return image


def _batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
