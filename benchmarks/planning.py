"""How long a large manifest takes to plan, how much memory that needs, and how long one shard takes to open.

python benchmarks/planning.py --utterances 10000000
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from emoboost.ledger import Ledger
from emoboost.plan import make_plan
from emoboost.storage import Folder

BATCH = 1_000_000


def write_manifest(file: Path, utterances: int) -> None:
    """A Parquet manifest of spans of 6 seconds with an id and a column of its own."""
    schema = pa.schema(
        [("path", pa.string()), ("utterance_id", pa.string()), ("start", pa.float64()), ("end", pa.float64()),
         ("agent", pa.string())]
    )  # fmt: skip
    with pq.ParquetWriter(file, schema) as writer:
        for first in range(0, utterances, BATCH):
            numbers = range(first, min(first + BATCH, utterances))
            columns = [
                [f"2026/{number // 500:07d}.flac" for number in numbers],
                [f"call-{number // 500:07d}-{number % 500:03d}" for number in numbers],
                [6.0 * (number % 500) for number in numbers],
                [6.0 * (number % 500) + 6.0 for number in numbers],
                [f"agent {number % 997}" for number in numbers],
            ]
            writer.write_table(pa.table(columns, schema=schema))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="for manifest and plan; default: a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        # In a process of its own, so that its memory is not counted.
        writer = multiprocessing.get_context("spawn").Process(
            target=write_manifest, args=(folder / "manifest.parquet", arguments.utterances)
        )
        writer.start()
        writer.join()
        before = peak_mib()
        begin = time.perf_counter()
        plan = make_plan(str(folder / "manifest.parquet"), folder / "planned", {"model": "none"})
        seconds = time.perf_counter() - begin
        size = sum(file.stat().st_size for file in (folder / "planned").iterdir()) / 2**20
        print(f"{plan.utterances:,} utterances planned in {plan.shards:,} shards: {seconds:.0f} s,", end=" ")
        print(f"{plan.utterances / seconds:,.0f} rows/s; peak memory {peak_mib():.0f} MiB", end=" ")
        print(f"({before:.0f} before); the plan has {size:.0f} MiB")
        ledger = Ledger.create(Folder.at(folder / "out"), plan, folder / "planned")
        for name, look in (("missing shards listed", ledger.missing), ("sizes of all shards read", ledger.shard_sizes)):
            begin = time.perf_counter()
            look()
            print(f"{name}: {time.perf_counter() - begin:.2f} s")
        for shard in (0, plan.shards // 2, plan.shards - 1):
            begin = time.perf_counter()
            rows = len(ledger.shard_table(shard))
            milliseconds = 1e3 * (time.perf_counter() - begin)
            print(f"shard {shard:,} of {plan.shards:,} opened: {rows} rows in {milliseconds:.1f} ms")
        print(f"peak memory {peak_mib():.0f} MiB")


def peak_mib() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
