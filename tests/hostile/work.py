"""What is done to hostile inputs, for `Isolated`: it returns how they ended and raises what must never be."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emoboost.access import Access
from emoboost.audio import Recording, correlation_of_channels, open_recording
from emoboost.decoder import Decoder
from emoboost.errors import FIXES, AudioError, AudioErrorType, ManifestError
from emoboost.plan import Plan, make_plan, read_shard, utterances_of
from emoboost.prepare import Preparation, Prepared
from emoboost.schema import Outcome, is_reserved
from emoboost.source import Source, audio_errors
from emoboost.utterance import Utterance

OK = "ok"
MAX_SECONDS = 60.0
"""Fuzzed recordings last a second; one whose header says hours should not be decoded for hours."""


class Bytes(NamedTuple):
    """A file before it is written."""

    content: bytes
    suffix: str


def read_audio(file: Bytes) -> str:
    """Read a recording from the disk and as a store's.

    A damaged header may send libsndfile beyond the end of the file, where the two behave differently: then one may be
    an error and the other not, but never are both readable with different samples.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"recording{file.suffix}")
        path.write_bytes(file.content)
        local, samples = _read(lambda: open_recording(str(path), Access()))
        _compare_channels(path)
    remote, others = _read(lambda: _in_a_store(file.content))
    if samples is not None and others is not None:
        np.testing.assert_array_equal(samples, others)
    return local if remote == local else f"{local}, {remote} in a store"


def _read(opened: Callable[[], Recording]) -> tuple[str, np.ndarray | None]:
    try:
        with opened() as recording:
            samples = recording.read(0.0, None, None, MAX_SECONDS)
    except AudioError as error:
        return _explained(error), None
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 0 < len(samples) <= MAX_SECONDS * 16_000 + 1
    assert np.isfinite(samples).all()
    return OK, samples


def _compare_channels(path: Path) -> None:
    """What is asked about a call before its annotation."""
    try:
        likeness = correlation_of_channels(str(path), Access())
    except AudioError as error:
        _explained(error)
    else:
        assert likeness is None or abs(likeness) < 1.001, likeness


def _explained(error: AudioError) -> str:
    assert error.type in FIXES
    # A file that lies on a disk that works can be read: this type would hide a mistake of ours.
    assert error.type is not AudioErrorType.UNREADABLE, error.message
    assert error.message.partition(": ")[2]
    return error.type.value


def _in_a_store(content: bytes) -> Recording:
    with audio_errors("store"):
        return Recording("store", Decoder("store", Source(io.BytesIO(content), is_local=False), Access()))


class Seen(NamedTuple):
    """What became of an utterance and of the good one behind it."""

    outcomes: tuple[Outcome, ...]
    digests: tuple[str, ...]
    """Of each one's inputs to the network, all bits of them."""


@dataclass(frozen=True)
class Prepare:
    """Prepares a few utterances as a shard is prepared."""

    preparation: Preparation

    def __call__(self, utterances: Sequence[Utterance]) -> Seen:
        prepared = self.preparation(utterances)
        last = np.cumsum([outcome.n_segments for outcome in prepared.outcomes])
        rows = [slice(end - outcome.n_segments, end) for outcome, end in zip(prepared.outcomes, last, strict=True)]
        return Seen(prepared.outcomes, tuple(_digest(prepared, each) for each in rows))


def _digest(prepared: Prepared, rows: slice) -> str:
    digest = hashlib.sha256()
    for values in (prepared.valid, prepared.starts, *prepared.inputs.values()):
        digest.update(np.ascontiguousarray(values[rows]).tobytes())
    return digest.hexdigest()


def plan_bytes(file: Bytes) -> str:
    """Plan a manifest that holds these bytes: `ok` or `refused`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"manifest{file.suffix}")
        path.write_bytes(file.content)
        return OK if plan_manifest(str(path)) == OK else "refused"


def plan_manifest(manifest: str) -> str:
    """Plan a manifest and read the plan back: `ok`, or the message of its refusal."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "plan")
        try:
            plan = make_plan(manifest, folder, {}, reserved=is_reserved)
        except ManifestError as error:
            message = str(error)
            assert message
            assert not (folder / "plan.json").exists()
            return message
        assert Plan.from_json((folder / "plan.json").read_text(encoding="utf-8")) == plan
        planned = [
            utterance
            for shard in range(plan.shards)
            for utterance in utterances_of(read_shard(plan, lambda name: (folder / name).open("rb"), shard))
        ]
        assert len(planned) == plan.utterances > 0
        assert len({utterance.utterance_id for utterance in planned}) == plan.utterances
        assert all(utterance.uri.strip() for utterance in planned)
    return OK
