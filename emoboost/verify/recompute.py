"""Labels computed again from the audio, and how far they are from those of the output."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder, bundled_models, find_model
from emoboost.errors import ModelError
from emoboost.ledger import Ledger
from emoboost.plan import Plan
from emoboost.schema import Outcome, probability_column
from emoboost.verify.findings import SHOWN, Findings
from emoboost.verify.sample import Drawn

if TYPE_CHECKING:
    from emoboost.predict import EmotionModel

TOLERANCE = 1e-5
"""How far two float32 computations of one probability may lie apart on the same kind of machine."""


@dataclass
class Recomputed:
    """What became of the rows that were labelled again."""

    rows: int
    compared: int = 0
    largest_difference: float = 0.0
    """Over all classes of all rows compared."""
    flipped: int = 0
    """Rows whose label is another now."""
    on_other_hardware: int = 0
    """Rows that another kind of machine made, or another precision than fp32: their differences are no finding."""
    changed: int = 0
    """Rows whose recording is another now."""
    unreadable: int = 0
    """Rows whose recording cannot be read now."""
    notes: list[str] = field(default_factory=list)
    """The first few recordings that are not what they were."""

    def note(self, text: str) -> None:
        """Keep a line, if it is one of the first."""
        if len(self.notes) < SHOWN:
            self.notes.append(text)


def model_of(plan: Plan, name_or_folder: str | None, access: Access) -> ModelFolder:
    """The model that made an output.

    Args:
        plan: of the output.
        name_or_folder: where the user says it is; None looks among the bundled ones.
        access: how a model in a store is reached.

    Raises:
        ModelError: it is another model, damaged, or not found.
    """
    wanted = plan.options.get("model")
    if name_or_folder is not None:
        model = find_model(name_or_folder, access)
        if model.identity != wanted:
            raise ModelError(
                f"{name_or_folder}: is {model.identity}, the labels were made with {wanted}; give that model"
            )
        return model
    for name in bundled_models():
        if (model := find_model(name)).identity == wanted:
            return model
    raise ModelError(
        f"{wanted}: is not a bundled model; give the folder of the model that made the labels with --model"
    )


def recompute(
    drawn: Sequence[Drawn], ledger: Ledger, model: "EmotionModel", access: Access, findings: Findings
) -> Recomputed:
    """Label rows again, one at a time, and compare.

    Args:
        drawn: the rows.
        ledger: the output they are from.
        model: that of the output, in the output's precision.
        access: how recordings may be reached; what they may hold is the plan's.
        findings: gets differences that the kind of machine does not explain.
    """
    from emoboost.predict import preparation_for

    options = ledger.plan.options
    prepare = preparation_for(
        model.config,
        ledger.plan.base,
        float(str(options["max_duration"])),
        access.limited_as(options),
    )
    result = Recomputed(len(drawn))
    for each in drawn:
        prepared = prepare([each.utterance])
        if _is_the_same(each, prepared.outcomes[0], result):
            probabilities = model.utterance_probabilities(prepared)[0].tolist()
            _compare(each, dict(zip(model.classes, probabilities, strict=True)), ledger, model, result, findings)
    return result


def _is_the_same(drawn: Drawn, outcome: Outcome, result: Recomputed) -> bool:
    """Whether the recording can be read and is the one that was labelled."""
    where = f"{drawn.utterance.uri}, row {drawn.utterance.utterance_id!r}"
    if outcome.version is not None and outcome.version != drawn.row["audio_version"]:
        result.changed += 1
        result.note(f"{where}: the recording has changed: was {drawn.row['audio_version']}, is now {outcome.version}")
        return False
    if outcome.error_type is not None:
        result.unreadable += 1
        result.note(f"{where}: {outcome.error_type.value}: {outcome.error_message}")
        return False
    return True


def _compare(
    drawn: Drawn,
    now: dict[str, float],
    ledger: Ledger,
    model: "EmotionModel",
    result: Recomputed,
    findings: Findings,
) -> None:
    apart = {name: abs(value - drawn.row[probability_column(name)]) for name, value in now.items()}
    worst, best = max(apart, key=lambda name: apart[name]), max(now, key=lambda name: now[name])
    result.compared += 1
    result.largest_difference = max(result.largest_difference, apart[worst])
    result.flipped += best != drawn.row["label"]
    if model.precision != "fp32" or model.hardware != drawn.hardware:
        result.on_other_hardware += 1
    elif not apart[worst] <= TOLERANCE:
        was = (
            f"{probability_column(worst)} is {drawn.row[probability_column(worst)]:.6f} (label {drawn.row['label']!r})"
        )
        what = f"{was}, computed again it is {now[worst]:.6f} (label {best!r})"
        findings.add(ledger.part_name(drawn.shard), what, drawn.shard, drawn.utterance.utterance_id)
