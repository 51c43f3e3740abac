"""The classes in which people's labels and the model's are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Self

import numpy as np

from emoboost.label_maps import merged_classes, merged_probabilities
from emoboost.vocabulary import ALIASES, EMOTIONS, canonical


class UnknownClassError(Exception):
    """A person's label that stands for no class; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Classes:
    """The model's classes by their canonical names, or what a class map makes of them."""

    names: tuple[str, ...]
    merging: np.ndarray | None
    """(model's classes, these), as in `label_maps.merged_classes`; None is the model's classes in its order."""
    model: tuple[str, ...]
    """The model's classes, by their canonical names, in its order."""
    class_map: Mapping[str, str] | None = None

    @classmethod
    def of(cls, model: Sequence[str], class_map: Mapping[str, str] | None) -> Self:
        """What to compare in.

        Args:
            model: the model's classes, in its order.
            class_map: canonical label -> class to compare in, for both sides; None is the model's classes.

        Raises:
            UsageError: the map leaves none of them.
        """
        names = tuple(map(canonical, model))
        if class_map is None and len(set(names)) == len(names):
            return cls(names, None, names)
        merged, merging = merged_classes(names, class_map)
        return cls(merged, merging, names, class_map)

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """(n, model's classes) -> (n, these): sums of what became one class, as shares of what the map keeps."""
        return rows if self.merging is None else merged_probabilities(rows, self.merging)

    def of_label(self, label: str) -> int | None:
        """The class that a person's label stands for; None when the class map leaves it out.

        Raises:
            UnknownClassError: it stands for none.
        """
        name = canonical(label)
        if self.class_map is None:
            if name in self.names:
                return self.names.index(name)
            raise UnknownClassError(
                f"is none of the model's classes ({', '.join(self.names)}){self._meant(name, self.names)}; correct it, "
                "leave it empty, or bring both sides to the same classes with --class-map"
            )
        if name in self.class_map:
            if (mapped := self.class_map[name]) in self.names:
                return self.names.index(mapped)
            raise UnknownClassError(
                f"becomes {mapped!r} by the class map, which is none of what it makes of the model's classes "
                f"({', '.join(self.names)}); leave it empty, or give a map of your own that leaves it out"
            )
        if name in EMOTIONS or name in self.model:
            return None
        raise UnknownClassError(
            f"is no label of the class map ({', '.join(self.class_map)}) and no emotion"
            f"{self._meant(name, self.class_map)}; correct it, or leave it empty"
        )

    @staticmethod
    def _meant(name: str, known: Mapping[str, str] | Sequence[str]) -> str:
        near = get_close_matches(name, [*known, *(alias for alias in ALIASES if ALIASES[alias] in known)], n=1)
        return f", perhaps {canonical(near[0])!r}" if near else ""
