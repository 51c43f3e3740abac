"""`emoboost-batch relabel`: a second set of labels over the same plan, from the vectors that an output keeps.

open or plan -> listen (once over the vectors, if speakers or a mix of classes are to be found) -> label -> check
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emoboost.adaptation import AdaptationConfig
from emoboost.ahead import ahead
from emoboost.checkpoint import ModelFolder
from emoboost.classifier import Classifier
from emoboost.errors import OutputError, UsageError
from emoboost.ledger import METADATA_PREFIX, Ledger
from emoboost.priors import ESTIMATE, estimate, parse_prior, trained_on
from emoboost.relabel import Relabelling
from emoboost.runners import Runner, announced, new_id
from emoboost.schema import FORMAT_VERSION
from emoboost.segment_means import consecutive_means
from emoboost.summary import Summary
from emoboost.voices import Guard, Listening, Voices
from jobs.console import say
from jobs.finishing import finished, put_aside
from jobs.outputs import ledger_of
from jobs.relabel_plan import (
    RelabelOptions,
    Source,
    fitting_model,
    named,
    open_or_plan,
    refuse_one_speaker,
    speaker_column,
)

FEW = 200
"""Rows from which no mix of classes can be told well."""


@dataclass(frozen=True)
class Relabelled:
    """What was found on the way."""

    summary: Summary
    model: ModelFolder
    """Whose classifier was applied."""
    changed: int
    """Rows whose label is another than in the output whose vectors were used."""
    labelled: int
    reasons: Mapping[str, int]
    """Rows by what `adapt_reason` says; `adapted` those that were."""
    prior: Mapping[str, float] | None
    """The mix of classes that the scores were corrected for."""


def relabel(options: RelabelOptions) -> Relabelled:
    """Complete the second set of labels.

    Raises:
        UsageError: a bad argument, an output without vectors or of another encoder; found before any work started.
        EmoboostError: it failed; what is published stays and the same command continues.
    """
    old = ledger_of(options.output, options.access.storage_options)
    source = Source(old, speaker_column(old.plan, options.adapt))
    model = fitting_model(old, options)
    model.verify()
    classifier = Classifier.of(model)
    if options.adapt is not None and classifier.adapted is None:
        raise UsageError(
            f"--adapt: {model.identity} has no classifier for known speakers; train one with a recipe that has a "
            "shrinkage, such as robust"
        )
    mix, remark = trained_on(model.config, str(model.path))
    prior = None if options.prior is None else parse_prior(options.prior, model.config.classes, mix)
    refuse_one_speaker(source, options.adapt)
    if remark is not None and options.prior is not None:
        say(f"note: {remark}")
    if prior is not None and np.allclose(prior, mix):
        say(f"note: --prior {options.prior} is the mix that the model learned with; it changes no score")
    new = open_or_plan(options, old, model, prior)
    say(f"Output: {new.folder.display}")
    work = Work(new, source, classifier, Guard())
    with announced(new.folder, Runner(new_id())):
        put_aside(new, new.damaged())

        def label() -> None:
            if missing := new.missing():
                new.withdraw_success()
                voices = work.listen() if options.adapt else None
                asked = work.estimate(voices, mix) if options.prior == ESTIMATE else prior
                work.label(missing, Relabelling(classifier, voices, mix, asked), model)

        label()
        summary = finished(new, label)
    return counted(new, old, summary, model)


@dataclass(frozen=True)
class Work:
    """A new output, and where its labels come from."""

    ledger: Ledger
    source: Source
    classifier: Classifier
    guard: Guard

    def estimate(self, voices: Voices | None, mix: np.ndarray) -> np.ndarray:
        """The mix of classes in all labelled rows.

        Raises:
            OutputError: there are none.
        """
        unknown = Relabelling(self.classifier, voices)
        shares = [
            unknown.adapted(unknown.plain(vectors), vectors, [speakers[row] for row in vectors.rows]).astype(np.float32)
            for _, _, vectors, speakers in self.source.parts(range(self.source.ledger.plan.shards))
        ]
        if (rows := sum(map(len, shares))) < FEW:
            say(f"note: a mix of classes estimated from {rows:,} rows says little; give one in a file if you know it")
        try:
            return estimate(np.concatenate(shares), mix)
        except ValueError as error:
            raise OutputError(f"{self.source.ledger.folder.display}: --prior {ESTIMATE}: {error}") from error

    def listen(self) -> Voices:
        """Hear every speaker, in the plan's order."""
        head = self.classifier.adapted
        assert head is not None
        listening, unadapted = Listening(self.classifier, head), Relabelling(self.classifier)
        for _, _, vectors, speakers in self.source.parts(range(self.source.ledger.plan.shards)):
            if len(vectors.rows):
                means, scores = consecutive_means(vectors.segments, vectors.counts), unadapted.plain(vectors)
                listening.hear([speakers[row] for row in vectors.rows], means, scores)
        return listening.voices(self.guard, AdaptationConfig())

    def label(self, shards: Sequence[int], relabelling: Relabelling, model: ModelFolder) -> None:
        """Publish the new part of every shard."""
        plan = self.ledger.plan
        facts = {"format": FORMAT_VERSION, "plan": plan.hash, "model": model.identity, "device": "relabelled"}
        facts["precision"] = str(plan.options["precision"])
        if relabelling.prior is not None:
            facts["prior"] = json.dumps(named(model.config.classes, relabelling.prior))
        # It was calibrated for the scores that it gives itself.
        if model.config.calibrated_on is not None and relabelling.gives_its_own_scores:
            facts["calibrated_on"] = model.config.calibrated_on
        metadata = {METADATA_PREFIX + name: value for name, value in facts.items()}
        for shard, part, vectors, speakers in self.source.parts(shards):
            self.ledger.commit(shard, relabelling.table(part, vectors, speakers, plan.carried, metadata))


def counted(ledger: Ledger, old: Ledger, summary: Summary, model: ModelFolder) -> Relabelled:
    """What the new labels are, counted from the parts and those of the older output."""
    changed, labelled, reasons, prior = 0, 0, Counter[str](), None
    columns = ["label", "adapted", "adapt_reason"]
    shards = sorted(ledger.finished())
    before = ahead(lambda shard: old.read_part(shard, ["label"])["label"].to_pylist(), shards)
    for table, labels in zip(ahead(lambda shard: ledger.read_part(shard, columns), shards), before, strict=True):
        for was, *row in zip(labels, *(table[name].to_pylist() for name in columns), strict=True):
            label, adapted, reason = row
            if label is not None:
                labelled += 1
                changed += label != was
                reasons[reason or ("adapted" if adapted else "not asked for")] += 1
        told = (table.schema.metadata or {}).get(f"{METADATA_PREFIX}prior".encode())
        prior = prior if told is None else json.loads(told)
    return Relabelled(summary, model, changed, labelled, dict(reasons), prior)
