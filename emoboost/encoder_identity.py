"""A model has two parts: what makes the enhanced vector of a segment, and the classifier of that vector.

Vectors that one model made may be classified by any other whose first part is the same.
"""

import hashlib
import json

from emoboost.checkpoint import FROZEN, ModelFolder, load_trained

CLASSIFIER = "classify."
"""How the names of the classifier's tensors begin, among those that were trained."""
OF_THE_CLASSIFIER = ("name", "classes", "temperature", "bias", "calibrated_on", "training", "weights")
"""Fields of the config that change no vector."""


def encoder_identity(folder: ModelFolder) -> str:
    """First 12 hex digits of the SHA-256 over all that a segment's vector depends on.

    Raises:
        ModelError: the weights are missing, or were changed since training.
    """
    values = json.loads(folder.config.to_json())
    kept = {name: value for name, value in values.items() if name not in OF_THE_CLASSIFIER}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    digest.update(folder.config.weights[FROZEN].encode())
    for name, tensor in sorted(load_trained(folder).items()):
        if not name.startswith(CLASSIFIER):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
