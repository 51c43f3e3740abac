"""How fast `annotate` is beside its own ceiling, how soon the first part appears, and what memory it takes.

    python benchmarks/annotate.py                                   speed, with the bundled model
    python benchmarks/annotate.py --random-weights --utterances 20000    memory of a long run, with a tiny model

The ceiling is the network alone on ready tensors, in as many one-thread processes as there are cores, measured just
before and just after the run. Every utterance is 3 seconds of the bundled LibriSpeech clips, so that both count the
same audio. Steady state leaves out the start, and the end where actors run dry.
"""

import argparse
import csv
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

os.environ.update(OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS="1")

import numpy as np
import psutil
import soundfile

ROOT = Path(__file__).parents[1]
SECONDS = 3.0
CEILING_SECONDS = 20.0
PERIOD = 5.0
"""Seconds between two looks at the memory; each look costs a tenth of a second of one core."""


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(prefix="emoboost-bench-") as folder:
        model = random_model(Path(folder)) if arguments.random_weights else arguments.model
        manifest = write_manifest(Path(folder), arguments.utterances)
        before = ceiling(model)
        run = run_annotate(manifest, Path(folder) / "out", model)
        after = ceiling(model)
    best = max(before, after)
    print(f"cores                          {len(os.sched_getaffinity(0))}")
    print(f"utterances                     {arguments.utterances}, 3 s each, model {model}")
    print(f"network alone, before, after   {before:.1f}, {after:.1f} audio-s/s")
    print(f"annotate, steady state         {run['steady']:.1f} audio-s/s")
    print(f"steady / better ceiling        {run['steady'] / best:.3f}")
    print(f"annotate, start to end         {run['whole']:.1f} audio-s/s in {run['seconds']:.1f} s")
    print(f"first part after               {run['first']:.1f} s")
    print(f"peak memory of the tree (PSS)  {run['peak'] / 2**20:.0f} MiB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=4_000)
    parser.add_argument("--model", default="whisper-base-emodb", help="a bundled one")
    parser.add_argument("--random-weights", action="store_true", help="a tiny model of the same input shapes")
    return parser.parse_args()


def write_manifest(folder: Path, utterances: int) -> Path:
    clips = [
        clip
        for clip in sorted((ROOT / "examples/audio/librispeech").glob("*.flac"))
        if soundfile.info(clip).duration >= SECONDS
    ]
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["utterance_id", "path", "start", "end"])
        writer.writerows((f"u{i:07d}", clips[i % len(clips)], 0, SECONDS) for i in range(utterances))
    return manifest


def random_model(folder: Path) -> str:
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny_model import save_tiny_model

    return str(save_tiny_model(folder / "tiny").path)


def ceiling(model: str) -> float:
    """Audio-seconds per second of all processes together."""
    context = multiprocessing.get_context("spawn")
    count = len(os.sched_getaffinity(0))
    ready, rates = context.Barrier(count), context.Queue()
    processes = [context.Process(target=network_alone, args=(model, ready, rates)) for _ in range(count)]
    for process in processes:
        process.start()
    total = sum(rates.get() for _ in processes)
    for process in processes:
        process.join()
    return float(total)


def network_alone(model: str, ready: Barrier, rates: "multiprocessing.Queue[float]") -> None:
    import torch

    from emoboost.predict import SUB_BATCH, load_model

    torch.set_num_threads(1)
    loaded = load_model(model)
    random = np.random.default_rng(0)
    inputs = {
        "mfcc": random.standard_normal((SUB_BATCH, 300, 40)).astype(np.float16),
        "spectrogram": random.random((SUB_BATCH, 300, 200)).astype(np.float16),
        "log_mel": random.standard_normal((SUB_BATCH, 80, 300)).astype(np.float16),
    }
    valid = np.full(SUB_BATCH, 48_000, np.int32)
    loaded.segment_probabilities(inputs, valid)
    ready.wait()
    started, batches = time.monotonic(), 0
    while time.monotonic() - started < CEILING_SECONDS:
        loaded.segment_probabilities(inputs, valid)
        batches += 1
    rates.put(batches * SUB_BATCH * SECONDS / (time.monotonic() - started))


def run_annotate(manifest: Path, output: Path, model: str) -> dict[str, float]:
    command = [str(Path(sys.executable).with_name("emoboost-batch")), "annotate", str(manifest)]
    started, started_at = time.monotonic(), time.time()
    process = subprocess.Popen([*command, "--output", str(output), "--model", model], stdout=subprocess.DEVNULL)
    peak = PeakMemory(process.pid)
    code = process.wait()
    seconds = time.monotonic() - started
    if code != 0:
        sys.exit(f"annotate failed with exit code {code}")
    return {"seconds": seconds, "peak": peak.stop(), **part_times(output, started_at, seconds)}


def part_times(output: Path, started_at: float, seconds: float) -> dict[str, float]:
    import pyarrow.parquet as pq

    parts = sorted((part.stat().st_mtime, pq.read_metadata(part).num_rows) for part in output.glob("labels/*.parquet"))
    times, audio = np.array([t for t, _ in parts]), SECONDS * np.array([rows for _, rows in parts])
    first, last = len(parts) // 4, len(parts) - 3
    steady = audio[first + 1 : last + 1].sum() / (times[last] - times[first])
    return {"first": times[0] - started_at, "steady": float(steady), "whole": audio.sum() / seconds}


class PeakMemory:
    """Samples the proportional set size of a process and all its descendants."""

    def __init__(self, pid: int) -> None:
        self.process, self.peak, self.stopped = psutil.Process(pid), 0, threading.Event()
        self.thread = threading.Thread(target=self._sample)
        self.thread.start()

    def stop(self) -> float:
        self.stopped.set()
        self.thread.join()
        return self.peak

    def _sample(self) -> None:
        while not self.stopped.wait(PERIOD):
            total = 0
            try:
                for process in [self.process, *self.process.children(recursive=True)]:
                    try:
                        total += process.memory_full_info().pss
                    except psutil.Error:
                        continue
            except psutil.Error:
                return
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    main()
