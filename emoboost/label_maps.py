"""Label maps: which labels of a corpus are used, and as what. They are data, in one file, with a name."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from emoboost.errors import UsageError
from emoboost.user_path import user_path
from emoboost.vocabulary import canonical

SUPPLIED = Path(str(resources.files("emoboost") / "label_maps.yaml"))


def load_label_map(name_or_file: str, option: str = "--label-map") -> dict[str, str]:
    """Canonical label -> label to use; a label that it does not name is left out of the corpus.

    Names of emotions are brought to the canonical vocabulary on both sides, so that `irritated: angry` and
    `anger: anger` make one class. Other classes, such as `high`, stay as they are.

    Args:
        name_or_file: a name from the package's file, or a YAML file with one map.
        option: what it was given as, for messages.

    Raises:
        UsageError: no such map, or a file of another form.
    """
    maps = _read(SUPPLIED)
    if name_or_file in maps:
        return _checked(maps[name_or_file], name_or_file)
    file = user_path(name_or_file)
    if not file.is_file():
        raise UsageError(f"{option} {name_or_file}: no such map; give one of {', '.join(maps)}, or a YAML file")
    return _checked(_read(file), name_or_file)


def merged_classes(classes: Sequence[str], label_map: Mapping[str, str] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes that a model gives under a label map, and how to get there.

    Returns:
        The classes, and (model's classes, these) with 1 where the first becomes the second; a class that the map leaves
        out becomes none.

    Raises:
        UsageError: the map leaves no class.
    """
    names = [name if label_map is None else label_map.get(name) for name in classes]
    merged = tuple(sorted({name for name in names if name is not None}))
    table = np.array([[float(name == other) for other in merged] for name in names])
    if not merged:
        raise UsageError(f"the label map leaves none of the model's classes ({', '.join(classes)})")
    return merged, table


def merged_probabilities(probabilities: np.ndarray, merging: np.ndarray) -> np.ndarray:
    """Probabilities of merged classes: sums over those that became one, as shares of what the map keeps.

    Args:
        probabilities: (n, model's classes).
        merging: the table of `merged_classes`.

    Returns:
        (n, merged classes).
    """
    merged = probabilities @ merging
    shares: np.ndarray = merged / np.maximum(merged.sum(axis=1, keepdims=True), 1e-12)
    return shares


def _read(file: Path) -> Mapping[str, object]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"{file}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file}: a label map has lines such as 'angry: anger'")
    return content


def _checked(content: object, source: str) -> dict[str, str]:
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, str) for key, value in content.items()
    ):
        raise UsageError(f"{source}: a label map has lines such as 'angry: anger', names on both sides")
    return {canonical(key): canonical(value) for key, value in content.items()}
