"""Who is trained on and who is tested; a fold that shares what must be disjoint cannot be made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emoboost.errors import UsageError

DEVELOPMENT = ("dev", "val")
"""How the names of splits begin that choose epochs and test nothing."""


@dataclass(frozen=True)
class Rows:
    """What a protocol may look at: one value for each row of the corpus, '' where it is not known."""

    label: Sequence[str]
    speaker: Sequence[str]
    session: Sequence[str]
    text: Sequence[str]
    split: Sequence[str]
    audio: Sequence[str]
    """Hash of the samples: equal for copies of one recording under several names."""
    name: Sequence[str]
    """Utterance ids, for messages."""


@dataclass(frozen=True)
class Fold:
    """Row numbers of one split.

    Raises:
        UsageError: training and test share a value of something in `disjoint`, or one of them is empty.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    disjoint: Mapping[str, Sequence[str]]
    """What -> its value for every row of the corpus; no value may be on both sides."""
    names: Sequence[str]
    """Utterance ids, for messages."""
    validation: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows that choose the epoch; in a leaky protocol these are the tested ones."""
    free_validation: bool = False
    """The validation rows are not held against the others: a leaky protocol's are the tested ones."""

    def shared(self, values: Sequence[str]) -> set[str]:
        """Values, one for each row of the corpus, that training and test both have; '' is none."""
        return ({values[row] for row in self.train} & {values[row] for row in self.test}) - {""}

    def __post_init__(self) -> None:
        for side, rows in (("training", self.train), ("test", self.test)):
            if len(rows) == 0:
                raise UsageError(
                    f"fold {self.name}: {side} is empty; this protocol needs more data than the corpus has"
                )
        everything = tuple(self.disjoint)
        self._refuse_shared(("training", self.train), ("test", self.test), everything)
        if not self.free_validation:
            # Those who choose the epoch may say training's sentences: what is tested has others.
            but_texts = [what for what in everything if what != "text"]
            self._refuse_shared(("training", self.train), ("validation", self.validation), but_texts)
            self._refuse_shared(("validation", self.validation), ("test", self.test), everything)

    def _refuse_shared(
        self, first: tuple[str, np.ndarray], second: tuple[str, np.ndarray], disjoint: Sequence[str]
    ) -> None:
        for what in disjoint:
            values = self.disjoint[what]
            owner = {values[row]: row for row in first[1]}
            for row in second[1]:
                if values[row] in owner:
                    raise UsageError(
                        f"fold {self.name}: {what} {values[row]} is in {first[0]} "
                        f"({self.names[owner[values[row]]]}) and in {second[0]} ({self.names[row]}); correct the "
                        "manifest, or remove one of the two"
                    )


@dataclass(frozen=True)
class Protocol:
    """How a corpus is divided."""

    name: str
    description: str
    """One sentence for reports."""
    disjoint: tuple[str, ...]
    """Names of `Rows`' fields that training and test never share."""
    divide: Callable[[Rows, int], Iterator[tuple[str, np.ndarray, np.ndarray]]]
    """(rows, k) -> name, training rows, test rows of each fold."""
    needs: tuple[str, ...] = ()
    """Names of `Rows`' fields that every row must have."""
    leaky: bool = False
    """The epoch is chosen on the test fold, or speakers are shared: figures are too good, and every output says so."""

    def folds(self, rows: Rows, k: int = 5, *, validated: bool = False) -> list[Fold]:
        """Every fold, in a fixed order.

        Args:
            rows: the corpus.
            k: number of groups of `kfold`.
            validated: set rows aside that choose the epoch: of a strict protocol the next training speakers (of
                `session` the next sessions) in sorted order, as many as are tested, or the corpus's own development
                rows.

        Raises:
            UsageError: the corpus lacks a column, has too few speakers, a fold shares what must be disjoint, or tests a
                class that nobody in its training speaks.
        """
        for what in self.needs:
            if missing := [name for name, value in zip(rows.name, getattr(rows, what), strict=True) if not value]:
                raise UsageError(f"protocol {self.name} needs a {what} for every row; {missing[0]} has none")
        disjoint = {what: getattr(rows, what) for what in self.disjoint}
        unit = rows.session if "session" in self.disjoint else rows.speaker
        development = _development(rows) if "split" in self.needs else np.zeros(0, np.int64)
        folds = []
        for name, whole, test in self.divide(rows, k):
            train, validation = whole, np.zeros(0, np.int64)
            if self.leaky:
                validation = test
            elif validated and len(development):
                validation = development
            elif validated:
                train, validation = _set_aside(rows, unit, whole, test)
            folds.append(Fold(name, train, test, disjoint, rows.name, validation, free_validation=self.leaky))
            _refuse_untrained_class(name, rows, train, test)
        return folds


def inner_folds(fold: Fold, rows: Rows, k: int = 3) -> list[Fold]:
    """Divide a fold's training rows by speaker, for what must be fitted without its test speakers.

    Rows of a class that none of the other training speakers speaks are in no test. The epoch is chosen by the fold's
    own validation rows, where it has some.

    Args:
        fold: whose training rows.
        rows: the corpus.
        k: how many folds; fewer where there are fewer training speakers.

    Returns:
        The folds; none when there is only one training speaker.
    """
    speakers = sorted({rows.speaker[row] for row in fold.train})
    k = min(k, len(speakers))
    if k < 2:
        return []
    group = {speaker: number % k for number, speaker in enumerate(speakers)}
    groups = np.array([group[rows.speaker[row]] for row in fold.train])
    disjoint = {"speaker": rows.speaker, "audio": rows.audio}
    folds = []
    for n in range(k):
        train, test = fold.train[groups != n], fold.train[groups == n]
        test = test[np.isin([rows.label[row] for row in test], [rows.label[row] for row in train])]
        if len(test):
            name = f"{fold.name}, inner {n + 1}"
            # The validation rows were held against all of these rows when the whole fold was made.
            folds.append(Fold(name, train, test, disjoint, rows.name, fold.validation, free_validation=True))
    return folds


def _development(rows: Rows) -> np.ndarray:
    return np.flatnonzero([split.lower().startswith(DEVELOPMENT) for split in rows.split])


def _set_aside(rows: Rows, unit: Sequence[str], train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training rows without the validation rows, and these; `unit` is what is set aside whole: speaker or session."""
    tested = sorted({unit[row] for row in test})
    training = sorted({unit[row] for row in train} - set(tested))
    count = min(len(tested), (len(training) - 1) // 2) or 1
    if len(training) < 2:
        what = "session" if unit is rows.session else "speaker"
        raise UsageError(f"early stopping needs a second training {what} to stop by; use a recipe without patience")
    following = [name for name in training if name > tested[-1]] + training
    chosen = set(following[:count])
    aside = np.array([unit[row] in chosen for row in train])
    return train[~aside], train[aside]


def _refuse_untrained_class(name: str, rows: Rows, train: np.ndarray, test: np.ndarray) -> None:
    known = {rows.label[row] for row in train}
    for row in test:
        if rows.label[row] not in known:
            raise UsageError(
                f"fold {name}: class {rows.label[row]} ({rows.name[row]}) is tested, but nobody in training speaks it; "
                "record more speakers of it, or leave it out with --label-map"
            )


def leave_one_out(values: Sequence[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """One fold a value, in sorted order: its rows are tested, all others are trained on."""
    names = np.array(values)
    for value in sorted(set(values)):
        yield value, np.flatnonzero(names != value), np.flatnonzero(names == value)


def _loso(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    del k
    return leave_one_out(rows.speaker)


def _sessions(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    del k
    return leave_one_out(rows.session)


def _speaker_groups(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    speakers = sorted(set(rows.speaker))
    if k < 2 or len(speakers) < k:
        raise UsageError(f"{k} folds asked for, the corpus has {len(speakers)} speakers; choose 2 to {len(speakers)}")
    width = len(str(k))
    group = {speaker: f"{number % k + 1:0{width}}" for number, speaker in enumerate(speakers)}
    return leave_one_out([group[speaker] for speaker in rows.speaker])


def _texts(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Sorted texts are halved by turns; each speaker is tested on each half after training on the other half."""
    del k
    half = {text: number % 2 for number, text in enumerate(sorted(set(rows.text)))}
    halves, speakers = np.array([half[text] for text in rows.text]), np.array(rows.speaker)
    for speaker in sorted(set(rows.speaker)):
        for tested in (0, 1):
            train = np.flatnonzero((speakers != speaker) & (halves != tested))
            yield f"{speaker}-{tested + 1}", train, np.flatnonzero((speakers == speaker) & (halves == tested))


def _split(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Train on the rows whose split is `train`; every other split but development is a test."""
    del k
    splits = np.array([split.lower() for split in rows.split])
    train = np.flatnonzero(splits == "train")
    tested = [name for name in sorted(set(splits)) if name != "train" and not name.startswith(DEVELOPMENT)]
    for what, there in (("has the split train", len(train)), ("is to be tested", len(tested))):
        if not there:
            found = ", ".join(sorted(set(rows.split))[:5])
            raise UsageError(f"protocol fixed: no row {what}; column split holds {found}")
    for split in tested:
        yield split, train, np.flatnonzero(splits == split)


PAPER_FOLDS = 10


def _paper(rows: Rows, k: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """As the paper reports: one fold a speaker where there are ten, else ten stratified folds that share speakers."""
    del k
    if len(set(rows.speaker)) >= PAPER_FOLDS:
        return leave_one_out(rows.speaker)
    group = np.zeros(len(rows.label), np.int64)
    labels = np.array(rows.label)
    order = np.random.default_rng(0)
    offset = 0
    for label in sorted(set(rows.label)):
        members = order.permutation(np.flatnonzero(labels == label))
        group[members] = (np.arange(len(members)) + offset) % PAPER_FOLDS
        offset += len(members)
    return leave_one_out([f"{number + 1:02}" for number in group])


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("loso", "leave one speaker out; sentences may be shared", ("speaker", "audio"), _loso),
        Protocol("kfold", "groups of speakers, each tested once", ("speaker", "audio"), _speaker_groups),
        Protocol(
            "session",
            "leave one session out",
            ("session", "speaker", "audio"),
            _sessions,
            needs=("session",),
        ),
        Protocol(
            "text",
            "leave one speaker out, and half of the sentences with it",
            ("speaker", "text", "audio"),
            _texts,
            needs=("text",),
        ),
        Protocol("fixed", "the corpus's own splits", ("audio",), _split, needs=("split",)),
        Protocol(
            "paper",
            "as the paper: the epoch is chosen on the test fold, and speakers are shared when there are fewer than ten",
            ("audio",),
            _paper,
            leaky=True,
        ),
    )
}
"""Name -> protocol."""
