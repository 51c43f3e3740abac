"""An archive of a stranger: every hostile input in one folder, with the ends that are right for each."""

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path

import soundfile
from bad_audio import PROTECTED, RATE, make_bad_audio
from reading import CLIP, samples_of

from emoboost.errors import AudioErrorType
from hostile.case import Hostile, only, write_all
from hostile.contents import endless, no_audio, spans, strange_signals
from hostile.headers import lying_headers
from hostile.places import no_files, strange_names
from hostile.recordings import cut, randomly_damaged, whole


def make_hostile_corpus(folder: Path, seed: int) -> list[Hostile]:
    """Write all of it below a folder; the same for the same seed.

    Args:
        folder: exists and is empty; the manifest's folder, which relative uris start from.
        seed: of all that is random.
    """
    clip, seconds = folder / "clip.flac", 1.0
    speech = samples_of(CLIP)[RATE // 2 : RATE // 2 + int(seconds * RATE)]
    soundfile.write(clip, speech, RATE)
    return [
        *write_all(folder / "whole", whole(speech), clip),
        *write_all(folder / "cut", cut(speech), clip),
        *write_all(folder / "damaged", randomly_damaged(speech, seed), clip),
        *write_all(folder / "headers", lying_headers(speech), clip),
        *write_all(folder / "no_audio", no_audio(seed), clip),
        *write_all(folder / "signals", strange_signals(speech), clip),
        *endless(folder / "endless"),
        *spans(clip, seconds),
        *strange_names(folder / "names", clip),
        *no_files(folder / "places", clip),
        *_difficult(folder / "difficult"),
    ]


def write_manifest(path: Path, inputs: Iterable[Hostile], good: list[Path]) -> Path:
    """A CSV file of all inputs with a good clip, `good-<number>`, behind each fourth of them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "utterance_id", "start", "end", "channel"])
        for number, each in enumerate(inputs):
            end, channel = ("" if value is None else value for value in (each.end, each.channel))
            writer.writerow([each.uri, each.name, each.start, end, channel])
            if number % 4 == 0:
                writer.writerow([good[number // 4 % len(good)].absolute(), f"good-{number // 4}", "", "", ""])
    return path


def _difficult(folder: Path) -> list[Hostile]:
    """Those that the tests of audio look at more closely."""
    folder.mkdir()
    clip = Path(shutil.copy(CLIP, folder / "whole.flac"))
    found = []
    for name, (path, expected, start, end) in make_bad_audio(folder, clip).items():
        ends = frozenset({expected})
        if name == PROTECTED:
            # Root may read it.
            ends = only(AudioErrorType.PERMISSION) | {None}
        if expected is AudioErrorType.TOO_LONG:
            # Of the shorter limit that those tests set.
            ends = frozenset({None})
        found.append(Hostile(f"difficult_{name}", f"{folder.name}/{path.name}", ends, start=start, end=end))
    return found
