"""Damages real files at random, for as long as asked, and keeps every input that ends in a crash, a hang or a bug.

python -m hostile.fuzz --target audio --seconds 120 --seed 7    from the folder tests/
python -m hostile.fuzz --target audio --repeat findings/audio-7-1234.flac    one finding again
"""

import argparse
import itertools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hostile.damage import damaged, random_changes
from hostile.isolation import MIB, End, Ending, Isolated
from hostile.seeds import manifest_seeds, recording_seeds
from hostile.work import Bytes, plan_bytes, read_audio

SECONDS = 20.0
MEMORY = 1_536 * MIB
PEAK = 1_024 * MIB


@dataclass(frozen=True)
class Target:
    """What is damaged, and what then reads it."""

    seeds: Callable[[], list[Bytes]]
    work: Callable[[Bytes], str]


TARGETS = {"audio": Target(recording_seeds, read_audio), "manifest": Target(manifest_seeds, plan_bytes)}


@dataclass(frozen=True)
class Finding:
    """An input that did not end as it should."""

    file: Bytes
    number: int
    """With the seed this makes the input again."""
    ending: Ending


@dataclass
class Result:
    """What a run met."""

    inputs: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


def is_wrong(ending: Ending) -> bool:
    """Whether an input is a finding."""
    return ending.end is not End.RETURNED or ending.peak > PEAK


def make_input(seeds: list[Bytes], seed: int, number: int) -> Bytes:
    """The same bytes for the same seed and number, on every machine."""
    chance = random.Random(f"{seed} {number}")
    content, suffix = chance.choice(seeds)
    return Bytes(damaged(content, random_changes(chance, len(content))), suffix)


def fuzz(target: Target, seed: int, seconds: float, workers: int = 2) -> Result:
    """Try inputs until the time is over."""
    seeds, numbers, result = target.seeds(), itertools.count(), Result()
    deadline = time.monotonic() + seconds
    lock = threading.Lock()

    def work() -> None:
        with Isolated(target.work, seconds=SECONDS, memory=MEMORY) as isolated:
            while time.monotonic() < deadline:
                number = next(numbers)
                file = make_input(seeds, seed, number)
                ending = isolated(file)
                with lock:
                    result.inputs += 1
                    result.ends[ending.value if ending.end is End.RETURNED else ending.end] += 1
                    if is_wrong(ending):
                        result.findings.append(Finding(file, number, ending))

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result


def save(findings: list[Finding], folder: Path, target: str, seed: int) -> Iterator[str]:
    """Write each finding's bytes to a folder, and say what it did and how to see it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for finding in findings:
        path = folder / f"{target}-{seed}-{finding.number}{finding.file.suffix}"
        path.write_bytes(finding.file.content)
        yield f"{path}: {finding.ending}\n  repeat: python -m hostile.fuzz --target {target} --repeat {path}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="folder for inputs that end wrongly")
    parser.add_argument("--repeat", type=Path, help="read this file instead")
    chosen = parser.parse_args()
    target = TARGETS[chosen.target]
    if chosen.repeat is not None:
        with Isolated(target.work, seconds=SECONDS, memory=MEMORY) as isolated:
            ending = isolated(Bytes(chosen.repeat.read_bytes(), chosen.repeat.suffix))
        print(ending)
        return int(is_wrong(ending))
    result = fuzz(target, chosen.seed, chosen.seconds)
    for line in save(result.findings, chosen.findings, chosen.target, chosen.seed):
        print(line)
    ends = ", ".join(f"{count} {end}" for end, count in result.ends.most_common(20))
    print(f"{result.inputs} inputs, {len(result.findings)} findings; {ends}")
    return int(bool(result.findings))


if __name__ == "__main__":
    sys.exit(main())
