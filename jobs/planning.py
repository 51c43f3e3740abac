"""From what the user typed to a ledger that can be worked on: everything that must be right before Ray starts."""

import dataclasses
import functools
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.connect import refuse_unreachable
from emoboost.access import Access
from emoboost.audio import probe
from emoboost.checkpoint import ModelFolder, find_model
from emoboost.errors import AudioError, UsageError
from emoboost.ledger import Ledger, refuse_other_plan
from emoboost.manifest.kinds import open_source
from emoboost.manifest.rows import LAST_CHANNEL
from emoboost.plan import Plan, make_plan, read_shard, utterances_of
from emoboost.preflight import check_recordings, spread
from emoboost.schema import is_reserved
from emoboost.storage import Folder, is_url
from emoboost.utterance import Utterance
from jobs.console import say

if TYPE_CHECKING:
    from jobs.annotate import AnnotateOptions


PLANNING_SAID_EVERY = 5.0
"""Seconds."""


def open_or_plan(options: "AnnotateOptions", model: ModelFolder) -> Ledger:
    """The ledger of the output folder, planned now if the folder is new.

    Raises:
        UsageError: a bad channel, manifest or output, or an output of another run.
    """
    output = output_of(options)
    folder = output_folder(options)
    rows = row_options(options, model)
    ledger = Ledger.open(folder)
    if ledger is None:
        with tempfile.TemporaryDirectory(prefix="emoboost-plan-") as planned:
            Ledger.create(folder, plan_locally(options, rows, Path(planned)), Path(planned))
        # Read back: another command may have planned this folder in the meantime.
        ledger = Ledger.open(folder)
        assert ledger is not None
    source = open_source(options.manifest, options.access)
    refuse_other_plan(ledger, source.digest(), rows, command_with_output(f"{output}-2"))
    # The manifest and its recordings may have moved since they were planned.
    return dataclasses.replace(ledger, plan=dataclasses.replace(ledger.plan, base=source.base))


def plan_locally(options: "AnnotateOptions", rows: dict[str, object], planned: Path) -> Plan:
    """Read the manifest once, write its plan into the local folder `planned`, and look at a few recordings."""
    plan = make_plan(
        options.manifest,
        planned,
        rows,
        default_channel=parse_channel(options.channel),
        limit=options.limit,
        reserved=is_reserved,
        probe=functools.partial(duration_of, access=options.access),
        progress=_PlanningProgress(),
        access=options.access,
    )
    check_recordings(a_few(plan, planned), plan.base, options.access, channel_chosen=options.channel is not None)
    return plan


def describe_plan(options: "AnnotateOptions") -> dict[str, object]:
    """What a run would do, without writing anything (`--dry-run`)."""
    model = find_model(options.model, options.access)
    model.verify()
    refuse_unreachable(options.ray_address)
    folder, rows = output_folder(options), row_options(options, model)
    ledger = Ledger.open(folder)
    if ledger is None:
        folder.check_writable()
    else:
        digest = open_source(options.manifest, options.access).digest()
        refuse_other_plan(ledger, digest, rows, command_with_output(f"{output_of(options)}-2"))
    with tempfile.TemporaryDirectory(prefix="emoboost-plan-") as planned:
        plan = plan_locally(options, rows, Path(planned))
    return {
        "manifest": options.manifest,
        "output": folder.display,
        "finished shards": 0 if ledger is None else len(ledger.finished()),
        "utterances": plan.utterances,
        "shards": plan.shards,
        "audio hours known": round(plan.known_seconds / 3600, 3),
        "of unknown length": plan.unknown_lengths,
        "model": model.identity,
        "carried columns": ", ".join(plan.carried.names) or "none",
    }


def row_options(options: "AnnotateOptions", model: ModelFolder) -> dict[str, object]:
    """The choices that change a row: they are part of the plan's hash."""
    channel = parse_channel(options.channel)
    return {
        "model": model.identity,
        "precision": options.precision,
        "channel": "mix" if channel is None else channel,
        "limit": options.limit,
        "max_duration": options.max_duration,
        "max_bytes": options.access.max_bytes,
        "max_channels": options.access.max_channels,
        "max_sample_rate": options.access.max_sample_rate,
    }


def output_of(options: "AnnotateOptions") -> str:
    """The output the user named, or else a folder in the current directory, named after the manifest."""
    return default_output(options.manifest, options.limit) if options.output is None else options.output


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
    parts = [part for part in manifest.rstrip("/").split("/") if "*" not in part and "?" not in part]
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
        raise UsageError(f"--channel {text}: give a channel number, counted from 0, or mix")
    if int(text) > LAST_CHANNEL:
        raise UsageError(f"--channel {text}: no recording has so many channels")
    return int(text)


def duration_of(location: str, access: Access) -> float | None:
    """Seconds of a local recording by its header; None when that cannot be told, or costs a request to a store."""
    if is_url(location):
        return None
    try:
        return probe(location, access).duration
    except AudioError:
        return None


def a_few(plan: Plan, planned: Path) -> list[Utterance]:
    """Utterances spread over the plan."""
    shards = [read_shard(plan, lambda name: (planned / name).open("rb"), shard) for shard in spread(plan.shards)]
    utterances = [utterance for shard in shards for utterance in utterances_of(shard)]
    return [utterances[i] for i in spread(len(utterances))]


def command_with_output(output: str) -> list[str]:
    """The command that was typed, with another output."""
    words = sys.argv[1:]
    for flag in ("--output", "-o"):
        if flag in words:
            at = words.index(flag)
            words = words[:at] + words[at + 2 :]
    words = [word for word in words if not word.startswith("--output=")]
    words = without_secrets(words)
    return ["emoboost-batch", *words, "--output", output]


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


class _PlanningProgress:
    """Says how far planning is, for manifests that take a while."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def __call__(self, utterances: int) -> None:
        if time.monotonic() - self.said >= PLANNING_SAID_EVERY:
            self.said = time.monotonic()
            say(f"planning: {utterances:,} utterances read")
