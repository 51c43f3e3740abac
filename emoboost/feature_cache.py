"""Frozen features on disk, so that no experiment computes them twice.

A cache folder has one folder for each set of frozen networks and feature settings. In it lie packs: safetensors files
that hold the rows of some entries and are mapped into memory, never read whole. An entry is one copy of one utterance,
named by the hash of its audio and of what was done to it: it is found again whatever manifest, path or format it came
from. A pack appears in one step; what is missing is computed again, so that an interrupted run goes on.
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from emoboost.atomic import write_whole
from emoboost.augment import Augmentation
from emoboost.errors import EmoboostError
from emoboost.user_cache import user_cache

if TYPE_CHECKING:
    from torch import Tensor

    from emoboost.config import ModelConfig
    from emoboost.frozen import FrozenFeatures
    from emoboost.model import FrozenEncoders

SETTINGS = "settings.json"
PACK_SUFFIX = ".safetensors"
ENTRIES = "entries"
"""Key of a pack's metadata: a JSON list of entry and number of its segments, in the order of its rows."""


def default_cache() -> Path:
    """Where features lie unless the user says otherwise."""
    return user_cache() / "features"


def entry_name(audio_hash: str, augmentation: Augmentation) -> str:
    """The name of one copy of one utterance: 32 hex digits."""
    return hashlib.sha256(f"{audio_hash} {augmentation.key}".encode()).hexdigest()[:32]


def settings_of(config: "ModelConfig", encoders: "FrozenEncoders") -> dict[str, object]:
    """Everything that features depend on, beside the audio: how segments are cut, feature settings, frozen weights."""
    branch = config.spectrogram_branch
    return {
        "segment": dataclasses.asdict(config.segment),
        "mfcc": dataclasses.asdict(config.mfcc) if config.mfcc_branch else None,
        "spectrogram": dataclasses.asdict(config.spectrogram) if branch else None,
        "image": [branch.height, branch.width] if branch else None,
        "backbone": dataclasses.asdict(config.backbone),
        "weights": _weights_hash(encoders),
    }


def _weights_hash(encoders: "FrozenEncoders") -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(encoders.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Location:
    """Where an entry lies."""

    pack: Path
    first: int
    """Its first row."""
    segments: int


@dataclass(frozen=True)
class FeatureCache:
    """The features of one set of settings."""

    folder: Path

    @classmethod
    def open(cls, root: Path, settings: Mapping[str, object]) -> Self:
        """The folder of these settings, made when missing.

        Raises:
            EmoboostError: it cannot be made.
        """
        text = json.dumps(settings, indent=2, sort_keys=True)
        folder = root.absolute() / hashlib.sha256(text.encode()).hexdigest()[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / SETTINGS, text.encode())
        except OSError as error:
            raise EmoboostError(f"{root}: features cannot be kept there ({error.strerror}); choose --cache") from error
        return cls(folder)

    def index(self) -> dict[str, Location]:
        """Every entry and where it lies; a damaged pack is removed, so that its entries are computed again."""
        found: dict[str, Location] = {}
        for pack in self.packs():
            entries = _entries(pack)
            if entries is None:
                pack.unlink(missing_ok=True)
                continue
            first = 0
            for name, segments in entries:
                found[name] = Location(pack, first, segments)
                first += segments
        return found

    def packs(self) -> list[Path]:
        """Files that hold rows, sorted."""
        return sorted(self.folder.glob(f"*{PACK_SUFFIX}"))

    def publish(self, entries: Sequence[tuple[str, "Mapping[str, Tensor]"]]) -> None:
        """Write a pack in one step.

        Args:
            entries: name, and what `frozen.encode` gave.

        Raises:
            EmoboostError: it cannot be written; nothing of it is left.
        """
        import torch
        from safetensors.torch import save

        rows = [(name, len(tensors["valid_frames"])) for name, tensors in entries]
        tensors = {key: torch.cat([values[key] for _, values in entries]).contiguous() for key in entries[0][1]}
        name = hashlib.sha256(" ".join(entry for entry, _ in rows).encode()).hexdigest()[:32]
        try:
            write_whole(self.folder / f"{name}{PACK_SUFFIX}", save(tensors, {ENTRIES: json.dumps(rows)}))
        except OSError as error:
            raise EmoboostError(
                f"{self.folder}: features cannot be written ({error.strerror}); free space or choose --cache, "
                "what is there already is used again"
            ) from error

    def features(self, wanted: Sequence[Sequence[str]]) -> "FrozenFeatures":
        """Rows of these entries, mapped from the packs.

        Args:
            wanted: for each utterance of the corpus the names of its copies, the clean one first.

        Raises:
            EmoboostError: an entry is missing.
        """
        import torch
        from safetensors.torch import load_file

        from emoboost.frozen import FrozenFeatures, Scattered

        index = self.index()
        if missing := [name for copies in wanted for name in copies if name not in index]:
            raise EmoboostError(f"{self.folder}: {len(missing):,} entries are missing; the same command computes them")
        places = [(u, c, index[name]) for u, copies in enumerate(wanted) for c, name in enumerate(copies)]
        packs = {pack: number for number, pack in enumerate(dict.fromkeys(place.pack for *_, place in places))}
        tensors = [load_file(pack) for pack in packs]
        counts = np.array([place.segments for *_, place in places])
        part = np.repeat([packs[place.pack] for *_, place in places], counts)
        position = np.concatenate([np.arange(place.first, place.first + place.segments) for *_, place in places])

        def scattered(name: str) -> Scattered | None:
            return Scattered([pack[name] for pack in tensors], part, position) if name in tensors[0] else None

        frames, valid_frames = scattered("frames"), scattered("valid_frames")
        assert frames is not None
        assert valid_frames is not None
        return FrozenFeatures(
            frames,
            valid_frames[torch.arange(len(part))],
            scattered("mfcc"),
            scattered("image"),
            np.repeat([utterance for utterance, *_ in places], counts),
            np.repeat([copy for _, copy, _ in places], counts),
        )


@dataclass(frozen=True)
class CacheUse:
    """What one set of settings takes."""

    folder: Path
    encoder: str
    entries: int
    bytes: int


def cache_use(root: Path) -> Iterator[CacheUse]:
    """Every set of settings in a cache folder, sorted by folder."""
    for settings in sorted(root.glob(f"*/{SETTINGS}")):
        cache = FeatureCache(settings.parent)
        try:
            backbone = json.loads(settings.read_text(encoding="utf-8"))["backbone"]
            layers = ", ".join(map(str, backbone["layers"]))
        except (ValueError, KeyError, TypeError):  # somebody else's file of that name
            continue
        yield CacheUse(
            cache.folder,
            f"{backbone['source']}, layers {layers}",
            len(cache.index()),
            sum(file.stat().st_size for file in cache.folder.iterdir()),
        )


def clear_cache(root: Path) -> int:
    """Remove every set of settings and nothing else; the number of bytes that became free."""
    freed = 0
    for use in list(cache_use(root)):
        freed += use.bytes
        shutil.rmtree(use.folder)
    return freed


def _entries(pack: Path) -> list[tuple[str, int]] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(pack, framework="pt") as stored:
            return [(name, segments) for name, segments in json.loads(stored.metadata()[ENTRIES])]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
