"""A folder for a person who listens: clips, and a table that says nothing of what the model heard.

FOLDER/review.csv      one row a clip, shuffled; written to by the reviewer, read by `emoboost.review.truth`
FOLDER/clips/001.wav   16 kHz, mono, 16 bit
FOLDER/how-to.txt      what the reviewer has to know
"""

import csv
import io
import shlex
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from emoboost.access import Access
from emoboost.audio import open_recording, resolve
from emoboost.carried import texts_of
from emoboost.errors import AudioError, OutputError
from emoboost.formulas import guarded
from emoboost.ledger import Ledger
from emoboost.printable import printable
from emoboost.review.draw import Draw, Drawn
from emoboost.review.truth import SPEAKER
from emoboost.temporary import temporary_folder
from emoboost.vocabulary import ALIASES, canonical

REVIEW, CLIPS, HOW_TO = "review.csv", "clips", "how-to.txt"
COLUMNS = ("utterance_id", "path", "human_label", "weight")
SAMPLE_RATE = 16_000
SHOWN = 5
"""Recordings that cannot be read and are named."""


@dataclass
class Clips:
    """What became of the rows that were drawn."""

    rows: list[tuple[int, Drawn]] = field(default_factory=list)
    """Stratum and row of each clip, in the order of the review."""
    unreadable: int = 0
    """Rows whose recording cannot be read any more, or is another one now."""
    reasons: list[str] = field(default_factory=list)
    """The first few of them."""

    def per_stratum(self, strata: int) -> list[int]:
        """How many clips there are of each stratum."""
        counts = Counter(number for number, _ in self.rows)
        return [counts[number] for number in range(strata)]


def refuse_used(folder: Path) -> None:
    """Stop before a folder that holds something is written to.

    Raises:
        OutputError: it does, or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder; choose another with --output")
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty; choose another folder with --output, or empty it")


def write_review(
    draw: Draw,
    ledger: Ledger,
    folder: Path,
    access: Access,
    classes: Sequence[str],
    progress: Callable[[int], None] = lambda clips: None,
) -> Clips:
    """Write a review folder; it appears when it is whole.

    A row whose recording cannot be read any more is replaced by another one of its stratum, as long as there are any.

    Args:
        draw: the sample, and what stands by.
        ledger: the output that it is from.
        folder: a new or empty one.
        access: how recordings may be reached, with the limits of the output.
        classes: the model's.
        progress: called with the number of clips written so far.

    Raises:
        OutputError: the folder cannot be written, or no recording can be read.
        StorageStop: a store cannot be used.
    """
    refuse_used(folder)
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.parent) as temporary:
            made = temporary / "review"
            (made / CLIPS).mkdir(parents=True)
            clips = _write_clips(draw, ledger, made / CLIPS, access, progress)
            if not clips.rows:
                raise OutputError(
                    f"{ledger.folder.display}: none of {clips.unreadable:,} recordings can be read; the first: "
                    f"{clips.reasons[0]}\nIf the archive was moved, --base says where it is now"
                )
            _write_table(draw, clips, _speakers(clips, ledger), made / REVIEW)
            (made / HOW_TO).write_text(how_to(classes, ledger.folder.display), encoding="utf-8")
            made.replace(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder with --output"
        ) from error
    return clips


def how_to(classes: Sequence[str], output: str) -> str:
    """What the reviewer has to know, as plain text."""
    width = max(map(len, classes))
    lines = []
    for name in sorted(classes):
        others = [alias for alias, meant in ALIASES.items() if meant == canonical(name)]
        lines.append(f"  {name:<{width}}  {'or ' + ', '.join(others) if others else ''}".rstrip())
    return "\n".join(
        [
            f"Listen to each clip in {CLIPS}/ and write what you hear into the column human_label of {REVIEW}:",
            "",
            *lines,
            "",
            "Leave human_label empty where it is unclear, or none of these. Upper and lower case do not matter.",
            "Change nothing else: utterance_id and weight are needed later. Save it as CSV in UTF-8.",
            "Do not look at the model's labels before you are done: the figures would be too good.",
            "",
            "Then:",
            "",
            f"  emoboost-batch score {shlex.quote(output)} --truth {REVIEW}",
            "",
        ]
    )


def _write_clips(draw: Draw, ledger: Ledger, folder: Path, access: Access, progress: Callable[[int], None]) -> Clips:
    """One clip after the other in the shuffled order, so that not even the files' dates tell the strata."""
    clips, waiting = Clips(), deque(draw.shuffled)
    spare = [iter(rows[quota:]) for rows, quota in zip(draw.rows, draw.quotas, strict=True)]
    digits = max(3, len(str(len(waiting))))
    while waiting:
        number, drawn = waiting.popleft()
        waveform = _heard(drawn, ledger, access)
        if isinstance(waveform, str):
            clips.unreadable += 1
            clips.reasons += [printable(waveform)] if len(clips.reasons) < SHOWN else []
            waiting += [(number, other) for other in islice(spare[number], 1)]
            continue
        clips.rows.append((number, drawn))
        _write_wav(waveform, folder / f"{len(clips.rows):0{digits}d}.wav")
        progress(len(clips.rows))
    return clips


def _heard(drawn: Drawn, ledger: Ledger, access: Access) -> np.ndarray | str:
    """The samples that were labelled, or why they cannot be had."""
    utterance = drawn.utterance(ledger)
    try:
        with open_recording(resolve(utterance.uri, ledger.plan.base), access) as recording:
            if drawn.version is not None and recording.version != drawn.version:
                return f"{utterance.uri}: the recording has changed: was {drawn.version}, is now {recording.version}"
            most = float(str(ledger.plan.options["max_duration"]))
            return recording.read(*utterance.span, utterance.channel, most, SAMPLE_RATE)
    except AudioError as error:
        return error.message


def _write_wav(waveform: np.ndarray, file: Path) -> None:
    import soundfile

    # Recordings stored as floats may be louder than what 16 bits hold.
    loudest = max(1.0, float(np.abs(waveform).max()))
    content = io.BytesIO()
    soundfile.write(content, waveform / np.float32(loudest), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    file.write_bytes(content.getvalue())


def _speakers(clips: Clips, ledger: Ledger) -> list[str] | None:
    """Who speaks in each clip, where the manifest says so of all: `calibrate` keeps speakers apart."""
    tables = {shard: ledger.shard_table(shard) for shard in {drawn.shard for _, drawn in clips.rows}}
    names = {shard: texts_of(table, SPEAKER) for shard, table in tables.items()}
    found = [names[drawn.shard][drawn.row] for _, drawn in clips.rows]
    return found if all(found) else None


def _write_table(draw: Draw, clips: Clips, speakers: Sequence[str] | None, file: Path) -> None:
    drawn_of = clips.per_stratum(len(draw.strata))
    names = sorted(path.name for path in (file.parent / CLIPS).iterdir())
    # With a byte order mark, by which spreadsheets know that ids are UTF-8.
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        writer = csv.writer(opened)
        writer.writerow(COLUMNS if speakers is None else [*COLUMNS, SPEAKER])
        for place, ((number, drawn), name) in enumerate(zip(clips.rows, names, strict=True)):
            weight = draw.strata[number].rows / drawn_of[number]
            row = [guarded(drawn.utterance_id), f"{CLIPS}/{name}", "", weight]
            writer.writerow(row if speakers is None else [*row, guarded(speakers[place])])
