"""Rows of a shard that stay and rows that are computed make the shard again, in the plan's order."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoboost.errors import AudioErrorType
from emoboost.ledger import HISTORY, LABELS, Ledger
from emoboost.plan import make_plan
from emoboost.storage import Folder
from emoboost.task import Task, joined, without

IDS = [f"{number:02d}" for number in range(8)]
PLANNED = pa.table({"utterance_id": IDS})


def rows(ids: list[str], label: str) -> pa.Table:
    return pa.table({"utterance_id": pa.array(ids, pa.string()), "label": pa.array([label] * len(ids), pa.string())})


@given(st.sets(st.sampled_from(IDS)))
def test_what_stays_and_what_is_computed(kept: set[str]) -> None:
    old = rows(sorted(kept, reverse=True), "old")
    todo = without(PLANNED, old)
    assert todo["utterance_id"].to_pylist() == [name for name in IDS if name not in kept]
    whole = joined(PLANNED, rows(todo["utterance_id"].to_pylist(), "new"), old)
    assert whole["utterance_id"].to_pylist() == IDS
    assert whole["label"].to_pylist() == ["old" if name in kept else "new" for name in IDS]


def test_nothing_stays() -> None:
    assert without(PLANNED, None) is PLANNED
    assert joined(PLANNED, computed := rows(IDS, "new"), None) is computed


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "m.csv").write_text("path,utterance_id,start,end\n" + "".join(f"{n}.wav,{n},0,1\n" for n in IDS))
    plan = make_plan(str(tmp_path / "m.csv"), tmp_path / "planned", {})
    return Ledger.create(Folder.at(tmp_path / "out"), plan, tmp_path / "planned")


def part(errors: list[str | None]) -> pa.Table:
    return pa.table({"utterance_id": IDS, "error_type": pa.array(errors, pa.string())})


class TestAgain:
    def test_keeps_rows_without_the_chosen_errors(self, ledger: Ledger) -> None:
        ledger.commit(0, part([None, "empty", None, "not_found", "empty", None, None, "timeout"]))
        chosen = frozenset({AudioErrorType.EMPTY, AudioErrorType.TIMEOUT})
        kept = Task(ledger, chosen).kept(0)
        assert kept is not None
        assert kept["utterance_id"].to_pylist() == ["00", "02", "03", "05", "06"]
        assert Task(ledger, chosen).size([0]) == (3, None)
        assert not Task(ledger, chosen).is_done(0)
        assert Task(ledger).is_done(0)

    def test_replaces_in_one_step_and_keeps_the_old_part(self, ledger: Ledger, tmp_path: Path) -> None:
        old, new = part(["empty"] * 8), part([None] * 8)
        ledger.commit(0, old)
        task = Task(ledger, frozenset(AudioErrorType))
        task.publish(0, new)
        assert ledger.read_part(0).equals(new)
        (before,) = (tmp_path / "out" / HISTORY).iterdir()
        assert before.name.startswith(f"part-{ledger.plan.hash[:8]}-0000000-")
        assert pq.read_table(before).equals(old)
        assert [file.name for file in (tmp_path / "out" / LABELS).iterdir()] == [ledger.part_name(0).split("/")[1]]

    def test_leaves_no_history_of_nothing(self, ledger: Ledger) -> None:
        ledger.commit(0, part(["empty"] * 8))
        Task(ledger, frozenset(AudioErrorType)).publish(0, part(["empty"] * 8))
        assert ledger.folder.names(HISTORY) == []


class TestNew:
    def test_rows_that_were_kept_for_it(self, ledger: Ledger) -> None:
        assert Task(ledger).kept(0) is None
        ledger.keep(0, rows(["03"], "old"))
        kept = Task(ledger).kept(0)
        assert kept is not None
        assert kept.equals(rows(["03"], "old"))
        assert Task(ledger).size([0]) == (7, 7.0)
        assert ledger.partly_kept() == {0}
        ledger.forget_kept()
        assert Task(ledger).size([0]) == (8, 8.0)

    def test_the_first_part_wins(self, ledger: Ledger) -> None:
        Task(ledger).publish(0, part([None] * 8))
        Task(ledger).publish(0, part(["empty"] * 8))
        assert ledger.read_part(0).equals(part([None] * 8))


class TestDamagedParts:
    @pytest.mark.parametrize(
        ("content", "found"), [(b"PAR1 half", "cannot be read"), (b"", "cannot be read"), (None, "has 7 rows")]
    )
    def test_are_set_aside(self, ledger: Ledger, tmp_path: Path, content: bytes | None, found: str) -> None:
        if content is None:
            ledger.commit(0, part([None] * 8).slice(1))
        else:
            ledger.folder.replace(ledger.part_name(0), content)
        damaged = ledger.set_damaged_aside()
        assert list(damaged) == [0]
        assert found in damaged[0]
        assert ledger.missing() == [0]
        assert len(list((tmp_path / "out" / HISTORY).iterdir())) == 1
        ledger.commit(0, part([None] * 8))
        assert ledger.set_damaged_aside() == {}
        assert ledger.missing() == []
