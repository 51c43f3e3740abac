"""Retries and checks of one output, interleaved access by access and killed anywhere: nothing is undone or false."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from finished import annotated, copied
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import CLIP
from turns import Actor, GatedFolder, KilledError

from emoboost.checkpoint import ModelFolder
from emoboost.errors import OutputError
from emoboost.ledger import SUCCESS, Ledger
from emoboost.verify import Findings, check_marker, verify
from jobs.finishing import checked, finished, put_aside

RETRIES = 2
MANY = 400
"""Accesses, more than three commands make that disturb one another."""


@pytest.fixture(scope="module")
def output(tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("turns")
    (folder / "calls.csv").write_text("path,start\n" + "".join(f"{CLIP},{0.01 * row}\n" for row in range(RETRIES + 1)))
    ledger = annotated(folder / "calls.csv", folder / "out", tiny_model)
    assert ledger.plan.shards == 1
    return folder / "out"


def mended(row: int) -> Callable[[pa.Table], pa.Table]:
    """As a retry of one row does it."""

    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("audio_version")
        versions = [mark(row) if other == row else old for other, old in enumerate(table["audio_version"].to_pylist())]
        return table.set_column(at, table.schema.field(at), pa.array(versions, pa.string()))

    return change


def mark(row: int) -> str:
    return f"size={row}"


def started(output: Path, run: Callable[[Ledger], object]) -> Actor:
    gates: list[Callable[[], None]] = []
    ledger = Ledger.open(GatedFolder(str(output), "out", gates=gates))
    assert ledger is not None
    actor = Actor(lambda: run(ledger))
    gates.append(actor.gate)
    actor.start()
    return actor


def marker_is_of_its_parts(ledger: Ledger) -> bool:
    findings = Findings()
    verified = verify(ledger, findings)
    assert check_marker(ledger, verified, findings)
    assert findings == Findings()
    return bool(json.loads(ledger.folder.read(SUCCESS))["parts_sha256"] == verified.summary.parts_sha256)


def made_again(table: pa.Table) -> Callable[[Ledger], object]:
    """As `annotate` does it: put aside what is damaged, make what is missing, check."""

    def run(ledger: Ledger) -> None:
        def label() -> None:
            if ledger.missing():
                ledger.withdraw_success()
                ledger.commit(0, table)

        put_aside(ledger, ledger.damaged())
        label()
        finished(ledger, label)

    return run


Moves = st.lists(st.tuples(st.integers(0, RETRIES + 1), st.integers(1, 12)), max_size=60)


@settings(deadline=None)
@given(Moves, st.sets(st.integers(0, RETRIES + 1)), st.sampled_from(["", "damaged", "gone"]))
def test_whatever_the_order(output: Path, moves: list[tuple[int, int]], killed: set[int], begin: str) -> None:
    """The commands make so many accesses in turn; then some of them are killed where they are, and the others end."""
    with tempfile.TemporaryDirectory() as place:
        ledger = copied(output, Path(place) / "out")
        name, whole = ledger.part_name(0), ledger.read_part(0)
        if begin == "damaged":
            ledger.folder.replace(name, ledger.folder.read(name)[:99])
        elif begin == "gone":
            ledger.folder.remove(name)
        runs = [lambda ledger, row=row: ledger.change(0, mended(row)) for row in range(RETRIES)]
        runs += [made_again(whole)] * 2
        actors = [started(Path(place) / "out", run) for run in runs]
        for actor, accesses in moves:
            for _ in range(accesses):
                actors[actor].step()
        for number in killed:
            actors[number].kill()
        for _ in range(MANY):
            for actor in actors:
                actor.step()
        assert all(actor.ended for actor in actors)
        made_again(whole)(ledger)
        versions = ledger.read_part(0)["audio_version"].to_pylist()
        for row in range(RETRIES):
            # A retry that meets a damaged part, or none, says so and changes nothing.
            if actors[row].error is None:
                assert versions[row] == mark(row)
            else:
                assert isinstance(actors[row].error, KilledError | OutputError)
                assert begin or isinstance(actors[row].error, KilledError)
        for actor in actors[RETRIES:]:
            assert actor.error is None or isinstance(actor.error, KilledError | OutputError)
        assert marker_is_of_its_parts(ledger)
        assert checked(ledger).summary.complete
