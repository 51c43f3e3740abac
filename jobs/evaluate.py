"""`emoboost-batch evaluate`: train and test with a protocol, or score a fixed model; write a report folder."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.connect import connected, refuse_unreachable
from cluster.quiet import quiet
from emoboost.corpus import read_corpus
from emoboost.encoder_source import EncoderSource
from emoboost.evaluation import Evaluation, Example
from emoboost.label_maps import load_label_map
from emoboost.model import EnhancementHead, frames_of
from emoboost.predict import preparation_for
from emoboost.recipe import Recipe
from emoboost.report import write_report
from emoboost.scoring import scores_of
from emoboost.trials import Trial, TrialResult
from emoboost.variants import VARIANTS
from jobs.console import say
from jobs.cross_corpus import cross_protocol, join
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
    )
    if options.train_on is None:
        return prepare(corpus, plan, options.cache, protocol=options.protocol, k=options.k)
    source = read_corpus(options.train_on, label_map)
    joined = join(source, corpus)
    return prepare(joined, plan, options.cache, protocol=cross_protocol(source, corpus))


def remarks_on(laboratory: Laboratory) -> list[str]:
    """What a reader of the figures must know."""
    corpus, protocol, lines = laboratory.corpus, laboratory.protocol, []
    if protocol.leaky:
        lines.append(f"LEAKY protocol: {protocol.description}; the figures are too good for unknown speakers")
    if laboratory.found.constant_length:
        lines.append(
            f"all recordings last {laboratory.found.seconds[0]:g} s: they were cut or padded, so speech may be lost; "
            "do not compare with figures on the original recordings"
        )
    tested = {int(row) for fold in laboratory.folds for row in fold.test}
    shared = any(
        {corpus.texts[r] for r in fold.train} & {corpus.texts[r] for r in fold.test} - {""} for fold in laboratory.folds
    )
    if shared:
        lines.append("training and test share sentences (not recordings); protocol text keeps them apart")
    by_speaker: dict[str, set[str]] = {}
    for row in tested:
        by_speaker.setdefault(corpus.speakers[row], set()).add(corpus.labels[row])
    if single := sorted(speaker for speaker, labels in by_speaker.items() if len(labels) == 1):
        lines.append(
            f"{len(single):,} of {len(by_speaker):,} speakers speak one class only (for example {single[0]}): their "
            "voice may stand for the class"
        )
    if corpus.left_out:
        left = ", ".join(f"{label} {count:,}" for label, count in sorted(corpus.left_out.items()))
        lines.append(f"left out by the label map: {left}")
    return lines


def evaluation_of(laboratory: Laboratory, results: Mapping[Trial, TrialResult], remarks: Sequence[str]) -> Evaluation:
    """Results as scores, with what the report tells of the corpus."""
    plan = laboratory.plan
    known = laboratory.evaluation()
    return dataclasses.replace(
        known,
        variants={VARIANTS[name].title: scores_of(results, name, plan.seeds, known.truth) for name in plan.variants},
        parameters={
            VARIANTS[name].title: sum(p.numel() for p in EnhancementHead(variant).parameters())
            for name, variant in laboratory.variants.items()
        },
        recipe=plan.recipe,
        examples=examples_of(laboratory, results),
        remarks=remarks,
    )


def examples_of(laboratory: Laboratory, results: Mapping[Trial, TrialResult]) -> list[Example]:
    """Frame weights of the first variant on one utterance of each class."""
    name, seed, corpus = laboratory.plan.variants[0], laboratory.plan.seeds[0], laboratory.corpus
    if laboratory.variants[name].mfcc_branch is None and laboratory.variants[name].spectrogram_branch is None:
        return []
    preparation = preparation_for(laboratory.config, corpus.base)
    examples: dict[str, Example] = {}
    for fold in range(len(laboratory.folds)):
        result = results[Trial(name, seed, fold)]
        for row, utterance in enumerate(result.utterance.tolist()):
            label = corpus.labels[utterance]
            if label in examples or len(examples) == EXAMPLES:
                continue
            prepared = preparation([corpus.utterances[utterance]])
            guess = laboratory.config.classes[int(result.logits[row].argmax())]
            valid = int(prepared.valid[0])
            examples[label] = Example(
                f"{corpus.utterances[utterance].utterance_id}: {label}, labelled {guess}",
                prepared.inputs["spectrogram"][0].astype(np.float32),
                relative_weights(result.frame_weights[row], valid, laboratory),
                min(valid / laboratory.config.segment.sample_rate, 3.0),
            )
    return list(examples.values())


def relative_weights(weights: np.ndarray, valid_samples: int, laboratory: Laboratory) -> np.ndarray:
    """Frame weights as multiples of mean pooling's."""
    import torch

    if laboratory.config.enhancement.form == "paper":
        return weights * len(weights)
    return weights * int(frames_of(torch.tensor([valid_samples]), laboratory.config.backbone)[0])
