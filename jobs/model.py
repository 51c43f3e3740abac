"""`emoboost-batch model list` and `model show`."""

import json
from collections.abc import Mapping

from emoboost.checkpoint import ModelFolder, bundled_models, find_model
from emoboost.printable import printable
from jobs.console import tell
from jobs.exits import Exit


def list_command(*, as_json: bool) -> Exit:
    """Every bundled model, one line each."""
    facts = [model_facts(find_model(name)) for name in bundled_models()]
    if as_json:
        print(json.dumps(facts))
    else:
        for fact in facts:
            tell(f"{printable(fact['identity'])}  {fact['size_mb']} MB  {printable(fact['trained_on'])}")
    return Exit.COMPLETE


def show_command(model: str, *, as_json: bool) -> Exit:
    """Facts and card of one model."""
    folder = find_model(model)
    facts = model_facts(folder)
    if as_json:
        print(json.dumps({**facts, "config": json.loads(folder.config.to_json()), "card": folder.card}))
    else:
        tell("\n".join(f"{name.replace('_', ' '):<13} {_plain(value)}" for name, value in facts.items()))
        tell(f"\n{folder.card}".rstrip())
    return Exit.COMPLETE


def model_facts(folder: ModelFolder) -> Mapping[str, object]:
    """What one looks for first."""
    config = folder.config
    return {
        "identity": folder.identity,
        "trained_on": config.training.get("summary", "provenance unknown"),
        "calibrated_on": config.calibrated_on,
        "classes": list(config.classes),
        "encoder": f"{config.backbone.source}, layers {', '.join(map(str, config.backbone.layers))}",
        "guidance": [
            name
            for name, branch in (("mfcc", config.mfcc_branch), ("spectrogram", config.spectrogram_branch))
            if branch is not None
        ],
        "size_mb": round(folder.size / 1e6, 1),
        "folder": str(folder.path),
    }


def _plain(value: object) -> str:
    if value is None:
        return "nothing but the training data (emoboost-batch calibrate)"
    return printable(", ".join(map(str, value)) or "none" if isinstance(value, list) else value)
