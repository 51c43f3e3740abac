"""Where an encoder's files lie: in a folder, or in the Hugging Face hub's cache after a download."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoboost.errors import ModelError
from emoboost.limits import read_json
from emoboost.user_path import user_path

CONFIG, PREPARATION, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
SHARDED = f"{WEIGHTS}.index.json"
"""Which files a large model's weights were cut into."""
SMALL_FILES = (CONFIG, PREPARATION)
WEIGHT_FILES = (WEIGHTS, SHARDED, "model-*-of-*.safetensors")
"""Nothing else is ever downloaded: no pickle, no code."""
TIMEOUT = 10.0
"""Seconds until the hub's first answer."""
NEITHER = "no such folder, and not a hub id such as openai/whisper-base"


@dataclass(frozen=True)
class EncoderFolder:
    """An encoder in transformers' layout on this machine."""

    path: Path
    source: str
    """Hub id, or the folder's name."""
    revision: str | None = None
    """Commit on the hub; None for a folder."""

    def read_json(self, name: str) -> Mapping[str, Any]:
        """The object in one of `SMALL_FILES`.

        Raises:
            ModelError: the file is missing, or holds no object.
        """
        file = self.path / name
        try:
            found = read_json(file)
        except FileNotFoundError:
            fix = "give a folder in transformers' layout with safetensors"
            if name == PREPARATION:
                fix = (
                    "it says whether this encoder hears normalised audio; write it with transformers' "
                    "Wav2Vec2FeatureExtractor(do_normalize=...).save_pretrained, as the encoder was trained"
                )
            raise ModelError(f"{self._where}: {name} is missing; {fix}") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{file}: not JSON ({error}); copy the folder again") from None
        if not isinstance(found, dict):
            raise ModelError(f"{file}: not a JSON object; copy the folder again")
        return found

    def require(self, found: Mapping[str, Any], keys: Sequence[str]) -> None:
        """Refuse a config.json in which a key is missing.

        Raises:
            ModelError: it names the first one.
        """
        if missing := [key for key in keys if key not in found]:
            raise ModelError(f"{self.path / CONFIG}: key {missing[0]!r} is missing; copy the folder again")

    def with_weights(self) -> list[Path]:
        """Its weight files, downloaded now when it comes from the hub; never a pickle.

        Raises:
            ModelError: there are none in safetensors, or a part of them is missing.
        """
        if self.revision is not None:
            _download(self.source, self.revision, WEIGHT_FILES)
        if (self.path / WEIGHTS).is_file():
            return [self.path / WEIGHTS]
        if not (self.path / SHARDED).is_file():
            raise ModelError(
                f"{self._where}: {WEIGHTS} is missing; give a folder in transformers' layout with safetensors. "
                "Pickled weights are never read; where you trust them, convert them once with transformers: "
                "AutoModel.from_pretrained(...).save_pretrained(FOLDER), and AutoFeatureExtractor likewise"
            )
        parts = self.read_json(SHARDED).get("weight_map")
        # A part lies beside its index: a name that leads elsewhere is not followed.
        names = {Path(str(name)).name for name in parts.values()} if isinstance(parts, dict) else set()
        for name in sorted(names) or [WEIGHTS]:
            if not (self.path / name).is_file():
                raise ModelError(f"{self._where}: {name}, named by {SHARDED}, is missing; copy the folder again")
        return [self.path / name for name in sorted(names)]

    @property
    def _where(self) -> str:
        return str(self.path) if self.revision is None else f"{self.source} (hub, {self.revision[:12]})"


def find_encoder(source: str | Path, revision: str | None) -> EncoderFolder:
    """The folder of that path, or a hub id's small files after a download.

    Raises:
        ModelError: neither a folder nor a hub id that can be reached.
    """
    path = user_path(source).resolve()
    if path.is_dir():
        return EncoderFolder(path, path.name)
    if "/" not in str(source):
        raise ModelError(f"{source}: {NEITHER}")
    path = _download(str(source), revision, SMALL_FILES)
    return EncoderFolder(path, str(source), path.name)


def _download(source: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """Files of a hub id in the cache, in a folder whose name is the commit; what is cached serves without the hub."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    unreachable: Exception | None = None
    try:
        # Asked first because this gives up at once, where a download tries an unreachable hub for half a minute.
        HfApi().model_info(source, revision=revision, timeout=TIMEOUT)
    except HFValidationError:
        raise ModelError(f"{source}: {NEITHER}") from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        version = "" if revision is None else f" with revision {revision}"
        raise ModelError(
            f"{source}: no such folder, and the Hugging Face hub shows no such repository{version}; correct the name, "
            "or log in with: hf auth login"
        ) from None
    except (OSError, HTTPError) as error:
        unreachable = error
    try:
        cached = snapshot_download(
            source, revision=revision, allow_patterns=list(patterns), local_files_only=unreachable is not None
        )
    except (OSError, HTTPError) as error:
        reason = " ".join(str(unreachable or error).split())
        raise ModelError(
            f"{source}: no such folder, and it cannot be fetched from the Hugging Face hub ({reason}); where the hub "
            f"can be reached, run: hf download {source} --include '*.json' --include '*.safetensors' "
            "--local-dir FOLDER, and give that folder"
        ) from None
    return Path(cached)
