"""`emoboost-batch predict`: a quick look at a few files, without Ray."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from emoboost.errors import FIXES, AudioErrorType, EmoboostError, UsageError
from emoboost.predict import EmotionModel, Prediction, load_model
from emoboost.printable import printable
from jobs.console import bar, calibration_text, tell
from jobs.exits import Exit
from jobs.outputs import refuse_unwritable
from jobs.planning import parse_channel


def predict_command(
    files: Sequence[str], model_name: str, channel: str | None, output: Path | None, *, as_json: bool
) -> Exit:
    """Label each file and print it as text or JSON, or write all to a CSV.

    Raises:
        UsageError: a bad channel, model or output, found before the work.
        EmoboostError: the CSV cannot be written after all.
    """
    number = parse_channel(channel)
    if output is not None:
        refuse_unwritable(output)
        if any(output.exists() and Path(file).exists() and output.samefile(file) for file in files):
            raise UsageError(f"{output}: is one of the recordings; name another file")
    model = load_model(model_name)
    predictions = [model.predict(file, channel=number) for file in files]
    if output is not None:
        try:
            write_csv(predictions, model, output)
        except OSError as error:
            raise EmoboostError(f"{output}: cannot be written ({error.strerror}); name another file") from error
    if as_json:
        print(json.dumps([to_dict(prediction, model) for prediction in predictions]))
    elif output is not None:
        tell(f"{len(predictions)} rows in {printable(output)}")
    else:
        tell("\n\n".join(prediction_text(prediction, model) for prediction in predictions))
        card = model.config.training.get("summary", "provenance unknown")
        tell(f"\nModel {printable(model.identity)} ({printable(card)})")
        tell(f"Scores {calibration_text(model.config.calibrated_on)}")
    failed = any(prediction.label is None for prediction in predictions)
    return Exit.ERRORS if failed else Exit.COMPLETE


def prediction_text(prediction: Prediction, model: EmotionModel) -> str:
    """Label, scores as bars, and one line a segment when there are several."""
    if prediction.label is None:
        assert prediction.error_type is not None
        fix = FIXES[AudioErrorType(prediction.error_type)]
        text = f"{printable(prediction.uri)}\n  error: {printable(prediction.error_message)}"
        return text if fix in (prediction.error_message or "") else f"{text}\n  {fix}"
    shown = {name: printable(name) for name in model.classes}
    width = max(map(len, shown.values()))
    sure = f"{shown[prediction.label]} ({prediction.confidence:.0%})"
    lines = [f"{printable(prediction.uri)}: {sure}, {prediction.duration:.1f} s"]
    ordered = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    lines += [f"  {shown[name]:<{width}}  {bar(value)}  {value:6.1%}" for name, value in ordered]
    if len(prediction.segments) > 1:
        lines.append("  segments")
        for start, segment in zip(prediction.segment_starts, prediction.segments, strict=True):
            best = max(segment, key=lambda name: segment[name])
            lines.append(f"  {start:8.1f} s  {shown[best]:<{width}}  {bar(segment[best])}  {segment[best]:6.1%}")
    return "\n".join(lines)


def to_dict(prediction: Prediction, model: EmotionModel) -> dict[str, object]:
    """One file for programs."""
    return {
        "uri": prediction.uri,
        "label": prediction.label,
        "confidence": prediction.confidence,
        "probabilities": dict(prediction.probabilities),
        "segments": [
            {"start": start, "probabilities": dict(segment)}
            for start, segment in zip(prediction.segment_starts, prediction.segments, strict=True)
        ],
        "duration": prediction.duration,
        "error_type": prediction.error_type,
        "error_message": prediction.error_message,
        "model": model.identity,
    }


def write_csv(predictions: Sequence[Prediction], model: EmotionModel, output: Path) -> None:
    """One row a file, the columns named as in annotate's output; no text is a formula to a spreadsheet."""
    from emoboost.formulas import guarded
    from emoboost.schema import probability_column

    header = ["uri", "duration", "status", "error_type", "error_message", "label", "confidence"]
    with output.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow([*header, *map(probability_column, model.classes)])
        for prediction in predictions:
            status = "error" if prediction.label is None else "ok"
            values = [prediction.probabilities.get(name) for name in model.classes]
            row = [
                guarded(prediction.uri),
                prediction.duration,
                status,
                prediction.error_type,
                guarded(prediction.error_message or ""),
            ]
            writer.writerow([*row, prediction.label, prediction.confidence, *values])
