"""`emoboost-batch calibrate`: a finished model whose numbers are probabilities on the user's own speech."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emoboost.access import Access
from emoboost.calibration_fit import Calibration, Checked, Heard, cross_validated
from emoboost.card import CONFUSION_PICTURE, calibrated_card
from emoboost.checkpoint import ADAPTED, CARD, CONFIG, FROZEN, TRAINED, TRAINING_AUDIO, ModelFolder, find_model
from emoboost.config import ModelConfig
from emoboost.defaults import MAX_SECONDS
from emoboost.errors import EmoboostError, ManifestError, OutputError, UsageError
from emoboost.predict import EmotionModel, preparation_for
from emoboost.printable import printable
from emoboost.priors import CLASS_SHARES
from emoboost.survey import survey
from emoboost.truth import Truth, read_truth
from jobs.console import say, tell
from jobs.exits import Exit
from jobs.planning import parse_channel
from jobs.progress import progress
from jobs.score_model import heard_before, warnings_of
from jobs.train import published_whole, refuse_taken, training_audio

UTTERANCES = 16
"""That are read and heard at a time."""
COPIED = (TRAINED, FROZEN, ADAPTED, CONFUSION_PICTURE)
"""Files that the new model has as the old one has them, where that has them."""
UA_FALLS = "\nUA falls: some classes win less often than before. To search for one, sort by its score."


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions:
    """What a user may choose."""

    model: str
    truth: str
    output: Path
    label: str | None = None
    """Column with the labels; None looks for one."""
    description: str | None = None
    """The speech in words; None makes some from the manifest's name."""
    channel: str | None = None
    anyway: bool = False
    """Write the model even if cross-validation finds no gain."""
    access: Access = dataclasses.field(default_factory=Access)


def calibrate_command(options: CalibrateOptions, *, as_json: bool) -> Exit:
    """Calibrate, print what was found, write the model.

    Raises:
        UsageError: a bad argument, model or manifest, or a recording that cannot be read.
        EmoboostError: the calibration does not help; nothing is written then, unless the user wants it anyway.
    """
    refuse_taken(options.output)
    folder = find_model(options.model, options.access)
    folder.verify()
    channel, classes = parse_channel(options.channel), folder.config.classes
    truth = read_truth(options.truth, classes, column=options.label, default_channel=channel, access=options.access)
    calibrated_on = words_of(options.description, truth)
    found = survey(truth.corpus, folder.config.segment.sample_rate, options.access)
    remarks = remarks_on(truth)
    remarks += warnings_of(folder, truth.corpus, heard_before(folder, truth.corpus, found))
    for remark in remarks:
        say(f"note: {remark}")
    with published_whole(options.output) as place:
        heard = hear(EmotionModel(folder), truth, float(found.seconds.sum()), options.access)
        checked = cross_validated(heard, Calibration(folder.config.temperature, folder.config.bias))
        config = calibrated_config(folder, options.output.name, calibrated_on, truth, heard, checked)
        is_written = checked.is_better or options.anyway
        facts = {**facts_of(config), "output": str(options.output), "written": is_written, "notes": remarks}
        if as_json and not is_written:
            print(json.dumps(facts))
        elif not as_json:
            tell(text_of(config))
        if not is_written:
            raise EmoboostError(
                f"{options.output}: nothing is written, because the calibration does not help: on utterances that it "
                f"was not fitted on, NLL is {checked.before.nll:.3f} before and {checked.after.nll:.3f} after. Label "
                "more of your speech, or write it all the same with --anyway"
            )
        try:
            written = write_model(place, folder, config, training_audio(truth.corpus, found, folder.training_audio))
        except OSError as error:
            raise OutputError(
                f"{options.output}: cannot be written ({error.strerror or error}); free space, or choose another "
                "--output"
            ) from error
        facts["model"] = written.identity
    if as_json:
        print(json.dumps(facts))
    else:
        tell(f"\nModel    {printable(written.identity)} in {printable(options.output)}")
    return Exit.COMPLETE


def words_of(description: str | None, truth: Truth) -> str:
    """On which speech the model was calibrated.

    Raises:
        UsageError: `--description` is empty, or not UTF-8.
    """
    if description is None:
        return f"{Path(truth.corpus.manifest).name}, {len(truth.corpus.labels)} labelled utterances"
    words = " ".join(description.split())
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"--description: is not UTF-8 ({error.reason}); write it again") from error
    if not words:
        raise UsageError("--description: is empty; say in a few words which speech it is, or leave the option out")
    return words


def remarks_on(truth: Truth) -> list[str]:
    """What a reader of the figures must know of the labels."""
    lines = []
    if truth.without_label:
        lines.append(f"{truth.without_label:,} rows without a {truth.column} are left out")
    if truth.is_weighted:
        lines.append("each row counts as often as its column weight says")
    if not truth.has_speakers:
        lines.append(
            f"no speakers are told apart, so {apart(truth)}s are: who speaks on both sides of a fold makes the figures "
            "too good; a column speaker prevents it"
        )
    return lines


def apart(truth: Truth) -> str:
    """What no two folds share: a speaker where speakers are known, else a recording, else only a row."""
    if truth.has_speakers:
        return "speaker"
    return "recording" if len({each.uri for each in truth.corpus.utterances}) > 1 else "row"


def hear(model: EmotionModel, truth: Truth, seconds: float, access: Access) -> Heard:
    """What a model says of every labelled utterance, a few of them in memory at a time.

    Args:
        model: loaded.
        truth: what to read.
        seconds: of audio in all.
        access: how recordings may be reached.

    Raises:
        ManifestError: a recording cannot be read any more.
    """
    corpus = truth.corpus
    prepare = preparation_for(model.config, corpus.base, MAX_SECONDS, access)
    logits, segments = [], []
    with progress(len(corpus.utterances), seconds) as state:
        for start in range(0, len(corpus.utterances), UTTERANCES):
            prepared = prepare(corpus.utterances[start : start + UTTERANCES])
            for place, outcome in zip(corpus.places[start:], prepared.outcomes, strict=False):
                if outcome.error_type is not None:
                    raise ManifestError(f"{place}: {printable(outcome.error_message)}; correct or remove that row")
            logits.append(model.segment_logits(prepared.inputs, prepared.valid))
            segments += [outcome.n_segments for outcome in prepared.outcomes]
            heard_seconds = sum(outcome.duration or 0.0 for outcome in prepared.outcomes)
            state.add(utterances=len(prepared.outcomes), errors=0, seconds=heard_seconds)
    group = {
        "speaker": list(corpus.speakers),
        "recording": [utterance.uri for utterance in corpus.utterances],
        "row": list(corpus.places),
    }
    return Heard(
        np.concatenate(logits),
        np.array(segments),
        corpus.class_numbers(model.classes),
        truth.weight,
        group[apart(truth)],
    )


def calibrated_config(
    folder: ModelFolder, name: str, calibrated_on: str, truth: Truth, heard: Heard, checked: Checked
) -> ModelConfig:
    """The config of the new model, with all that is known of its calibration."""
    shares = np.average(heard.probabilities(checked.fitted), axis=0, weights=heard.weight).tolist()
    calibration = {
        "model": folder.identity,
        "manifest_sha256": truth.corpus.manifest_hash,
        "utterances": len(truth.corpus.labels),
        "without_label": truth.without_label,
        "weighted": truth.is_weighted,
        "labels": truth.counts,
        # Not the labels' own: a bias near 0 holds them back a little, and no class has none.
        CLASS_SHARES: dict(zip(folder.config.classes, shares, strict=True)),
        "folds": checked.folds,
        "apart": apart(truth),
        "before": asdict(checked.before),
        "after": asdict(checked.after),
    }
    return dataclasses.replace(
        folder.config,
        name=name,
        temperature=checked.fitted.temperature,
        bias=checked.fitted.bias,
        calibrated_on=calibrated_on,
        training={**folder.config.training, "calibration": calibration},
    )


def facts_of(config: ModelConfig) -> dict[str, object]:
    """A calibration for programs."""
    return {
        "calibrated_on": config.calibrated_on,
        "temperature": config.temperature,
        "bias": dict(zip(config.classes, config.bias, strict=True)),
        "calibration": dict(config.training["calibration"]),
    }


def text_of(config: ModelConfig) -> str:
    """A calibration for people."""
    facts: Mapping[str, object] = config.training["calibration"]
    before, after = config.training["calibration"]["before"], config.training["calibration"]["after"]
    width = max(len(printable(name)) for name in config.classes)
    counts = config.training["calibration"]["labels"]
    return "\n".join(
        [
            f"Calibrated on {printable(config.calibrated_on)}",
            "",
            f"  {'class':<{width}}  {'labels':>6}  {'bias':>6}",
            *(
                f"  {printable(name):<{width}}  {counts.get(name, 0):>6,}  {each:>+6.2f}"
                for name, each in zip(config.classes, config.bias, strict=True)
            ),
            "",
            f"Temperature {config.temperature:.3f}",
            f"Cross-validated, {facts['folds']} folds that share no {facts['apart']}",
            "",
            f"  {'':<16}  {'before':>7}  {'after':>7}",
            f"  {'NLL (nats)':<16}  {before['nll']:>7.3f}  {after['nll']:>7.3f}",
            f"  {'ECE':<16}  {before['ece']:>7.1%}  {after['ece']:>7.1%}",
            f"  {'UA (mean recall)':<16}  {before['ua']:>7.1%}  {after['ua']:>7.1%}",
            *([UA_FALLS] if after["ua"] < before["ua"] else []),
        ]
    )


def write_model(place: Path, folder: ModelFolder, config: ModelConfig, heard: str) -> ModelFolder:
    """Write the new model's folder; its weights are the old one's, byte for byte.

    Args:
        place: an empty folder.
        folder: the old model's.
        config: the new one's.
        heard: which audio both were fitted on, as `ModelFolder.training_audio` reads it.

    Raises:
        OSError: it cannot be written.
        ModelError: a weight file changed meanwhile.
    """
    for name in COPIED:
        if folder.weight_file(name).is_file():
            shutil.copyfile(folder.weight_file(name), place / name)
    (place / TRAINING_AUDIO).write_text(heard, encoding="utf-8")
    (place / CARD).write_text(calibrated_card(folder.card, config), encoding="utf-8")
    (place / CONFIG).write_text(config.to_json(), encoding="utf-8")
    written = find_model(place)
    written.verify()
    return written
