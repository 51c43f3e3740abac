"""`emoboost-batch evaluate`: train and test with a protocol, or score a fixed model; write a report folder."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from emoboost.corpus import read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.enrolment import Enrolment
from emoboost.errors import OutputError
from emoboost.evaluation import Evaluation, Example
from emoboost.label_maps import load_label_map
from emoboost.model import EnhancementHead, frames_of
from emoboost.predict import preparation_for
from emoboost.prepare import Preparation
from emoboost.recipe import Recipe
from emoboost.report import REPORT_FILE, write_report
from emoboost.scoring import scores_of
from emoboost.trials import Trial, TrialResult
from emoboost.variants import VARIANTS
from jobs.console import say
from jobs.cross_corpus import cross_protocol, join, shared_names
from jobs.laboratory import Laboratory, Plan, open_run, prepare
from jobs.tensorboard import write_tensorboard

TRIALS = "trials"
RAY_LOG = "ray.log"
EXAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What a user may choose."""

    corpus: str
    output: Path
    protocol: str = "loso"
    k: int = 5
    seeds: Sequence[int] = (0,)
    variants: Sequence[str] = ("both", "encoder")
    recipe: Recipe
    source: EncoderSource
    label_map: str | None = None
    train_on: str | None = None
    """Manifest of another corpus: train there, test here."""
    calibrate: bool = True
    keep_checkpoints: bool = False
    conditions: Sequence[str] = ()
    """Under which the tested utterances are tried, too."""
    adapt: Sequence[Enrolment] = ()
    """Ways to adapt to the tested speakers that are tried, too."""
    resume: bool = False
    cache: Path
    ray_address: str | None = None


def evaluate(options: EvaluateOptions) -> Evaluation:
    """Train and test, write the report folder.

    Raises:
        UsageError: found before the work: a bad corpus, encoder, protocol, option or folder.
        EmoboostError: a training failed; the same command with `--resume` goes on.
    """
    laboratory = laboratory_of(options)
    folder = (options.output / TRIALS).absolute()
    if not options.resume:
        refuse_report(options.output)
    open_run(folder, laboratory.identity(), resume=options.resume)
    refuse_unreachable(options.ray_address)
    remarks = remarks_on(laboratory)
    for remark in remarks:
        say(f"note: {remark}")
    work = laboratory.trial_work(folder, "cpu")
    if work.missing():
        with quiet(options.output / RAY_LOG), connected(options.ray_address) as cluster:
            say(f"Running on {cluster.describe()}")
            laboratory.compute_features(cluster)
            laboratory.run(folder, cluster)
    results = work.results()
    write_tensorboard(folder / "tensorboard", results)
    evaluation = evaluation_of(laboratory, results, remarks)
    write_report(evaluation, options.output)
    return evaluation


def refuse_report(folder: Path) -> None:
    """Stop before a report is replaced.

    Raises:
        OutputError: the folder holds one.
    """
    if (folder / REPORT_FILE).exists():
        raise OutputError(f"{folder}: holds a report already; choose another --output")


def laboratory_of(options: EvaluateOptions) -> Laboratory:
    """Everything checked."""
    label_map = None if options.label_map is None else load_label_map(options.label_map)
    corpus = read_corpus(options.corpus, label_map)
    plan = Plan(
        variants=options.variants,
        seeds=options.seeds,
        recipe=options.recipe,
        source=options.source,
        calibrated=options.variants[:1] if options.calibrate else (),
        keep_checkpoints=options.keep_checkpoints,
        conditions=options.conditions,
        adapt=options.adapt,
    )
    if options.train_on is None:
        return prepare(corpus, plan, options.cache, protocol=options.protocol, k=options.k)
    source = read_corpus(options.train_on, label_map)
    joined = join(source, corpus)
    return prepare(joined, plan, options.cache, protocol=cross_protocol(source, corpus))


def remarks_on(laboratory: Laboratory) -> list[str]:
    """What a reader of the figures must know."""
    corpus, protocol, lines = laboratory.corpus, laboratory.protocol, []
    if heard := laboratory.heard:
        lines.append(
            f"LEAKY: {len(heard):,} speakers are tested and trained on (for example {heard[0]}); the figures are too "
            "good for unknown speakers"
        )
    if protocol.leaky:
        lines.append(f"LEAKY protocol: {protocol.description}; the figures are too good for unknown speakers")
    lines += laboratory.remarks()
    if any(fold.shared(corpus.texts) for fold in laboratory.folds):
        lines.append("training and test share sentences (not recordings); protocol text keeps them apart")
    if same := shared_names(corpus):
        lines.append(
            f"{len(same):,} speakers have the same name in both corpora (for example {same[0]}); if they are the same "
            "people, the figures are too good for unknown speakers"
        )
    by_speaker: dict[str, set[str]] = {}
    for row in laboratory.tested:
        by_speaker.setdefault(corpus.speakers[row], set()).add(corpus.labels[row])
    if single := sorted(speaker for speaker, labels in by_speaker.items() if len(labels) == 1):
        lines.append(
            f"{len(single):,} of {len(by_speaker):,} speakers speak one class only (for example {single[0]}): their "
            "voice may stand for the class"
        )
    return lines


def evaluation_of(laboratory: Laboratory, results: Mapping[Trial, TrialResult], remarks: Sequence[str]) -> Evaluation:
    """Results as scores, with what the report tells of the corpus."""
    plan = laboratory.plan
    known = laboratory.evaluation()
    return dataclasses.replace(
        known,
        variants={
            VARIANTS[name].title: scores_of(results, name, plan.seeds, known.truth, plan.conditions)
            for name in plan.variants
        },
        parameters={
            VARIANTS[name].title: sum(p.numel() for p in EnhancementHead(variant).parameters())
            for name, variant in laboratory.variants.items()
        },
        recipe=plan.recipe,
        examples=examples_of(laboratory, results),
        remarks=remarks,
    )


def examples_of(laboratory: Laboratory, results: Mapping[Trial, TrialResult]) -> list[Example]:
    """Frame weights of the first variant on one utterance of each class, from different folds."""
    name, seed, corpus = laboratory.plan.variants[0], laboratory.plan.seeds[0], laboratory.corpus
    if laboratory.variants[name].mfcc_branch is None and laboratory.variants[name].spectrogram_branch is None:
        return []
    preparation = preparation_for(laboratory.config, corpus.base)
    examples: list[Example] = []
    for number, label in enumerate(laboratory.config.classes[:EXAMPLES]):
        for turn in range(len(laboratory.folds)):
            result = results[Trial(name, seed, (number + turn) % len(laboratory.folds))]
            of_class = [row for row, utterance in enumerate(result.utterance) if corpus.labels[utterance] == label]
            if of_class:
                examples.append(example_of(laboratory, preparation, result, of_class[0]))
                break
    return examples


def example_of(laboratory: Laboratory, preparation: Preparation, result: TrialResult, row: int) -> Example:
    """The first segment of an utterance; `row` is its position in the result."""
    utterance = laboratory.corpus.utterances[result.utterance[row]]
    truth = laboratory.corpus.labels[result.utterance[row]]
    segments = result.logits[result.utterance == result.utterance[row]]
    label = laboratory.config.classes[int(softmax(segments, axis=1).mean(axis=0).argmax())]
    prepared = preparation([utterance])
    valid = int(prepared.valid[0])
    return Example(
        f"{utterance.utterance_id}: {truth}, labelled {label}",
        prepared.inputs["spectrogram"][0].astype(np.float32),
        relative_weights(result.frame_weights[row], valid, laboratory),
        min(valid / laboratory.config.segment.sample_rate, 3.0),
    )


def relative_weights(weights: np.ndarray, valid_samples: int, laboratory: Laboratory) -> np.ndarray:
    """Frame weights as multiples of mean pooling's."""
    import torch

    if laboratory.config.enhancement.form == "paper":
        return weights * len(weights)
    return weights * int(frames_of(torch.tensor([valid_samples]), laboratory.config.backbone)[0])
