"""A real run on Ray, whose workers, actors and command are killed at random moments of a seed."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from chaos.kills import Killer
from chaos.world import Host, assert_same, rows_of, write_manifest
from emoboost.checkpoint import ModelFolder

UTTERANCES = 240


@pytest.fixture(scope="module")
def archive(tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], pa.Table]:
    """A folder, the command, and the rows of an undisturbed run without Ray."""
    folder = tmp_path_factory.mktemp("killed")
    manifest = write_manifest(folder, UTTERANCES)
    with Host(folder, manifest, tiny_model.path) as host:
        code, said = host.run(folder / "undisturbed")
    assert code == 0
    assert said is not None
    assert said["complete"], said["error"]
    words = ["annotate", manifest.name, "--model", str(tiny_model.path), "--max-errors", "1", "--stop-at", "1"]
    return folder, words, rows_of(folder / "undisturbed")


def test_workers_and_the_command(archive: tuple[Path, list[str], pa.Table]) -> None:
    folder, words, reference = archive
    kinds = {"reader": 3, "actor": 2, "command": 1}
    killer = Killer([*words, "--output", "out"], folder, random.Random(20_261_125), kinds, budget=3)
    killer.run()
    assert killer.kills.total() == 3
    assert_same(folder / "out", reference)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_at_least_200_kills(archive: tuple[Path, list[str], pa.Table]) -> None:
    folder, words, reference = archive
    kinds = {"reader": 8, "actor": 5, "command": 4, "raylet": 1, "gcs_server": 1}
    kills, codes, starts, outputs = 0, {}, 0, 0
    while kills < 200:
        output = f"out-{outputs}"
        killer = Killer([*words, "--output", output], folder, random.Random(outputs), kinds, budget=40)
        killer.run()
        assert_same(folder / output, reference)
        kills, starts, outputs = kills + killer.kills.total(), starts + killer.starts, outputs + 1
        codes = {code: codes.get(code, 0) + count for code, count in killer.codes.items()} | {
            code: count for code, count in codes.items() if code not in killer.codes
        }
        print(f"{output}: {dict(killer.kills)}, {killer.starts} starts, codes {dict(killer.codes)}", flush=True)
    print(f"{kills} kills, {starts} starts, {outputs} outputs, each equal to the undisturbed run; exit codes {codes}")
