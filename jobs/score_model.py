"""`emoboost-batch evaluate --model`: score a fixed model on a labelled corpus, without training."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from emoboost.checkpoint import ModelFolder, find_model, load_network
from emoboost.corpus import Corpus, read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.errors import UsageError
from emoboost.evaluation import Evaluation, Scores
from emoboost.folds import Protocol
from emoboost.frozen import FrozenFeatures
from emoboost.label_maps import load_label_map, merged_classes, merged_probabilities
from emoboost.recipe import Recipe
from emoboost.report import write_report
from emoboost.segment_means import utterance_means
from emoboost.survey import Survey
from emoboost.trials import Pooled
from jobs.console import say
from jobs.evaluate import RAY_LOG, refuse_report
from jobs.laboratory import Laboratory, Plan, prepare_fixed

FIXED = Protocol(
    "fixed model", "every utterance is scored by one model that is not trained here", (), lambda rows, k: iter(())
)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What a user may choose."""

    corpus: str
    model: str
    output: Path
    label_map: str | None
    conditions: Sequence[str] = ()
    """Under which the utterances are tried, too."""
    cache: Path
    ray_address: str | None


def score_model(options: ScoreOptions) -> Evaluation:
    """Score and write the report folder.

    Raises:
        UsageError: a bad corpus, model or folder, or labels that the model cannot give.
    """
    refuse_report(options.output)
    folder = find_model(options.model)
    folder.verify()
    label_map = None if options.label_map is None else load_label_map(options.label_map)
    corpus = read_corpus(options.corpus, label_map)
    classes, merging = merged_classes(folder.config.classes, label_map)
    if unknown := sorted(set(corpus.labels) - set(classes)):
        raise UsageError(
            f"{corpus.manifest}: class {unknown[0]} is none of the model's ({', '.join(classes)}); bring both to the "
            "same classes with --label-map"
        )
    plan = Plan(
        variants=(),
        seeds=(),
        recipe=Recipe(copies=("clean",)),
        source=EncoderSource(model=folder.reference),
        conditions=options.conditions,
    )
    laboratory = prepare_fixed(corpus, plan, options.cache, FIXED)
    refuse_unreachable(options.ray_address)
    heard = heard_before(folder, corpus, laboratory.found)
    warnings, notes = warnings_of(folder, corpus, heard), laboratory.remarks()
    for kind, lines in (("warning", warnings), ("note", notes)):
        for line in lines:
            say(f"{kind}: {line}")
    options.output.mkdir(parents=True, exist_ok=True)
    if laboratory.missing_features():
        with quiet(options.output / RAY_LOG), connected(options.ray_address) as cluster:
            say(f"Running on {cluster.describe()}")
            laboratory.compute_features(cluster)
    evaluation = evaluation_of(folder, laboratory, merging, classes, [*warnings, *notes], leaky=bool(heard))
    write_report(evaluation, options.output)
    return evaluation


def heard_before(folder: ModelFolder, corpus: Corpus, found: Survey) -> list[str]:
    """Ids of the utterances that are in the model's training data."""
    known = folder.training_audio.keys()
    pairs = zip(corpus.utterances, found.audio, strict=True)
    return [utterance.utterance_id for utterance, audio in pairs if audio in known]


def warnings_of(folder: ModelFolder, corpus: Corpus, heard: Sequence[str]) -> list[str]:
    """What makes the figures too good, or may."""
    if heard:
        return [
            f"{len(heard):,} of {len(corpus.utterances):,} utterances are in the model's training data (for example "
            f"{heard[0]}): the figures are too good for unknown speech"
        ]
    known = set(folder.training_audio.values())
    names = [{utterance.utterance_id, PurePosixPath(utterance.uri).stem} for utterance in corpus.utterances]
    if same := [min(known & either) for either in names if known & either]:
        return [
            f"{len(same):,} of {len(names):,} utterances have names of training data (for example {same[0]}) and other "
            "samples; if they are the same recordings in another form, the figures are too good"
        ]
    if not folder.training_audio:
        return [f"{folder.identity} does not say which audio it was trained on; the corpus may be part of it"]
    return []


def evaluation_of(
    folder: ModelFolder,
    laboratory: Laboratory,
    merging: np.ndarray,
    classes: tuple[str, ...],
    remarks: Sequence[str],
    *,
    leaky: bool,
) -> Evaluation:
    """Every utterance through the model's head."""
    features = laboratory.cache.features([[wanted.name for wanted in copies] for copies in laboratory.wanted])
    corpus, config = laboratory.corpus, folder.config
    logits, vectors = head_outputs(folder, features)
    count = len(corpus.utterances)
    # Undivided logits need a bias that is larger by as much.
    undivided = tuple(config.temperature * each for each in config.bias)

    def of_segments(
        logits: np.ndarray,
        utterance: np.ndarray,
        temperature: float = config.temperature,
        bias: tuple[float, ...] = config.bias,
    ) -> np.ndarray:
        """Probabilities of every utterance, as the model gives them unless said."""
        pooled = Pooled(logits, utterance, np.zeros(len(logits), np.int64))
        return merged_probabilities(pooled.probabilities(temperature, bias)[1], merging)

    scores = Scores(
        seed=int(config.training.get("seed", 0)),
        tested=np.arange(count),
        fold=np.zeros(count, np.int64),
        probabilities=of_segments(logits, features.utterance, 1.0, undivided),
        calibrated=of_segments(logits, features.utterance),
        temperatures=(config.temperature,),
        vectors=utterance_means(vectors, features.utterance, count).astype(np.float32),
        changed=changed_probabilities(folder, laboratory, of_segments),
        finished=True,
    )
    return dataclasses.replace(
        laboratory.evaluation(),
        leaky=leaky,
        folds=["all"],
        classes=classes,
        truth=corpus.class_numbers(classes),
        variants={folder.config.name: [scores]},
        model=folder.identity,
        remarks=remarks,
    )


def changed_probabilities(
    folder: ModelFolder, laboratory: Laboratory, of_segments: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    """What the model says of every utterance under each condition; nothing where none is tried."""
    if not laboratory.changed:
        return {}
    features = laboratory.cache.features([[tried.name for tried in copies] for copies in laboratory.changed])
    logits, _ = head_outputs(folder, features)
    return {
        name: of_segments(logits[features.copy == number], features.utterance[features.copy == number])
        for number, name in enumerate(laboratory.plan.conditions)
    }


def head_outputs(folder: ModelFolder, features: FrozenFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Logits (segments, classes) and vectors (segments, D) of every row."""
    import torch

    head = load_network(folder).head
    with torch.inference_mode():
        outputs = [
            head(*features.batch(np.arange(start, min(start + 64, len(features.utterance)))))
            for start in range(0, len(features.utterance), 64)
        ]
    return (
        torch.cat([output.logits for output in outputs]).numpy(),
        torch.cat([output.vector for output in outputs]).numpy(),
    )
