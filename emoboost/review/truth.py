"""What people heard: a table of utterances with their label."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from emoboost.access import Access
from emoboost.carried import texts_of
from emoboost.errors import ManifestError, UsageError
from emoboost.manifest.delimited import delimited_source
from emoboost.manifest.parquet import parquet_source
from emoboost.manifest.problems import Problem, Problems
from emoboost.manifest.source import Place, Rows, Source
from emoboost.places import without_query
from emoboost.printable import shown
from emoboost.review.classes import Classes, UnknownClassError
from emoboost.truth import LABEL_COLUMNS, THE_MODELS_OWN, labels_are_the_models, weight_of

ID, WEIGHT, SPEAKER = "utterance_id", "weight", "speaker"
FEWEST = 20
"""Labelled rows without which figures mean nothing."""


@dataclass(frozen=True)
class Judgement:
    """One utterance and what a person heard in it."""

    position: int
    """Line or row of the file, see `Source.unit`."""
    utterance_id: str
    """As the file has it."""
    truth: int
    """Number of the class."""
    weight: float
    """How many rows of the output it stands for, or 1."""
    speaker: str
    """Empty text where the file names none."""


@dataclass(frozen=True)
class Truth:
    """A table of judgements."""

    file: str
    """As the user wrote it."""
    source: Source
    rows: Sequence[Judgement]
    empty: int
    """Rows without a label."""
    left_out: Mapping[str, int]
    """Label -> rows that the class map leaves out."""
    weighted: bool
    """Whether the file has weights."""
    has_speakers: bool
    """Whether the file has a column with speakers."""

    def problems(self) -> Problems:
        """An empty list of what is wrong with it."""
        return Problems(self.file, self.source.unit)


def read_truth(file: str, classes: Classes, access: Access | None = None) -> Truth:
    """Read a table of labels that people gave.

    Args:
        file: path or URL of a CSV (comma, semicolon or tab), TSV or Parquet file with `utterance_id` and `human_label`,
            else `label`; with `weight` and `speaker` if it has them.
        classes: what labels stand for.
        access: how a store is reached; None is `Access()`.

    Raises:
        ManifestError: it cannot be read, lacks a column, or has rows with an id twice, a label that stands for no
            class, or a weight that is none; the message lists up to 20 of them.
        UsageError: fewer than 20 rows have a label.
    """
    source = _opened(file, access or Access())
    columns = _Columns.of(source)
    reading = _Reading(classes, Problems(file, source.unit), source.unit)
    for rows in source.read(None):
        reading.add(rows, columns)
    reading.problems.raise_if_any()
    if len(reading.rows) < FEWEST:
        raise UsageError(
            f"{file}: {len(reading.rows)} rows have a label in {shown(columns.label)}, {reading.empty} have none; "
            f"figures need at least {FEWEST}: label more"
        )
    return Truth(
        file,
        source,
        reading.rows,
        reading.empty,
        reading.left_out,
        columns.weight is not None,
        columns.speaker is not None,
    )


def _opened(file: str, access: Access) -> Source:
    place = Place.at(file, access)
    if place.kind != "file":
        what = "no such file" if place.kind is None else "is not a file"
        raise ManifestError(f"{file}: {what}; give a CSV or Parquet file with {ID} and {LABEL_COLUMNS[0]}")
    kinds: dict[str, Callable[[Place], Source]] = {
        ".csv": partial(delimited_source, delimiters=",;\t", is_header=lambda names: _find(names, ID) is not None),
        ".tsv": partial(delimited_source, delimiters="\t"),
        ".parquet": parquet_source,
    }
    suffix = PurePosixPath(without_query(file)).suffix.lower()
    if suffix not in kinds:
        raise ManifestError(f"{file}: its ending {suffix!r} is none that is known; give one of: {', '.join(kinds)}")
    return kinds[suffix](place)


def _find(names: Sequence[str], wanted: str) -> str | None:
    """The column that is called so, or, when none is, one that differs in case or surrounding blanks."""
    return wanted if wanted in names else next((name for name in names if name.strip().lower() == wanted), None)


@dataclass(frozen=True)
class _Columns:
    utterance_id: str
    label: str
    weight: str | None
    speaker: str | None

    @classmethod
    def of(cls, source: Source) -> "_Columns":
        names = source.schema.names
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ManifestError(f"{source.name}: column {shown(twice[0])} is there twice; remove one")
        utterance_id = _find(names, ID)
        label = next(filter(None, (_find(names, name) for name in LABEL_COLUMNS)), None)
        for name, found in ((ID, utterance_id), (" or ".join(LABEL_COLUMNS), label)):
            if found is None:
                raise ManifestError(
                    f"{source.name}: no column {name}; found {', '.join(map(shown, names))}; rename the one that has it"
                )
        assert utterance_id is not None
        assert label is not None
        if labels_are_the_models(label, names):
            raise ManifestError(f"{source.name}: {THE_MODELS_OWN}")
        return cls(utterance_id, label, _find(names, WEIGHT), _find(names, SPEAKER))


class _Reading:
    """Gathers judgements, and all that is wrong."""

    def __init__(self, classes: Classes, problems: Problems, unit: str) -> None:
        self.rows: list[Judgement] = []
        self.empty = 0
        self.left_out: Counter[str] = Counter()
        self.problems = problems
        self._classes = classes
        self._unit = unit
        self._seen: dict[str, int] = {}

    def add(self, rows: Rows, columns: _Columns) -> None:
        found = list(rows.problems)
        given = zip(
            rows.positions.tolist(),
            *(
                texts_of(rows.table, name)
                for name in (columns.utterance_id, columns.label, columns.weight, columns.speaker)
            ),
            strict=True,
        )
        for position, utterance_id, label, weight, speaker in given:
            if not label:
                self.empty += 1
                continue
            problems = [*self._of_id(position, utterance_id, columns.utterance_id)]
            truth = self._truth(position, label, columns.label, problems)
            number = 1.0 if columns.weight is None else _weight(position, weight, columns.weight, problems)
            found += problems
            if not problems and truth is not None:
                self.rows.append(Judgement(position, utterance_id, truth, number, speaker))
        self.problems.add(found)

    def _of_id(self, position: int, utterance_id: str, column: str) -> Iterator[Problem]:
        first = self._seen.setdefault(utterance_id, position)
        if not utterance_id:
            yield Problem(position, "is empty; write the id that the output has", column, utterance_id)
        elif first != position:
            what = f"is also the id in {self._unit} {first}; an utterance has one label: remove one of them"
            yield Problem(position, what, column, utterance_id)

    def _truth(self, position: int, label: str, column: str, problems: list[Problem]) -> int | None:
        try:
            truth = self._classes.of_label(label)
        except UnknownClassError as error:
            problems.append(Problem(position, str(error), column, label))
            return None
        self.left_out.update([label] if truth is None else [])
        return truth


def _weight(position: int, text: str, column: str, problems: list[Problem]) -> float:
    number = weight_of(text)
    if number is None:
        what = "is no weight; give a number above 0 with a decimal point, as sample wrote it"
        problems.append(Problem(position, what, column, text))
    return number or math.nan
