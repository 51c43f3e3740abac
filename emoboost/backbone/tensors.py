"""Tensors of a checkpoint in safetensors, read one at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from emoboost.errors import ModelError


@dataclass(frozen=True)
class StoredTensors:
    """What the open weight files of one checkpoint hold."""

    names: Mapping[str, tuple[Path, Any]]
    """Name -> the file that holds it, and that file opened."""
    place: Path
    """What an error message calls the checkpoint."""

    def prefix(self, prefixes: Sequence[str], landmark: str) -> str:
        """The first prefix under which this checkpoint has the tensor `landmark`; '' when it has it nowhere."""
        return next((prefix for prefix in prefixes if prefix + landmark in self.names), "")

    def read(self, name: str, shape: Sequence[int], *, first_rows: bool = False) -> Tensor:
        """One tensor as it is stored.

        Args:
            name: with its prefix.
            shape: what it must be.
            first_rows: of a tensor with more rows take the first ones.

        Raises:
            ModelError: it is missing, or has another shape.
        """
        if name not in self.names:
            raise ModelError(f"{self.place}: tensor {name} is missing; not what its config.json describes")
        file, opened = self.names[name]
        tensor: Tensor = opened.get_slice(name)[: shape[0]] if first_rows else opened.get_tensor(name)
        if tuple(tensor.shape) != tuple(shape):
            raise ModelError(f"{file}: {name} is {tuple(tensor.shape)}; its config.json asks for {tuple(shape)}")
        return tensor


@contextmanager
def open_tensors(files: Sequence[Path]) -> Iterator[StoredTensors]:
    """Open the weight files of one checkpoint, at least one.

    Raises:
        ModelError: a file cannot be read, or is not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    names: dict[str, tuple[Path, Any]] = {}
    with ExitStack() as stack:
        for file in files:
            try:
                opened = stack.enter_context(safe_open(file, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise ModelError(f"{file}: not a complete safetensors file ({error}); copy it again") from None
            names |= dict.fromkeys(opened.keys(), (file, opened))
        yield StoredTensors(names, files[0] if len(files) == 1 else files[0].parent)
