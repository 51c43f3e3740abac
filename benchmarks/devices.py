"""How far the bundled model's probabilities are apart between kinds of arithmetic, and how many labels flip.

    python benchmarks/devices.py FOLDER-OR-GLOB...

The same machine computes with its widest instructions, with none that were added since SSE, with two threads, and in
bfloat16; and on a GPU where there is one. Each runs in a process of its own, because the choice is made at start.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

OLD = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
VARIANTS = {
    "as it is": {},
    "again": {},
    "two threads": {"THREADS": "2"},
    "oldest instructions": OLD,
    "bfloat16": {"PRECISION": "bf16"},
    "GPU": {"DEVICE": "cuda"},
}


def compute(files: list[str], result: str) -> None:
    """Label the files in this process."""
    import torch

    from emoboost.predict import load_model, preparation_for
    from emoboost.utterance import Utterance

    torch.set_num_threads(int(os.environ.get("THREADS", "1")))
    model = load_model(device=os.environ.get("DEVICE", "cpu"), precision=os.environ.get("PRECISION", "fp32"))
    prepared = preparation_for(model.config)([Utterance(file, file) for file in files])
    np.save(result, model.utterance_probabilities(prepared))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patterns", nargs="+")
    parser.add_argument("--compute", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compute:
        compute(arguments.patterns, arguments.compute)
        return
    import torch

    files = sorted(file for pattern in arguments.patterns for file in glob.glob(pattern))  # noqa: PTH207
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, environment in VARIANTS.items():
            if name == "GPU" and not torch.cuda.is_available():
                continue
            result = str(Path(folder) / f"{name}.npy")
            command = [sys.executable, __file__, *files, "--compute", result]
            subprocess.run(command, env={**os.environ, **environment}, check=True)
            found[name] = np.load(result)
    reference = found.pop("as it is")
    print(f"{len(files)} recordings, against `as it is`\n")
    print("| | largest difference of a probability | labels flipped |\n|---|---|---|")
    for name, probabilities in found.items():
        flipped = int((probabilities.argmax(1) != reference.argmax(1)).sum())
        print(f"| {name} | {np.abs(probabilities - reference).max():.1e} | {flipped} |")


if __name__ == "__main__":
    main()
