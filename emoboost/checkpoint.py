"""One folder is one model: config.json, model.safetensors (trained), frozen.safetensors (embedded encoders), README.md;
and where it can be adapted to speakers, adapted.safetensors. Only bundled models may share a file of frozen encoders.

Nothing is unpickled, and nothing is downloaded but a folder that the user names by URL. Every weight file is checked
against the hash in the config before a tensor of it is used, and every tensor must be used exactly once.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from emoboost.access import Access
from emoboost.config import ModelConfig
from emoboost.defaults import DEFAULT_MODEL
from emoboost.errors import ModelError
from emoboost.limits import CONFIG_BYTES, LIST_BYTES, read_whole, weight_bytes
from emoboost.model_download import download
from emoboost.places import is_url
from emoboost.printable import printable
from emoboost.user_path import user_path

if TYPE_CHECKING:
    import torch

    from emoboost.adaptation import AdaptedHead
    from emoboost.model import MsEmoBoost

CONFIG, TRAINED, FROZEN, CARD = "config.json", "model.safetensors", "frozen.safetensors", "README.md"
ADAPTED = "adapted.safetensors"
"""The classifier of vectors without their speaker's offset, where the recipe makes one."""
TRAINING_AUDIO = "training_audio.txt"
"""The utterances that a model was trained on: hash of the samples, space, id; one a line."""
FILES = (CONFIG, TRAINED, FROZEN, ADAPTED, CARD, TRAINING_AUDIO)
"""What a model folder may hold."""
BUNDLED = Path(str(resources.files("emoboost") / "models"))
"""Where the models of the package lie."""


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk whose config was read and checked, its weights not yet."""

    path: Path
    config: ModelConfig
    origin: str | None = None
    """URL that it was downloaded from."""

    @property
    def identity(self) -> str:
        """Name and first 12 hex digits of the SHA-256 over the config, which holds the hash of every weight file."""
        digest = hashlib.sha256(self.config.to_json().encode()).hexdigest()
        return f"{self.config.name}@{digest[:12]}"

    @property
    def reference(self) -> str:
        """What finds this model again in another process or on another machine: a bundled name, a path or a URL."""
        if self.origin is not None:
            return self.origin
        return self.path.name if self.is_bundled else str(self.path.absolute())

    @property
    def is_bundled(self) -> bool:
        """Whether it comes with the package, by whatever path it was named."""
        return self.path.resolve().parent == BUNDLED.resolve()

    def verify(self) -> None:
        """Check every weight file against its hash, without loading a tensor.

        Raises:
            ModelError: a file is missing, or was changed since training.
        """
        for name in (TRAINED, FROZEN, ADAPTED):
            if name != ADAPTED or name in self.config.weights:
                _verified(self, name)

    @property
    def size(self) -> int:
        """Bytes of all files in the folder, and of weights that it shares with another bundled model."""
        files = {*self.path.iterdir(), *(self.weight_file(name) for name in self.config.weights)}
        return sum(file.stat().st_size for file in files if file.is_file())

    def weight_file(self, name: str) -> Path:
        """Where a weight file lies: in the folder, or in that of another bundled model that has the same one.

        So the package holds frozen encoders once, however many heads come with them.
        """
        own = self.path / name
        if name not in self.config.weights or own.exists() or not self.is_bundled:
            return own
        for other in bundled_models():
            file = BUNDLED / other / name
            if file.exists() and _folder_at(file.parent).config.weights.get(name) == self.config.weights.get(name):
                return file
        return own

    @property
    def training_audio(self) -> dict[str, str]:
        """Hash (`augment.audio_hash`) -> id of each utterance it was trained on; empty when the folder does not say."""
        lines = self._text(TRAINING_AUDIO, LIST_BYTES).splitlines()
        return {audio: name for audio, _, name in (line.partition(" ") for line in lines)}

    @property
    def card(self) -> str:
        """The model card in Markdown; empty when the folder has none."""
        return self._text(CARD, CONFIG_BYTES)

    def _text(self, name: str, most: int) -> str:
        """What a file of it says; empty when the folder has none.

        Raises:
            ModelError: it is no file of at most so many bytes of UTF-8, or cannot be read.
        """
        file = self.path / name
        try:
            return read_whole(file, most).decode() if file.exists() else ""
        except OSError as error:
            raise ModelError(f"{file}: cannot be read ({error.strerror}); copy the model folder again") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"{file}: is not UTF-8; copy the model folder again") from error


def bundled_models() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(path.parent.name for path in BUNDLED.glob(f"*/{CONFIG}"))


def find_model(name_or_folder: str | Path = DEFAULT_MODEL, access: Access | None = None) -> ModelFolder:
    """A bundled model by name, or any model folder by path or URL.

    Args:
        name_or_folder: the name or path; a folder behind a URL is downloaded once into the user's cache.
        access: how a store is reached; None is `Access()`.

    Raises:
        ModelError: there is no such model, or its config cannot be used.
        StorageStop: its store cannot be used.
    """
    if is_url(str(name_or_folder)) and not str(name_or_folder).startswith("file://"):
        url = str(name_or_folder)
        folder = _folder_at(download(url, access or Access(), FILES, _check))
        return dataclasses.replace(folder, origin=url)
    path = user_path(str(name_or_folder).removeprefix("file://"))
    bundled = bundled_models()
    if str(name_or_folder) in bundled:
        path = BUNDLED / str(name_or_folder)
    elif not path.is_dir():
        raise ModelError(
            f"{name_or_folder}: no such model; give a model folder or one of: {', '.join(bundled) or '(none bundled)'}"
        )
    return _folder_at(path)


def load_network(folder: ModelFolder) -> "MsEmoBoost":
    """The network with its weights, in eval mode, float32, on the CPU.

    Raises:
        ModelError: a weight file is missing, was changed since training, or does not fit the config.
    """
    from emoboost.model import MsEmoBoost

    frozen = _read_weights(folder, FROZEN, "frozen.")
    if folder.config.spectrogram_branch is None:
        # Models with and without guidance share one file of frozen encoders.
        frozen = {name: tensor for name, tensor in frozen.items() if not name.startswith("frozen.alexnet.")}
    tensors = frozen | _read_weights(folder, TRAINED, "head.")
    expected = _shapes(folder)
    _check_keys(folder, set(expected), set(tensors))
    for name, tensor in tensors.items():
        if tensor.shape != expected[name]:
            raise ModelError(
                f"{folder.path}: {printable(name)} is {tuple(tensor.shape)}, the config asks for "
                f"{tuple(expected[name])}"
            )
        if not tensor.isfinite().all():
            raise ModelError(f"{folder.path}: {printable(name)} holds NaN or infinity; copy the model folder again")
    network = MsEmoBoost(folder.config)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return network.eval()


def load_frozen(folder: ModelFolder) -> "dict[str, torch.Tensor]":
    """The tensors of a model's frozen encoders, in the precision in which they are stored.

    Raises:
        ModelError: the weight file is missing, or was changed since training.
    """
    return _read_weights(folder, FROZEN, "")


def load_trained(folder: ModelFolder) -> "dict[str, torch.Tensor]":
    """The tensors that training made: guidance, enhancement and classifier.

    Raises:
        ModelError: the weight file is missing, or was changed since training.
    """
    return _read_weights(folder, TRAINED, "")


def load_adapted(folder: ModelFolder) -> "AdaptedHead | None":
    """The classifier for vectors of known speakers; None when the model has none.

    Raises:
        ModelError: the weight file was changed since training, or does not fit the config.
    """
    from emoboost.adaptation import head_from

    if ADAPTED not in folder.config.weights:
        return None
    tensors, config = _read_weights(folder, ADAPTED, ""), folder.config
    wide = (len(config.classes), config.vector_dim)
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != {
        "weights": wide,
        "biases": wide[:1],
        "means": wide,
    } or not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise ModelError(f"{folder.path / ADAPTED}: is not what the config asks for; copy the model folder again")
    return head_from(tensors)


def save_model(
    path: Path,
    config: ModelConfig,
    trained: Mapping[str, "torch.Tensor"],
    frozen: Mapping[str, "torch.Tensor"],
    adapted: "AdaptedHead | None" = None,
) -> ModelFolder:
    """Write a model folder; the config is written last, so that a folder with one is complete.

    Args:
        path: the folder; made when missing.
        config: everything but the weights' hashes, which are filled in.
        trained: the head's state dict.
        frozen: the frozen encoders' state dict, in the precision in which it is to be stored.
        adapted: the classifier for vectors of known speakers.
    """
    from safetensors.torch import save

    from emoboost.adaptation import head_tensors

    path.mkdir(parents=True, exist_ok=True)
    hashes = {}
    files = {TRAINED: trained, FROZEN: frozen} | ({} if adapted is None else {ADAPTED: head_tensors(adapted)})
    for name, tensors in files.items():
        content = save({key: tensor.detach().cpu().contiguous() for key, tensor in sorted(tensors.items())})
        (path / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    complete = dataclasses.replace(config, weights=hashes)
    (path / CONFIG).write_text(complete.to_json(), encoding="utf-8")
    return ModelFolder(path, complete)


def _folder_at(path: Path) -> ModelFolder:
    file = path / CONFIG
    if not file.is_file():
        raise ModelError(f"{path}: not a model folder, {CONFIG} is missing")
    try:
        text = read_whole(file, CONFIG_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: cannot be read ({error}); copy the model folder again") from error
    return ModelFolder(path, ModelConfig.from_json(text, str(file)))


def _check(path: Path) -> None:
    _folder_at(path).verify()


def _read_weights(folder: ModelFolder, name: str, prefix: str) -> dict[str, "torch.Tensor"]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return {prefix + key: tensor for key, tensor in load(_verified(folder, name)).items()}
    except SafetensorError as error:
        raise ModelError(f"{folder.path / name}: not a safetensors file ({error}); copy the model again") from error


def _verified(folder: ModelFolder, name: str) -> bytes:
    """The content of a weight file that has the hash of the config."""
    try:
        content = read_whole(folder.weight_file(name), weight_bytes(folder.config))
    except OSError as error:
        reason = f"{folder.path / name}: cannot be read ({error.strerror})"
        raise ModelError(
            f"{reason}; copy the model again (a bundled one may have this file in the folder of another)"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != folder.config.weights.get(name):
        raise ModelError(
            f"{folder.path / name}: SHA-256 is {found[:12]}…, {CONFIG} says "
            f"{folder.config.weights.get(name, 'nothing')[:12]}…; the file was changed or damaged, copy the model again"
        )
    return content


def _shapes(folder: ModelFolder) -> "dict[str, torch.Size]":
    """Of every tensor that the config asks for, found without memory for them: a config can ask for any amount."""
    import torch

    from emoboost.model import MsEmoBoost

    try:
        with torch.device("meta"):
            return {name: tensor.shape for name, tensor in MsEmoBoost(folder.config).state_dict().items()}
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(
            f"{folder.path / CONFIG}: no such network can be built ({reason}); copy the model folder again"
        ) from error


def _check_keys(folder: ModelFolder, expected: set[str], found: set[str]) -> None:
    if missing := sorted(expected - found):
        raise ModelError(f"{folder.path}: tensor {printable(missing[0])} is missing ({len(missing)} in all)")
    if unknown := sorted(found - expected):
        raise ModelError(
            f"{folder.path}: tensor {printable(unknown[0])} is not part of the model ({len(unknown)} in all)"
        )
