"""`emoboost-batch train`: one model from one labelled corpus, with its figures on speakers it never heard."""

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from cluster.resources import slots_for
from emoboost.adaptation import AdaptedHead
from emoboost.card import CONFUSION_PICTURE, VECTORS_OF, CardFacts, model_card
from emoboost.checkpoint import (
    CARD,
    TRAINING_AUDIO,
    ModelFolder,
    find_model,
    load_frozen,
    load_network,
    save_model,
)
from emoboost.config import ModelConfig
from emoboost.corpus import Corpus, read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.errors import EmoboostError, OutputError, UsageError
from emoboost.evaluation import Scores
from emoboost.label_maps import load_label_map
from emoboost.ledger import refuse_inside
from emoboost.metrics import confusion, unweighted_accuracy, weighted_accuracy
from emoboost.plots import plot_confusion
from emoboost.printable import printable
from emoboost.priors import CLASS_SHARES
from emoboost.recipe import Recipe
from emoboost.scoring import pooled_temperature, scores_of
from emoboost.storage import Folder
from emoboost.survey import Survey
from emoboost.temporary import temporary_folder
from emoboost.training import EpochReport, Trained, train_head
from emoboost.trials import adapted_head
from emoboost.variants import ALONE, VARIANTS, WHOLE
from jobs.console import say, tell
from jobs.exits import Exit
from jobs.laboratory import Laboratory, Plan, prepare
from jobs.score_model import heard_before, warnings_of
from jobs.trial_workers import TrialWork

if TYPE_CHECKING:
    import torch

SHIPPED = " (shipped)"
"""Behind the title of the variant that is written."""


@dataclass(frozen=True)
class Origin:
    """Where the training corpus comes from, in words for the model card."""

    description: str
    licence: str
    notes: str


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What a user may choose."""

    corpus: str
    output: Path
    origin: Origin
    variant: str
    """Name of `VARIANTS`."""
    seed: int
    loso_seeds: Sequence[int]
    recipe: Recipe
    source: EncoderSource
    label_map: str | None
    cache: Path
    ray_address: str | None

    @property
    def titles(self) -> dict[str, str]:
        """Variants that are tested on held-out speakers, the one that is written first, as the card calls them."""
        title = "with guidance" if self.variant == WHOLE else VARIANTS[self.variant].title
        if self.source.classifier_only:
            return {self.variant: title + SHIPPED}
        return {self.variant: title + SHIPPED} | {
            name: VARIANTS[name].title for name in [ALONE] if name != self.variant
        }


def train(options: TrainOptions) -> Exit:
    """Test on held-out speakers, train on all, write the model folder."""
    refuse_taken(options.output)
    corpus = read_corpus(options.corpus, None if options.label_map is None else load_label_map(options.label_map))
    plan = Plan(variants=tuple(options.titles), seeds=options.loso_seeds, recipe=options.recipe, source=options.source)
    laboratory = prepare(corpus, plan, options.cache, name=options.output.name)
    if (base := base_of(options.source)) is not None:
        load_network(base)  # before the work rather than in every worker
        warnings = warnings_of(base, corpus, heard_before(base, corpus, laboratory.found))
        options = dataclasses.replace(options, origin=beside(base, options.origin, warnings))
    refuse_unreachable(options.ray_address)
    with (
        published_whole(options.output) as model_folder,
        temporary_folder() as work,
    ):
        saved = _train(options, laboratory, base, model_folder, work)
        summary = f"{saved.identity} in {options.output} ({saved.size / 1e6:.1f} MB)"
    tell(printable(summary))
    return Exit.COMPLETE


def base_of(source: EncoderSource) -> ModelFolder | None:
    """The model whose vectors a classifier alone is trained on; None when vectors are trained, too."""
    return find_model(source.model) if source.classifier_only else None


def _train(
    options: TrainOptions, laboratory: Laboratory, base: ModelFolder | None, output: Path, folder: Path
) -> ModelFolder:
    with quiet(folder / "ray.log"), connected(options.ray_address) as cluster:
        say(f"Running on {cluster.describe()}")
        laboratory.compute_features(cluster)
        results = laboratory.run(folder, cluster) if options.loso_seeds else {}
        device = slots_for(cluster.nodes, 1).device
    truth = laboratory.corpus.class_numbers(laboratory.config.classes)
    scores = {title: scores_of(results, name, options.loso_seeds, truth) for name, title in options.titles.items()}
    work = laboratory.trial_work(folder, device)
    trained = _train_on_all(laboratory, work, options)
    adapted = adapted_head(work.experiment(), trained.learner, np.arange(len(laboratory.corpus.labels)))
    counts = {
        title: [(run.seed, _confusion(run, truth, len(laboratory.config.classes))) for run in runs]
        for title, runs in scores.items()
    }
    for title, runs in counts.items():
        for seed, table in runs:
            say(f"leave-one-speaker-out, {title}, seed {seed}: {_accuracies(table)}")
    facts = card_facts(laboratory.corpus, options.origin, float(laboratory.found.seconds.sum()), counts)
    config = dataclasses.replace(
        VARIANTS[options.variant].change(laboratory.config),
        temperature=pooled_temperature(results, options.variant, truth) if results else 1.0,
        training=provenance(facts, laboratory.corpus, hash_corpus(laboratory), options.recipe, options.seed)
        | ({} if base is None else {VECTORS_OF: base.identity}),
    )
    heard = training_audio(laboratory.corpus, laboratory.found, None if base is None else base.training_audio)
    try:
        return _write(output, laboratory, config, facts, heard, trained, adapted)
    except OSError as error:
        raise OutputError(
            f"{options.output}: cannot be written ({error.strerror or error}); free space or choose another --output, "
            "the same command trains again from the features that are kept"
        ) from error


def _write(
    folder: Path,
    laboratory: Laboratory,
    config: ModelConfig,
    facts: CardFacts,
    heard: str,
    trained: Trained,
    adapted: AdaptedHead | None,
) -> ModelFolder:
    (folder / TRAINING_AUDIO).write_text(heard, encoding="utf-8")
    (folder / CARD).write_text(model_card(config, facts), encoding="utf-8")
    for seed, table in next(iter(facts.results.values()), ())[:1]:
        title = f"{config.name}: leave-one-speaker-out, seed {seed}\n{_accuracies(table)}"
        plot_confusion(table, config.classes, title, folder / CONFUSION_PICTURE)
    frozen = _frozen_weights(laboratory, trained)
    return save_model(folder, config, trained.head.state_dict(), frozen, adapted)


def training_audio(corpus: Corpus, found: Survey, before: Mapping[str, str] | None = None) -> str:
    """What `ModelFolder.training_audio` reads.

    Args:
        corpus: whose labels were learned.
        found: its audio.
        before: what another model, of which something is kept, was trained on; None where there is no other model. One
            that does not say it leaves the new model unable to say it, too, so that every corpus is warned of.
    """
    if before is not None and not before:
        return ""
    pairs = zip(found.audio, corpus.utterances, strict=True)
    heard = {**(before or {}), **{audio: " ".join(utterance.utterance_id.split()) for audio, utterance in pairs}}
    return "".join(sorted(f"{audio} {name}\n" for audio, name in heard.items()))


def beside(base: ModelFolder, origin: Origin, warnings: Sequence[str]) -> Origin:
    """What is told of a classifier's corpus, and what it owes to the model whose vectors it reads.

    Args:
        base: that model.
        origin: of the corpus.
        warnings: what makes figures on the corpus too good, or may; said, and written into the card.
    """
    theirs = base.config.training.get("licence", "not told")
    lines = [f"{base.identity}, whose vectors are kept: {warning}" for warning in warnings]
    for line in lines:
        say(f"warning: {line}")
    notes = [*([origin.notes] if origin.notes else []), *(f"- {line}." for line in lines)]
    licence = f"{origin.licence.rstrip('.')}; of {base.identity}, whose vectors these are: {theirs}"
    return Origin(origin.description, licence, "\n".join(notes))


def _train_on_all(laboratory: Laboratory, work: TrialWork, options: TrainOptions) -> Trained:
    experiment = work.experiment()
    features = experiment.features
    # Of recipes with early stopping: with no speaker left to stop by, the epochs are all of the recipe's.
    recipe = dataclasses.replace(laboratory.plan.recipe, patience=None)
    try:
        return train_head(
            features,
            experiment.truth[features.utterance],
            np.arange(len(features.utterance)),
            VARIANTS[options.variant].change(laboratory.config),
            recipe,
            options.seed,
            _show_epoch,
            device=work.device,
            encoders=experiment.encoders,
            speakers=experiment.speaking,
            kept=experiment.kept,
        )
    except FloatingPointError as error:
        raise EmoboostError(str(error)) from error


def _frozen_weights(laboratory: Laboratory, trained: Trained) -> dict[str, "torch.Tensor"]:
    """Of the encoders as they are used and published: tuned by this training, or as they came."""
    source = laboratory.plan.source
    if source.classifier_only:
        # With all that the file holds, used or not: its hash tells whose vectors these are.
        return load_frozen(find_model(source.model))
    if trained.learner.encoders is not None:
        return stored_precision(trained.learner.encoders.state_dict())
    return stored_precision(source.load(laboratory.config.name, laboratory.config.classes)[1].state_dict())


def refuse_taken(output: Path) -> None:
    """Stop when the model folder would not be a new or empty one.

    Raises:
        OutputError: there is a file of that name, the folder holds something, or it would lie in an output.
    """
    refuse_inside(Folder.at(output))
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output}: exists and is not an empty folder; choose a new one with --output")


@contextlib.contextmanager
def published_whole(output: Path) -> Iterator[Path]:
    """A folder beside `output` that takes its place at the end, or is removed when anything fails.

    It is made before the long work, so that a place that cannot be written is found now.

    Raises:
        OutputError: it cannot be made, or, at the end, not be put in place; then it stays where it is.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    if output.is_mount():
        raise OutputError(f"{output}: a file system is mounted there; name a folder in it with --output")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be made a model folder ({error.strerror})") from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        folder.replace(output)
    except OSError as error:
        raise OutputError(
            f"{output}: the model cannot be put there ({error.strerror}); it is whole in {folder}, move it"
        ) from error


def read_notes(file: Path | None) -> str:
    """The text of `--notes`.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        return "" if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--notes {file}: cannot be read ({error})") from error


def stored_precision(frozen: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    """The frozen weights as they are published: the speech encoder in float16, AlexNet in float32."""
    return {name: tensor.half() if name.startswith("backbone.") else tensor for name, tensor in frozen.items()}


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


def provenance(facts: CardFacts, corpus: Corpus, corpus_hash: str, recipe: Recipe, seed: int) -> dict[str, object]:
    """What `config.json` remembers of the training."""
    return {
        "summary": f"trained on {facts.description}, {facts.utterances} utterances of {facts.speakers} speakers",
        "corpus_sha256": corpus_hash,
        CLASS_SHARES: corpus.class_shares,
        "licence": facts.licence,
        "recipe": asdict(recipe),
        "seed": seed,
        "loso": {
            variant: [{"seed": s, "wa": weighted_accuracy(c), "ua": unweighted_accuracy(c)} for s, c in results]
            for variant, results in facts.results.items()
        },
    }


def hash_corpus(laboratory: Laboratory) -> str:
    """SHA-256 over label, speaker and samples of every utterance: the same wherever the corpus lies."""
    corpus, digest = laboratory.corpus, hashlib.sha256()
    for label, speaker, audio in zip(corpus.labels, corpus.speakers, laboratory.found.audio, strict=True):
        digest.update(f"{label}\0{speaker}\0{audio}\0".encode())
    return digest.hexdigest()


def _confusion(run: Scores, truth: np.ndarray, classes: int) -> np.ndarray:
    return confusion(truth[run.tested], run.probabilities.argmax(axis=1), classes)


def _accuracies(table: np.ndarray) -> str:
    return f"WA {weighted_accuracy(table):.1%}, UA {unweighted_accuracy(table):.1%}"


def _show_epoch(report: EpochReport) -> None:
    say(f"training on all speakers: epoch {report.epoch}, loss {report.loss:.3f}")
