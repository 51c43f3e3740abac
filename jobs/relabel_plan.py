"""What `relabel` works on: an output that keeps vectors, and the plan of the labels that are made of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches

import numpy as np
import pyarrow as pa

from emoboost.access import Access
from emoboost.adaptation import AdaptationConfig
from emoboost.ahead import ahead
from emoboost.carried import texts_of
from emoboost.checkpoint import ModelFolder, find_model
from emoboost.embeddings import OPTION as EMBEDDINGS_OPTION
from emoboost.embeddings import Embeddings, ShardVectors
from emoboost.encoder_identity import encoder_identity
from emoboost.errors import DamagedError, OutputError, UsageError
from emoboost.ledger import EDITED, SUCCESS, Ledger
from emoboost.plan import PLAN_FILE, RELABEL, Plan
from emoboost.printable import shown
from emoboost.shards import shard_files
from emoboost.storage import Folder
from emoboost.temporary import temporary_folder
from emoboost.verify import model_of, read_marker
from emoboost.voices import Guard
from jobs.progress import NowAndThen


@dataclass(frozen=True, kw_only=True)
class RelabelOptions:
    """What a user may choose."""

    output: str
    """An output of annotate that keeps vectors."""
    destination: str | None = None
    """Where the new labels go; None is beside `output`."""
    model: str | None = None
    """With another classifier; None is the model that made the output."""
    adapt: str | None = None
    """Column that tells speakers apart; None adapts nobody."""
    prior: str | None = None
    """As `priors.parse_prior`; None leaves the scores as they are."""
    access: Access = field(default_factory=Access)

    @property
    def place(self) -> str:
        """Where the new labels go."""
        return f"{self.output.rstrip('/')}-relabelled" if self.destination is None else self.destination

    @property
    def folder(self) -> Folder:
        """The same, opened."""
        return Folder.at(self.place, self.access.storage_options, self.access.retry_seconds)


@dataclass(frozen=True)
class Source:
    """The output whose vectors are used."""

    ledger: Ledger
    column: str | None
    """Of the plan's tables, that tells speakers apart."""

    def speakers(self, shard: int) -> list[str | None]:
        """Who speaks in each row of a shard; None is not known: an empty cell, or a number that is none."""
        return [name or None for name in texts_of(self.ledger.shard_table(shard), self.column)]

    def part(self, shard: int, embeddings: Embeddings) -> tuple[pa.Table, ShardVectors, list[str | None]]:
        """The rows of a shard, the vectors of those that are labelled, and who speaks in each row.

        Raises:
            DamagedError: a part is missing, damaged or edited, or lacks a vector.
        """
        try:
            part = self.ledger.part(shard)
            if part.is_edited:
                raise OutputError(f"{self.ledger.folder.display}: {self.ledger.part_name(shard)} {EDITED}")
            vectors = embeddings.vectors(shard, part.table)
        except OutputError as error:
            raise DamagedError(str(error)) from error
        speakers: list[str | None] = [None] * len(part.table) if self.column is None else self.speakers(shard)
        return part.table, vectors, speakers

    def parts(self, shards: Sequence[int]) -> Iterator[tuple[int, pa.Table, ShardVectors, list[str | None]]]:
        """The same of several, read ahead."""
        embeddings, told = Embeddings.of(self.ledger), NowAndThen()
        found = ahead(lambda shard: self.part(shard, embeddings), shards)
        for done, (shard, (table, vectors, speakers)) in enumerate(zip(shards, found, strict=True), 1):
            yield shard, table, vectors, speakers
            told(f"vectors: {done:,} of {len(shards):,} shards")


def open_or_plan(options: RelabelOptions, old: Ledger, model: ModelFolder, prior: np.ndarray | None) -> Ledger:
    """The ledger of the new output: the older one's plan with what is done to its vectors.

    Raises:
        OutputError: the older output is not complete, or the new place holds something else.
        DamagedError: files of vectors are missing.
    """
    marker = read_marker(old)
    if marker is None or old.missing():
        raise OutputError(
            f"{options.output}: is not complete ({SUCCESS} is missing); run its annotate command again first"
        )
    classes = model.config.classes
    how = {
        "plan": old.plan.hash,
        "parts": marker.get("parts_sha256"),
        "adapt": options.adapt,
        "prior": options.prior if prior is None else named(classes, prior),
    }
    if options.adapt is not None:
        # Another release may have other numbers: no output holds labels by both.
        how["adaptation"] = {**asdict(AdaptationConfig()), **asdict(Guard())}
    kept = {name: value for name, value in old.plan.options.items() if name != EMBEDDINGS_OPTION}
    chosen = {**kept, "model": model.identity, "classes": list(classes), RELABEL: how}
    plan = replace(old.plan, options=chosen)
    folder = options.folder
    found = Ledger.open(folder)
    if found is None:
        refuse_lost_vectors(old)
        with temporary_folder() as planned:
            for name in shard_files(plan.shards, plan.shards_per_file):
                (planned / name).write_bytes(old.folder.read(old.plan_name(name)))
            (planned / PLAN_FILE).write_text(plan.to_json(), encoding="utf-8")
            found = Ledger.create(folder, plan, planned)
    if found.plan.hash != plan.hash:
        raise OutputError(
            f"{options.place}: {_difference(found.plan, plan)}. Keep it, and name another folder with --destination"
        )
    return found


def refuse_lost_vectors(old: Ledger) -> None:
    """Stop where a part with labelled rows has no file of vectors at all; each row's are looked at when it is read.

    Raises:
        DamagedError: there is one.
    """
    embeddings = Embeddings.of(old)
    for shard in set(range(old.plan.shards)) - embeddings.shards:
        Source(old, None).part(shard, embeddings)


def _difference(found: Plan, wanted: Plan) -> str:
    """In what another output is another, in words."""
    there, asked = found.options.get(RELABEL), wanted.options[RELABEL]
    if not isinstance(there, Mapping) or not isinstance(asked, Mapping):
        return "was not made by relabel"
    pairs = {"model": (found.options.get("model"), wanted.options.get("model"))}
    pairs |= {name: (there.get(name), asked.get(name)) for name in ("adapt", "prior", "adaptation")}
    told = [f"{name} was {was!r} and is now {now!r}" for name, (was, now) in pairs.items() if was != now]
    return f"was made by another run: {'; '.join(told) or 'the output whose vectors are used has changed'}"


def fitting_model(old: Ledger, options: RelabelOptions) -> ModelFolder:
    """The model whose classifier is applied.

    Raises:
        UsageError: the output keeps no vectors, or another encoder made them.
        ModelError: there is no such model.
    """
    made = old.plan.options.get(EMBEDDINGS_OPTION)
    if made is None:
        what = "was made by relabel; give the output that it was made of"
        if RELABEL not in old.plan.options:
            what = "keeps no vectors; annotate it into a new output with --embeddings"
        raise UsageError(f"{options.output}: {what}")
    model = (
        model_of(old.plan, None, options.access) if options.model is None else find_model(options.model, options.access)
    )
    if (found := encoder_identity(model)) != made:
        raise UsageError(
            f"{model.identity}: makes its vectors otherwise ({found}) than the model of {options.output} did ({made}, "
            f"{old.plan.options.get('model')}); annotate again with the new model"
        )
    return model


def speaker_column(plan: Plan, asked: str | None) -> str | None:
    """The column of the plan's tables that the user means.

    Raises:
        UsageError: there is none; the message names those that there are.
    """
    if asked is None:
        return None
    column = plan.renames.get(asked, asked)
    if column not in ("uri", *plan.carried.names):
        theirs = {carried: name for name, carried in plan.renames.items()}
        names = ["uri", *(theirs.get(name, name) for name in plan.carried.names)]
        near = get_close_matches(asked, names, n=1)
        known = f"perhaps {near[0]!r}" if near else f"there are {', '.join(names)}"
        raise UsageError(f"--adapt {shown(asked)}: the output carries no such column of its manifest; {known}")
    if column != "uri" and pa.types.is_nested(kind := plan.carried.field(column).type):
        raise UsageError(f"--adapt {shown(asked)}: holds {kind}, no names; give the column that tells speakers apart")
    return column


def refuse_one_speaker(source: Source, asked: str | None) -> None:
    """Stop when the column tells nobody apart.

    Raises:
        UsageError: it has one value, or none.
    """
    if asked is None:
        return
    found: Counter[str | None] = Counter()
    for speakers in ahead(source.speakers, range(source.ledger.plan.shards)):
        found.update(speakers)
        if len(found.keys() - {None}) > 1:
            return
    empty = found.pop(None, 0)
    what = "is empty for all rows"
    if found:
        what = f"has one value, {next(iter(found))!r}, for all rows" + (f" but {empty:,} empty ones" if empty else "")
    raise UsageError(f"--adapt {shown(asked)}: {what}; give the column that tells speakers apart")


def named(classes: Sequence[str], shares: np.ndarray) -> dict[str, float]:
    """Class -> share."""
    return dict(zip(classes, shares.tolist(), strict=True))
