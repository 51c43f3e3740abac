"""From what the user typed to a ledger that can be worked on: everything that must be right before Ray starts."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from cluster.connect import refuse_unreachable
from emoboost.audio import resolve
from emoboost.checkpoint import ModelFolder, find_model
from emoboost.child import Child, ChildEndedError
from emoboost.embeddings import OPTION as EMBEDDINGS_OPTION
from emoboost.encoder_identity import encoder_identity
from emoboost.errors import AudioErrorType, UsageError
from emoboost.isolation import HEADER_SECONDS, durations, seconds_for
from emoboost.ledger import Ledger, refuse_other_plan
from emoboost.manifest.kinds import open_source
from emoboost.manifest.rows import LAST_CHANNEL
from emoboost.places import without_query
from emoboost.plan import Plan, make_plan, read_shard, utterances_of
from emoboost.preflight import check_recordings, spread
from emoboost.printable import VALUE_SHOWN
from emoboost.redaction import redacted
from emoboost.reuse import refuse_unfit
from emoboost.schema import is_reserved
from emoboost.storage import Folder
from emoboost.storm import STORAGE_ERRORS
from emoboost.temporary import temporary_folder
from emoboost.utterance import Utterance
from jobs.console import say
from jobs.outputs import ledger_of, refuse_relabelled
from jobs.progress import NowAndThen

if TYPE_CHECKING:
    from jobs.annotate import AnnotateOptions


def open_or_plan(options: "AnnotateOptions", model: ModelFolder) -> Ledger:
    """The ledger of the output folder, planned now if the folder is new.

    Raises:
        UsageError: a bad channel, manifest or output, or an output of another run.
    """
    folder = output_folder(options)
    rows = row_options(options, model)
    found = ledger = Ledger.open(folder)
    if found is not None:
        refuse_relabelled(found)
    if ledger is None:
        with temporary_folder() as planned:
            ledger = Ledger.create(folder, plan_locally(options, rows, planned), planned)
    source = open_source(options.manifest, options.access)
    refuse_other_plan(ledger, source.digest(), rows, command_with_output(another(output_of(options))))
    # The manifest and its recordings may have moved since they were planned.
    ledger = dataclasses.replace(ledger, plan=dataclasses.replace(ledger.plan, base=source.base))
    if found is not None:
        refuse_lost_recordings(options, ledger)
    return ledger


def refuse_lost_recordings(options: "AnnotateOptions", ledger: Ledger) -> None:
    """Look at a few utterances of a job that was stopped because most of its recordings could not be read.

    Otherwise whoever starts it again and again fills its output with error rows.

    Raises:
        ManifestError: most of them cannot be opened, for one reason, which is the storage's.
        StorageStop: the store of the recordings cannot be used.
    """
    missing = ledger.missing()
    if options.stop_at < 1 and missing and ledger.was_stopped():
        few = a_few([missing[place] for place in spread(len(missing))], ledger.shard_table)
        look_at(few, ledger.plan.base, options, STORAGE_ERRORS, options.stop_at)


def plan_locally(options: "AnnotateOptions", rows: dict[str, object], planned: Path) -> Plan:
    """Read the manifest once, write its plan into the local folder `planned`, and look at a few recordings.

    Raises:
        UsageError: a bad channel, manifest, or a set-up with which no recording can be read.
        StorageStop: the store of the recordings cannot be used.
    """
    told, access = NowAndThen(), options.access
    seconds = min(HEADER_SECONDS, access.max_decode_seconds)
    with Child(seconds) as child:
        plan = make_plan(
            options.manifest,
            planned,
            rows,
            default_channel=parse_channel(options.channel),
            limit=options.limit,
            reserved=is_reserved,
            probe=lambda locations: durations(locations, access, child),
            progress=lambda utterances: told(f"planning: {utterances:,} utterances read"),
            access=access,
        )

    def read(shard: int) -> pa.Table:
        return read_shard(plan, lambda name: (planned / name).open("rb"), shard)

    look_at(a_few(spread(plan.shards), read), plan.base, options)
    return plan


def look_at(
    few: Sequence[Utterance],
    base: str,
    options: "AnnotateOptions",
    fatal: frozenset[AudioErrorType] = frozenset(AudioErrorType),
    share: float = 1.0,
) -> None:
    """`check_recordings` in a process of its own: a recording that ends it will become an error row."""
    access = options.access
    seconds = min(HEADER_SECONDS, access.max_decode_seconds)
    with Child(seconds_for((resolve(utterance.uri, base) for utterance in few), seconds, access)) as child:
        try:
            chosen = options.channel is not None
            child.ask(check_recordings, few, base, access, fatal, share, channel_chosen=chosen)
        except (ChildEndedError, MemoryError) as error:
            found = error.found if isinstance(error, ChildEndedError) else "it takes more memory than there is"
            say(f"note: {len(few)} recordings were looked at before the start, without a result: {found}")


def describe_plan(options: "AnnotateOptions") -> dict[str, object]:
    """What a run would do, without writing anything (`--dry-run`)."""
    model = find_model(options.model, options.access)
    model.verify()
    refuse_unreachable(options.ray_address)
    if options.reuse is not None:
        fitting_output(options, model)
    folder, rows = output_folder(options), row_options(options, model)
    ledger = Ledger.open(folder)
    if ledger is None:
        folder.check_writable()
    else:
        refuse_relabelled(ledger)
        digest = open_source(options.manifest, options.access).digest()
        refuse_other_plan(ledger, digest, rows, command_with_output(another(output_of(options))))
    with temporary_folder() as planned:
        plan = plan_locally(options, rows, planned)
    return {
        "manifest": plan.manifest,
        "output": folder.display,
        "finished shards": 0 if ledger is None else len(ledger.finished()),
        "utterances": plan.utterances,
        "shards": plan.shards,
        "audio hours known": round(plan.known_seconds / 3600, 3),
        "of unknown length": plan.unknown_lengths,
        "model": model.identity,
        "carried columns": ", ".join(plan.carried.names) or "none",
    }


def fitting_output(options: "AnnotateOptions", model: ModelFolder) -> Ledger:
    """The older output whose rows hold for a new one.

    Raises:
        OutputError: it is none, or was made with another model or other options.
        UsageError: it was made by relabel.
    """
    old = ledger_of(str(options.reuse), options.access.storage_options)
    refuse_relabelled(old)
    refuse_unfit(row_options(options, model), old.plan)
    return old


def row_options(options: "AnnotateOptions", model: ModelFolder) -> dict[str, object]:
    """The choices that change a row: they are part of the plan's hash."""
    channel = parse_channel(options.channel)
    # Named only where they are kept, so that outputs without them are those of releases that knew none.
    embeddings = {EMBEDDINGS_OPTION: encoder_identity(model)} if options.embeddings else {}
    return {
        "model": model.identity,
        "classes": list(model.config.classes),
        "precision": options.precision,
        "channel": "mix" if channel is None else channel,
        "limit": options.limit,
        "max_duration": options.max_duration,
        "allow_http": options.access.http,
        # Not which one: an archive may be moved while it is annotated.
        "root": options.access.root is not None,
        "max_bytes": options.access.max_bytes,
        "max_channels": options.access.max_channels,
        "max_sample_rate": options.access.max_sample_rate,
        **embeddings,
    }


def output_of(options: "AnnotateOptions") -> str:
    """The output the user named, or else a folder in the current directory, named after the manifest."""
    return default_output(options.manifest, options.limit) if options.output is None else options.output


def another(output: str) -> str:
    """A name for an output beside this one.

    >>> another("calls.emotions/")
    'calls.emotions-2'
    """
    return f"{output.rstrip('/')}-2"


def output_folder(options: "AnnotateOptions") -> Folder:
    """`output_of`, to be opened as the user said."""
    return Folder.at(output_of(options), options.access.storage_options, options.access.retry_seconds)


def default_output(manifest: str, limit: int | None) -> str:
    """A folder name after the manifest's.

    >>> default_output("corpora/calls.csv", None)
    'calls.emotions'
    >>> default_output("corpora/calls.csv", 100)
    'calls.emotions-limit100'
    >>> default_output("corpora/calls/*.wav", None)
    'calls.emotions'
    """
    place = redacted(without_query(manifest))
    parts = [part for part in place.rstrip("/").split("/") if "*" not in part and "?" not in part]
    name = Path(parts[-1]).stem if parts and parts[-1] not in ("", ".", "..") else "recordings"
    return f"{name}.emotions" + (f"-limit{limit}" if limit is not None else "")


def parse_channel(text: str | None) -> int | None:
    """`--channel`: a number counted from 0, or `mix` for the mean of all channels (None).

    Raises:
        UsageError: anything else.
    """
    if text is None or text == "mix":
        return None
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"--channel {text[:VALUE_SHOWN]}: give a channel number, counted from 0, or mix")
    # Python reads no number of thousands of digits.
    number = int(text) if len(text) <= len(str(LAST_CHANNEL)) else LAST_CHANNEL + 1
    if number > LAST_CHANNEL:
        raise UsageError(f"--channel {text[:VALUE_SHOWN]}: no recording has so many channels")
    return number


def a_few(shards: Iterable[int], read: Callable[[int], pa.Table]) -> list[Utterance]:
    """Utterances spread over these shards."""
    utterances = [utterance for shard in shards for utterance in utterances_of(read(shard))]
    return [utterances[place] for place in spread(len(utterances))]


def command_with_output(output: str) -> list[str]:
    """The command that was typed, with another output, without `--reuse` and without secrets."""
    words, skip = [], False
    for word in sys.argv[1:]:
        if skip or word.startswith(("--output=", "--reuse=")) or (word.startswith("-o") and len(word) > 2):
            skip = False
            continue
        skip = word in ("--output", "-o", "--reuse")
        if not skip:
            words.append(word)
    return ["emoboost-batch", *map(redacted, without_secrets(words)), "--output", output]


def without_secrets(words: list[str]) -> list[str]:
    """A command's words with `--storage-options` that were typed rather than read from a file left out.

    >>> without_secrets(["--storage-options", '{"secret": "s"}', "calls.csv", "--storage-options=@options.json"])
    ['--storage-options', '@FILE', 'calls.csv', '--storage-options=@options.json']
    """
    flag, shown = "--storage-options", list[str]()
    for word in words:
        value = word.removeprefix(f"{flag}=")
        is_value = value != word or shown[-1:] == [flag]
        shown.append(word.removesuffix(value) + "@FILE" if is_value and not value.startswith("@") else word)
    return shown
