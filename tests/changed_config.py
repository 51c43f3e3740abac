"""A model's config with one value changed."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any


def changed(values: Mapping[str, Any], path: Sequence[str], value: object) -> str:
    """The JSON of `values` with another value at a path that is there."""
    copied = copy.deepcopy(dict(values))
    part = copied
    for name in path[:-1]:
        part = part[name]
    assert path[-1] in part
    part[path[-1]] = value
    return json.dumps(copied)
