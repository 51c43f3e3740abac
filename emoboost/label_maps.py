"""Label maps: which labels of a corpus are used, and as what. They are data, in one file, with a name."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from emoboost.errors import UsageError
from emoboost.user_path import user_path
from emoboost.vocabulary import canonical

SUPPLIED = Path(str(resources.files("emoboost") / "label_maps.yaml"))


def load_label_map(name_or_file: str) -> dict[str, str]:
    """Canonical label -> label to use; a label that it does not name is left out of the corpus.

    Names of emotions are brought to the canonical vocabulary on both sides, so that `irritated: angry` and
    `anger: anger` make one class. Other classes, such as `high`, stay as they are.

    Args:
        name_or_file: a name from the package's file, or a YAML file with one map.

    Raises:
        UsageError: no such map, or a file of another form.
    """
    maps = _read(SUPPLIED)
    if name_or_file in maps:
        return _checked(maps[name_or_file], name_or_file)
    file = user_path(name_or_file)
    if not file.is_file():
        raise UsageError(f"--label-map {name_or_file}: no such map; give one of {', '.join(maps)}, or a YAML file")
    return _checked(_read(file), name_or_file)


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
