"""How many seconds of speech one core turns into features in a second.

    python benchmarks/features.py [--segments 64] [--repeats 10]

Prints a line for each feature, for all of them together, and for librosa called on one segment at a time.
"""

import argparse
import os
import time
from collections import deque
from collections.abc import Callable

# Read by BLAS when numpy is imported: one thread, so that the figures are per core.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np

from emoboost.config import ModelConfig
from emoboost.features import FeatureExtractor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=64, help="3-second segments in a call")
    parser.add_argument("--repeats", type=int, default=10, help="calls; the fastest counts")
    arguments = parser.parse_args()

    config = ModelConfig(name="benchmark", classes=("a", "b"))
    extractor = FeatureExtractor.from_config(config)
    noise = np.random.default_rng(0).normal(scale=0.1, size=(arguments.segments, config.segment.samples))
    segments = noise.astype(np.float32)
    valid = np.full(len(segments), config.segment.samples, np.int32)
    seconds = segments.size / config.segment.sample_rate

    def report(name: str, call: Callable[[], object]) -> None:
        elapsed = fastest(call, arguments.repeats)
        print(f"{name:<24}{1000 * elapsed / len(segments):7.2f} ms/segment {seconds / elapsed:7.0f} x real time")

    for name, feature in {**extractor.emphasised, **extractor.raw}.items():
        report(name, lambda feature=feature: deque(feature(segments), maxlen=0))
    report("together, as float16", lambda: extractor(segments, segments, valid))
    report("librosa's MFCC alone", lambda: [librosa_mfcc(segment, config) for segment in segments])


def fastest(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest of `repeats` calls, after one that is not counted.

    One thread computes, so on an idle core this is the wall time; on a shared machine it is steadier.
    """
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def librosa_mfcc(segment: np.ndarray, config: ModelConfig) -> np.ndarray:
    import librosa

    mfcc = config.mfcc
    return librosa.feature.mfcc(
        y=segment,
        sr=config.segment.sample_rate,
        n_mfcc=mfcc.n_mfcc,
        n_fft=mfcc.n_fft,
        hop_length=mfcc.hop_length,
        n_mels=mfcc.n_mels,
        htk=True,
    )


if __name__ == "__main__":
    main()
