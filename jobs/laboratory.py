"""An experiment from a corpus to the results of all its trials: features through Ray Data, folds on Ray Train."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.connect import Cluster
from cluster.resources import slots_for
from emoboost.augment import Augmentation
from emoboost.config import ModelConfig
from emoboost.corpus import Corpus
from emoboost.encoder_source import NO_ALEXNET, EncoderSource
from emoboost.enrolment import Enrolment, refuse_few
from emoboost.errors import EmoboostError, OutputError, UsageError
from emoboost.evaluation import Evaluation
from emoboost.feature_cache import FeatureCache, entry_name, settings_of
from emoboost.folds import PROTOCOLS, Fold, Protocol, Rows, inner_folds
from emoboost.recipe import Recipe
from emoboost.segment import count_segments
from emoboost.survey import Survey, rows_of, survey
from emoboost.trials import Trial, TrialResult, list_trials
from emoboost.variants import configs_of, used_parts
from jobs.caching import PACK_ENTRIES, CacheWork, Wanted, fill_cache, refuse_small_disk
from jobs.console import say
from jobs.trial_progress import trial_progress
from jobs.trial_workers import EVENTS, TrialWork, run_trials

RUN = "run.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be trained and tested."""

    variants: Sequence[str]
    seeds: Sequence[int]
    recipe: Recipe
    source: EncoderSource
    calibrated: Sequence[str] = ()
    """Variants whose temperature is fitted by inner folds."""
    keep_checkpoints: bool = False
    """Leave each training's last state, with its best weights, beside its result."""
    conditions: Sequence[str] = ()
    """Under which the tested utterances are tried, too."""
    adapt: Sequence[Enrolment] = ()
    """Ways to adapt to the tested speakers that are tried, too."""


@dataclass(frozen=True)
class Laboratory:
    """Everything that can be checked before the work, checked."""

    corpus: Corpus
    found: Survey
    rows: Rows
    protocol: Protocol
    folds: Sequence[Fold]
    inner: Sequence[Sequence[Fold]]
    config: ModelConfig
    plan: Plan
    cache: FeatureCache
    wanted: Sequence[Sequence[Wanted]]
    """For each utterance its copies."""
    changed: Sequence[Sequence[Wanted]] = ()
    """For each utterance what it becomes under the plan's conditions; empty when there are none."""

    @property
    def variants(self) -> dict[str, ModelConfig]:
        """Name -> model."""
        return configs_of(self.plan.variants, self.config)

    def identity(self) -> dict[str, object]:
        """What makes results comparable: a folder with another one is not gone on with."""
        entries = [[wanted.name for wanted in copies] for copies in self.wanted]
        folds = [[fold.train.tolist(), fold.test.tolist(), fold.validation.tolist()] for fold in self.folds]
        return {
            "manifest": self.corpus.manifest_hash,
            "protocol": self.protocol.name,
            "folds": _digest(folds),
            "features": _digest([self.cache.folder.name, entries]),
            "labels": _digest([list(self.config.classes), list(self.corpus.labels)]),
            "recipe": dataclasses.asdict(self.plan.recipe),
            "conditions": list(self.plan.conditions),
            "adapt": [enrolment.name for enrolment in self.plan.adapt],
        }

    @property
    def tested(self) -> np.ndarray:
        """Rows that some fold tests, ascending; all when there is no fold."""
        if not self.folds:
            return np.arange(len(self.corpus.utterances))
        return np.unique(np.concatenate([fold.test for fold in self.folds]))

    @property
    def heard(self) -> list[str]:
        """Speakers that are tested and trained on, sorted; folds of most protocols cannot have any."""
        if "speaker" in self.protocol.disjoint:
            return []
        return sorted({speaker for fold in self.folds for speaker in fold.shared(self.corpus.speakers)})

    def evaluation(self) -> Evaluation:
        """What a report tells of corpus, protocol and encoder, before anything was tested."""
        corpus, backbone = self.corpus, self.config.backbone
        return Evaluation(
            corpus=Path(corpus.manifest).stem,
            manifest=corpus.manifest,
            manifest_hash=corpus.manifest_hash,
            seconds=float(self.found.seconds[self.tested].sum()),
            protocol=self.protocol.name,
            protocol_description=self.protocol.description,
            leaky=self.protocol.leaky or bool(self.heard),
            folds=[fold.name for fold in self.folds],
            classes=self.config.classes,
            truth=corpus.class_numbers(self.config.classes),
            speakers=corpus.speakers,
            utterance_ids=[utterance.utterance_id for utterance in corpus.utterances],
            encoder=f"{backbone.source}, layers {', '.join(map(str, backbone.layers))}",
        )

    def remarks(self) -> list[str]:
        """What a reader of any figures on this corpus must know."""
        lines = []
        if self.found.constant_length:
            lines.append(
                f"all recordings last {self.found.seconds[0]:g} s: they were cut or padded, so speech may be lost; do "
                "not compare with figures on the original recordings"
            )
        if self.corpus.left_out:
            left = ", ".join(f"{label} {count:,}" for label, count in sorted(self.corpus.left_out.items()))
            lines.append(f"left out by the label map: {left}")
        return lines

    def missing_features(self) -> list[Wanted]:
        """Copies of utterances that are not in the cache."""
        there = self.cache.index()
        return list({wanted.name: wanted for wanted in self._every_copy() if wanted.name not in there}.values())

    def _every_copy(self) -> Iterator[Wanted]:
        """What the experiment needs, with what it needs twice."""
        for copies in (*self.wanted, *self.changed):
            yield from copies

    def compute_features(self, cluster: Cluster) -> None:
        """Fill the cache with what is missing in it."""
        todo = self.missing_features()
        if not todo:
            return
        say(
            f"Features: {len(todo):,} of {sum(1 for _ in self._every_copy()):,} copies of utterances are to be computed"
        )
        refuse_small_disk(self.cache.folder, self._segments_of(todo), self.config)
        work = CacheWork(
            self.cache,
            [todo[i : i + PACK_ENTRIES] for i in range(0, len(todo), PACK_ENTRIES)],
            self.config,
            self.plan.source,
            self.corpus.base,
            cluster.layout.device,
            self.plan.recipe.tunes,
        )
        fill_cache(work, cluster.layout)

    def _segments_of(self, entries: Sequence[Wanted]) -> int:
        """About how many segments they have: a copy at another speed counts as long as the original."""
        names, config = {entry.name for entry in entries}, self.config.segment
        return sum(
            count_segments(round(seconds * config.sample_rate), config) * sum(entry.name in names for entry in copies)
            for every in (self.wanted, self.changed or [()] * len(self.wanted))
            for seconds, copies in zip(self.found.seconds, every, strict=True)
        )

    def trial_work(self, folder: Path, device: str) -> TrialWork:
        """What the trials' workers are told."""
        trials = list_trials(
            self.plan.variants, self.plan.seeds, len(self.folds), list(map(len, self.inner)), self.plan.calibrated
        )
        return TrialWork(
            self.cache,
            [[wanted.name for wanted in copies] for copies in self.wanted],
            self.corpus.class_numbers(self.config.classes),
            self.folds,
            self.inner,
            self.variants,
            self.plan.recipe,
            self.plan.source,
            list(trials),
            folder,
            device,
            self.plan.keep_checkpoints,
            [[changed.name for changed in copies] for copies in self.changed],
            self.plan.adapt,
            self.corpus.speakers,
        )

    def run(self, folder: Path, cluster: Cluster) -> dict[Trial, TrialResult]:
        """Complete every trial; finished ones stay as they are.

        Raises:
            EmoboostError: the loss of a training is not a number.
        """
        missing = self.trial_work(folder, "cpu").missing()
        slots = slots_for(cluster.nodes, len(missing))
        work = self.trial_work(folder, slots.device)
        if missing:
            say(f"Training: {len(missing):,} of {len(work.trials):,} trials, {slots.count} at a time ({slots.device})")
            with trial_progress(folder / EVENTS, len(missing), self.plan.recipe.epochs) as running:
                run_trials(work, slots.count, slots.gpus)
            if running.failed:
                trial, reason = running.failed[0]
                raise EmoboostError(f"{trial}: {reason}")
        return work.results()


def prepare(
    corpus: Corpus,
    plan: Plan,
    cache: Path,
    *,
    protocol: Protocol | str = "loso",
    k: int = 5,
    name: str = "model",
) -> Laboratory:
    """Check everything that can be checked before the work.

    Args:
        corpus: what to train and test on.
        plan: what to do with it.
        cache: folder for features.
        protocol: how to divide the corpus; a name of `PROTOCOLS`, or one of the caller's own.
        k: groups of the protocol `kfold`.
        name: of the model.

    Raises:
        UsageError: the encoder, the corpus or the protocol cannot be used.
    """
    protocol = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    if protocol.leaky and plan.recipe.patience is None:
        # A leaky protocol chooses the epoch on the test fold; with as much patience as epochs it never stops early.
        plan = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, patience=plan.recipe.epochs))
    base, encoders = plan.source.load(name, corpus.classes)
    found = survey(corpus, base.segment.sample_rate)
    rows = rows_of(corpus, found)
    folds = protocol.folds(rows, k, validated=plan.recipe.patience is not None)
    if plan.adapt:
        if plan.recipe.shrinkage is None:
            raise UsageError(f"--adapt needs a recipe with shrinkage; {plan.recipe.name} has none")
        for fold in folds:
            refuse_few(plan.adapt, [corpus.speakers[row] for row in fold.test])
    inner = [inner_folds(fold, rows) for fold in folds] if plan.calibrated else []
    config = base if plan.source.classifier_only else used_parts(plan.variants, plan.recipe.head_of(base))
    if config.spectrogram_branch is not None and encoders.alexnet is None:
        raise UsageError(NO_ALEXNET.format(plan.source.model))
    encoders.cut_to(config)
    features = FeatureCache.open(cache, {**settings_of(config, encoders), "inputs_only": plan.recipe.tunes})
    wanted = _wanted(corpus, found, folds, plan.recipe)
    tested = {int(row) for fold in folds for row in fold.test}
    changed = _changed(corpus, found, tested, plan.conditions)
    return Laboratory(corpus, found, rows, protocol, folds, inner, config, plan, features, wanted, changed)


def prepare_fixed(corpus: Corpus, plan: Plan, cache: Path, protocol: Protocol) -> Laboratory:
    """The features of a corpus for a model that is not trained here: one clean copy of each utterance, no fold."""
    config, encoders = plan.source.load("model", corpus.classes)
    found = survey(corpus, config.segment.sample_rate)
    features = FeatureCache.open(cache, {**settings_of(config, encoders), "inputs_only": False})
    wanted = _wanted(corpus, found, [], plan.recipe)
    changed = _changed(corpus, found, set(range(len(corpus.utterances))), plan.conditions)
    return Laboratory(corpus, found, rows_of(corpus, found), protocol, [], [], config, plan, features, wanted, changed)


def open_run(folder: Path, identity: Mapping[str, object], *, resume: bool) -> None:
    """Make the folder of an experiment's trials, or check that it is of the same experiment.

    Raises:
        OutputError: it holds something and `resume` was not asked for, or it is of another experiment.
    """
    file = folder / RUN
    if not file.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(identity, indent=2), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another --output") from error
        return
    if not resume:
        raise OutputError(
            f"{folder.parent}: holds an evaluation already; go on with --resume, or choose another --output"
        )
    before = json.loads(file.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(identity))
    if other := [key for key in now if before.get(key) != now[key]]:
        raise OutputError(
            f"{folder.parent}: holds an evaluation with other {', '.join(other)}; repeat its command, or choose "
            "another --output"
        )


def _wanted(corpus: Corpus, found: Survey, folds: Sequence[Fold], recipe: Recipe) -> list[list[Wanted]]:
    """The clean copy of every utterance, the others of those that are trained on."""
    trained = {int(row) for fold in folds for row in fold.train}
    changes = [Augmentation.parse(copy, keep_length=found.constant_length) for copy in recipe.copies]
    return [
        [
            Wanted(entry_name(audio, change), utterance, place, change)
            for change in (changes if row in trained else changes[:1])
        ]
        for row, (utterance, place, audio) in enumerate(zip(corpus.utterances, corpus.places, found.audio, strict=True))
    ]


def _changed(corpus: Corpus, found: Survey, tested: Set[int], conditions: Sequence[str]) -> list[list[Wanted]]:
    """Every tested utterance under every condition; nothing at all when there is no condition."""
    changes = [Augmentation.parse(name) for name in conditions]
    rows = zip(corpus.utterances, corpus.places, found.audio, strict=True)
    return [
        [Wanted(entry_name(audio, change), utterance, place, change) for change in (changes if row in tested else [])]
        for row, (utterance, place, audio) in enumerate(rows)
        if changes
    ]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
