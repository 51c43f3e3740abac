"""`emoboost-batch train`: one model from one labelled corpus, in one process."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emoboost.backbone import load_encoder
from emoboost.card import CONFUSION_PICTURE, CardFacts, model_card
from emoboost.checkpoint import CARD, save_model
from emoboost.config import (
    EnhancementConfig,
    MfccBranchConfig,
    ModelConfig,
    SpectrogramBranchConfig,
)
from emoboost.corpus import Corpus, read_corpus
from emoboost.corpus_facts import audio_hash
from emoboost.errors import OutputError, UsageError
from emoboost.folds import PROTOCOLS, Rows
from emoboost.frozen import compute_frozen, read_waveforms, without_guidance
from emoboost.metrics import confusion, unweighted_accuracy, weighted_accuracy
from emoboost.model import FrozenEncoders
from emoboost.plots import plot_confusion
from emoboost.recipe import Recipe
from emoboost.training import EpochReport, train_head
from emoboost.trials import Experiment, Pooled, Trial, fit_temperature, pool, run_trial
from jobs.console import say
from jobs.exits import Exit

if TYPE_CHECKING:
    import torch

LAYERS = (2, 3, 4)
SHIPPED = "with guidance (shipped)"


@dataclass(frozen=True)
class Origin:
    """Where the training corpus comes from, in words for the model card."""

    description: str
    licence: str
    notes: str


def train_command(
    corpus_manifest: str, output: Path, encoder: Path, alexnet: Path, origin: Origin, seed: int, loso_seeds: str
) -> Exit:
    """Train, evaluate on held-out speakers, write the model folder."""
    seeds = parse_seeds(loso_seeds)
    refuse_taken(output)
    corpus, recipe = read_corpus(corpus_manifest), Recipe()
    config, encoders = build(output.name, corpus, encoder, alexnet)
    waveforms = read_waveforms(corpus, config.segment.sample_rate)
    make_folder(output)
    folds = PROTOCOLS["loso"].folds(fold_rows(corpus, waveforms))
    features = compute_frozen(waveforms, config, encoders, recipe.speeds, _show_features(len(waveforms)))
    truth = corpus.class_numbers(config.classes)
    variants = {SHIPPED: config, "encoder alone": without_guidance(config)}
    experiment = Experiment(features, truth, folds, variants, recipe)
    runs = {name: [_loso(experiment, name, seed) for seed in seeds] for name in variants}
    counts = {name: [(run.seed, _confusion(run, truth, config)) for run in pooled] for name, pooled in runs.items()}
    rows = np.arange(len(features.utterance))
    head = train_head(features, truth[features.utterance], rows, config, recipe, seed, _show_epoch).head
    seconds = sum(map(len, waveforms)) / config.segment.sample_rate
    facts = card_facts(corpus, origin, seconds, counts)
    config = dataclasses.replace(
        config,
        temperature=_temperature(runs[SHIPPED], truth),
        training=provenance(facts, hash_corpus(corpus, waveforms), recipe, seed),
    )
    folder = save_model(output, config, head.state_dict(), stored_precision(encoders))
    (output / CARD).write_text(model_card(config, facts), encoding="utf-8")
    for s, table in counts[SHIPPED][:1]:
        title = f"{config.name}: leave-one-speaker-out, seed {s}\n{_accuracies(table)}"
        plot_confusion(table, config.classes, title, output / CONFUSION_PICTURE)
    print(f"{folder.identity} in {output} ({folder.size / 1e6:.1f} MB)")
    return Exit.COMPLETE


def refuse_taken(output: Path) -> None:
    """Stop when the model folder would not be a new or empty one.

    Raises:
        OutputError: there is a file of that name, or the folder holds something.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output}: exists and is not an empty folder; choose a new one with --output")


def make_folder(output: Path) -> None:
    """Make the model folder before the long work, so that a place that cannot be written is found now.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be made a model folder ({error.strerror})") from error


def read_notes(file: Path | None) -> str:
    """The text of `--notes`.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return "" if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--notes {file}: cannot be read ({error})") from error


def parse_seeds(text: str) -> list[int]:
    """`0,1,2` -> [0, 1, 2]; empty -> [].

    Raises:
        UsageError: something that is not a whole number.
    """
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"--loso-seeds {text}: give whole numbers separated by commas, as in 0,1,2") from None


def build(name: str, corpus: Corpus, encoder: Path, alexnet: Path) -> tuple[ModelConfig, FrozenEncoders]:
    """Recipe R's model: its config, and the frozen networks with their weights."""
    backbone = load_encoder(encoder, LAYERS)
    source = "openai/whisper-base" if backbone.config.family == "whisper" else backbone.config.source
    config = ModelConfig(
        name=name,
        classes=corpus.classes,
        backbone=dataclasses.replace(backbone.config, source=source),
        mfcc_branch=MfccBranchConfig(frame_pool=4, lstm_layers=1, lstm_hidden=32),
        spectrogram_branch=SpectrogramBranchConfig(standardise=True),
        enhancement=EnhancementConfig(form="mean_start", standardise_frames=True),
    )
    encoders = FrozenEncoders(config)
    encoders.backbone.load_state_dict(backbone.state_dict())
    load_alexnet(encoders, alexnet)
    return config, encoders


def load_alexnet(encoders: FrozenEncoders, file: Path) -> None:
    """Read torchvision's convolutional weights, every tensor exactly once.

    Raises:
        UsageError: the file cannot be read, or holds other tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    assert encoders.alexnet is not None
    try:
        encoders.alexnet.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{file}: not the features of torchvision's AlexNet in safetensors ({reason})") from error


def stored_precision(encoders: FrozenEncoders) -> dict[str, "torch.Tensor"]:
    """The frozen weights as they are published: Whisper in float16, AlexNet in float32."""
    return {
        name: tensor.half() if name.startswith("backbone.") else tensor
        for name, tensor in encoders.state_dict().items()
    }


def card_facts(
    corpus: Corpus, origin: Origin, seconds: float, counts: Mapping[str, Sequence[tuple[int, np.ndarray]]]
) -> CardFacts:
    """What the card tells of corpus and results."""
    return CardFacts(
        description=origin.description,
        licence=origin.licence,
        notes=origin.notes,
        utterances=len(corpus.utterances),
        speakers=len(set(corpus.speakers)),
        hours=seconds / 3600,
        results={variant: list(results) for variant, results in counts.items() if results},
    )


def provenance(facts: CardFacts, corpus_hash: str, recipe: Recipe, seed: int) -> dict[str, object]:
    """What `config.json` remembers of the training."""
    return {
        "summary": f"trained on {facts.description}, {facts.utterances} utterances of {facts.speakers} speakers",
        "corpus_sha256": corpus_hash,
        "licence": facts.licence,
        "recipe": asdict(recipe),
        "seed": seed,
        "loso": {
            variant: [{"seed": s, "wa": weighted_accuracy(c), "ua": unweighted_accuracy(c)} for s, c in results]
            for variant, results in facts.results.items()
        },
    }


def hash_corpus(corpus: Corpus, waveforms: Sequence[np.ndarray]) -> str:
    """SHA-256 over label, speaker and samples of every utterance: the same wherever the corpus lies."""
    digest = hashlib.sha256()
    for label, speaker, waveform in zip(corpus.labels, corpus.speakers, waveforms, strict=True):
        digest.update(f"{label}\0{speaker}\0{len(waveform)}\0".encode())
        digest.update(waveform.astype("<f4").tobytes())
    return digest.hexdigest()


def fold_rows(corpus: Corpus, waveforms: Sequence[np.ndarray]) -> Rows:
    """What protocols may look at."""
    return Rows(
        label=corpus.labels,
        speaker=corpus.speakers,
        session=corpus.sessions,
        text=corpus.texts,
        split=corpus.splits,
        audio=[audio_hash(waveform) for waveform in waveforms],
        name=[utterance.utterance_id for utterance in corpus.utterances],
    )


def _loso(experiment: Experiment, variant: str, seed: int) -> Pooled:
    results = [run_trial(experiment, Trial(variant, seed, fold)) for fold in range(len(experiment.folds))]
    run = pool(variant, seed, results)
    table = _confusion(run, experiment.truth, experiment.variants[variant])
    say(f"leave-one-speaker-out, {variant}, seed {seed}: {_accuracies(table)}")
    return run


def _confusion(run: Pooled, truth: np.ndarray, config: ModelConfig) -> np.ndarray:
    tested, probabilities = run.probabilities()
    return confusion(truth[tested], probabilities.argmax(axis=1), len(config.classes))


def _accuracies(table: np.ndarray) -> str:
    return f"WA {weighted_accuracy(table):.1%}, UA {unweighted_accuracy(table):.1%}"


def _temperature(runs: Sequence[Pooled], truth: np.ndarray) -> float:
    if not runs:
        return 1.0
    logits = np.concatenate([run.logits for run in runs])
    return fit_temperature(logits, np.concatenate([truth[run.utterance] for run in runs]))


def _show_features(total: int) -> Callable[[int], None]:
    def show(done: int) -> None:
        if done % 50 == 0 or done == total:
            say(f"frozen features: {done:,} of {total:,} utterances")

    return show


def _show_epoch(report: EpochReport) -> None:
    say(f"training the shipped head: epoch {report.epoch}, loss {report.loss:.3f}")
