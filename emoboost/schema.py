"""The Arrow schema of the result: the only place where a column of the output is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
import pyarrow as pa

from emoboost.errors import AudioErrorType

FORMAT_VERSION = "1"
PROBABILITY_PREFIX = "prob_"


class Status(StrEnum):
    """What became of an utterance."""

    OK = "ok"
    NO_SPEECH = "no_speech"
    """Reserved for speech detection."""
    ERROR = "error"


COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("utterance_id", pa.string(), "the manifest's id, or one derived from file name, channel and span"),
    ("uri", pa.string(), "the audio, byte for byte as the manifest named it"),
    ("channel", pa.int32(), "counted from 0; null is the mean of all channels"),
    ("start", pa.float64(), "seconds from the recording's start"),
    ("end", pa.float64(), "seconds from the recording's start; null when an error hid the recording's end"),
    ("duration", pa.float64(), "seconds of audio that were read; null on error"),
    ("status", pa.string(), "`ok` or `error` (`no_speech` is reserved)"),
    ("error_type", pa.string(), "one of a closed list; null unless status is `error`"),
    ("error_message", pa.string(), "what was wrong with which file; null unless status is `error`"),
    ("label", pa.string(), "the class with the highest score; null on error"),
    ("confidence", pa.float32(), "that score"),
    (
        "prob_<class>",
        pa.float32(),
        "one column a class, its score: the mean over the utterance's segments; they sum to 1",
    ),
    ("n_segments", pa.int32(), "3-second segments averaged; 0 on error"),
    (
        "audio_version",
        pa.string(),
        "what tells a changed recording: a store's etag, else its size in bytes; null when it could not be opened",
    ),
)
"""Name, type and meaning, in order. `prob_<class>` stands for one column a class."""
RELABELLED: tuple[tuple[str, pa.DataType, str], ...] = (
    ("plain_label", pa.string(), "the label without adaptation and without a prior; null on error"),
    ("plain_confidence", pa.float32(), "its score"),
    ("adapted", pa.bool_(), "whether the row was adapted to its speaker; null on error"),
    (
        "adapt_reason",
        pa.string(),
        "why not: `no_speaker`, `too_few`, `one_sided`; null when it was, or was not asked for",
    ),
)
"""Columns that `relabel` adds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reading one utterance gave: how much audio, or why not."""

    end: float | None = None
    """Seconds from the recording's start, known once the audio was read."""
    duration: float | None = None
    """Seconds."""
    n_segments: int = 0
    error_type: AudioErrorType | None = None
    error_message: str | None = None
    version: str | None = None
    """Of the recording; see `Source.version`."""

    @property
    def status(self) -> Status:
        """`ok` when there is audio to label."""
        return Status.OK if self.error_type is None else Status.ERROR

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`."""
        kind = values["error_type"]
        return cls(**{**values, "error_type": kind and AudioErrorType(kind)})


def probability_column(label: str) -> str:
    """The name of a class's column."""
    return PROBABILITY_PREFIX + label


def classes_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The classes that a part has probabilities of, in its order.

    >>> classes_of(["label", "prob_anger", "prob_neutral"])
    ('anger', 'neutral')
    """
    return tuple(name.removeprefix(PROBABILITY_PREFIX) for name in columns if name.startswith(PROBABILITY_PREFIX))


def is_reserved(name: str) -> bool:
    """Whether a column of this name belongs to the output, so that a manifest's own must be renamed.

    In any case of letters, because DuckDB and others do not tell `Label` from `label`.
    """
    return name.lower().startswith(PROBABILITY_PREFIX) or any(
        name.lower() == column for column, _, _ in (*COLUMNS, *RELABELLED)
    )


def labels_schema(classes: Sequence[str], carried: pa.Schema, *, relabelled: bool = False) -> pa.Schema:
    """The schema of every part: the result's columns, then the manifest's own.

    Args:
        classes: the model's classes, in its order.
        carried: the manifest's own columns with their types.
        relabelled: whether the columns of `relabel` are among them.
    """
    fields = []
    for name, kind, _ in COLUMNS:
        names = map(probability_column, classes) if name == "prob_<class>" else (name,)
        fields += [pa.field(each, kind) for each in names]
    if relabelled:
        fields += [pa.field(name, kind) for name, kind, _ in RELABELLED]
    return pa.schema([*fields, *carried])


def predictions_schema(classes: Sequence[str]) -> pa.Schema:
    """The schema of a report's test predictions.

    Args:
        classes: in the evaluation's order.
    """
    return pa.schema(
        [
            pa.field("utterance_id", pa.string()),
            pa.field("fold", pa.string()),
            pa.field("seed", pa.int64()),
            pa.field("label", pa.string()),
            *(pa.field(probability_column(name), pa.float64()) for name in classes),
            pa.field("truth", pa.string()),
        ]
    )


def labels_table(
    planned: pa.Table,
    outcomes: Sequence[Outcome],
    probabilities: np.ndarray,
    classes: Sequence[str],
    carried: Sequence[str],
    metadata: Mapping[str, str],
) -> pa.Table:
    """The rows of one part.

    Args:
        planned: the shard's utterances as the plan holds them: utterance_id, uri, channel, start, end, and `carried`.
        outcomes: one per utterance, in the plan's order.
        probabilities: (utterances, classes) float32; rows of utterances with an error are ignored.
        classes: the model's classes, in its order.
        carried: names of the manifest's own columns.
        metadata: facts about the run, stored in the schema.
    """
    ok = np.array([outcome.status is Status.OK for outcome in outcomes], dtype=bool)
    best = probabilities.argmax(axis=1)
    planned_end = planned["end"].to_pylist()

    def where_ok(values: np.ndarray) -> pa.Array:
        return pa.array(values, mask=~ok)

    values: dict[str, Sequence[object] | pa.Array] = {
        "end": [
            end if outcome.end is None else outcome.end for end, outcome in zip(planned_end, outcomes, strict=True)
        ],
        "duration": [outcome.duration for outcome in outcomes],
        "status": [outcome.status.value for outcome in outcomes],
        "error_type": [outcome.error_type and outcome.error_type.value for outcome in outcomes],
        "error_message": [outcome.error_message for outcome in outcomes],
        "label": where_ok(np.array(classes, dtype=object)[best]),
        "confidence": where_ok(probabilities[np.arange(len(outcomes)), best]),
        "n_segments": [outcome.n_segments for outcome in outcomes],
        "audio_version": [outcome.version for outcome in outcomes],
    }
    values |= {probability_column(name): where_ok(probabilities[:, i]) for i, name in enumerate(classes)}
    schema = labels_schema(classes, planned.select(list(carried)).schema).with_metadata(dict(metadata))
    columns = [
        pa.array(values[field.name], field.type) if field.name in values else planned[field.name] for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
