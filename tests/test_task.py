"""Rows of a shard that stay and rows that are computed make the shard again, in the plan's order."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoboost.errors import AudioErrorType, OutputError
from emoboost.history import HISTORY
from emoboost.ledger import KEPT, LABELS, SUCCESS, Ledger
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
        task.publish(0, PLANNED, new, task.kept(0))
        assert ledger.read_part(0).equals(new)
        versions = list((tmp_path / "out" / HISTORY).glob(f"part-{ledger.plan.hash[:8]}-0000000-*.parquet"))
        assert sorted(pq.read_table(version)["error_type"].null_count for version in versions) == [0, 8]
        assert [file.name for file in (tmp_path / "out" / LABELS).iterdir()] == [ledger.part_name(0).split("/")[1]]

    def test_leaves_no_history_of_nothing(self, ledger: Ledger) -> None:
        ledger.commit(0, part(["empty"] * 8))
        Task(ledger, frozenset(AudioErrorType)).publish(0, PLANNED, part(["empty"] * 8), None)
        assert ledger.folder.names(HISTORY) == []

    def test_of_two_retries_none_undoes_what_the_other_did(self, ledger: Ledger) -> None:
        """Both began with the same part; the second ends with a row that has become another error meanwhile."""
        ledger.commit(0, part(["empty", "timeout", None, "empty", None, None, None, None]))
        first, second = (Task(ledger, frozenset({error})) for error in (AudioErrorType.EMPTY, AudioErrorType.TIMEOUT))
        kept = [task.kept(0) for task in (first, second)]
        mended = part([None, None, None, "timeout", None, None, None, None])
        first.publish(0, PLANNED, mended.take([0, 3]), kept[0])
        second.publish(0, PLANNED, mended.take([1]), kept[1])
        assert ledger.read_part(0).equals(mended)

    def test_nor_when_the_other_is_faster_in_the_last_moment(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.commit(0, part(["empty", "timeout", *[None] * 6]))
        first, second = (Task(ledger, frozenset({error})) for error in (AudioErrorType.EMPTY, AudioErrorType.TIMEOUT))
        new, seen = part([None] * 8), []

        def change(old: pa.Table) -> pa.Table:
            seen.append(old["error_type"].to_pylist()[:2])
            if len(seen) == 1:
                first.publish(0, PLANNED, new.slice(0, 1), None)
            return second._mended(PLANNED, new.slice(1, 1), old)

        ledger.change(0, change)
        assert seen == [["empty", "timeout"], [None, "timeout"]]
        assert ledger.read_part(0).equals(new)
        assert len(list((tmp_path / "out" / HISTORY).glob("*.next"))) == 2

    def test_withdraws_the_marker_before(self, ledger: Ledger) -> None:
        ledger.commit(0, part(["empty"] * 8))
        ledger.succeed({})
        task = Task(ledger, frozenset(AudioErrorType))
        task.publish(0, PLANNED, part(["empty"] * 8), task.kept(0))
        assert ledger.folder.exists(SUCCESS), "nothing was replaced"
        task.publish(0, PLANNED, part([None] * 8), task.kept(0))
        assert not ledger.folder.exists(SUCCESS)


class TestOddColumns:
    """Types of Arrow that can neither be taken nor filtered."""

    def test_rows_are_joined(self) -> None:
        views = pa.array([f"view {name}" for name in IDS], pa.string_view())
        planned = PLANNED.append_column("view", views)
        kept = without(planned, planned.slice(2))
        assert kept["view"].to_pylist() == ["view 00", "view 01"]
        assert joined(planned, planned.slice(2), kept).equals(planned)


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

    @pytest.mark.parametrize("content", [b"", b"PAR1", None])
    def test_damaged_rows_are_computed(self, ledger: Ledger, content: bytes | None) -> None:
        ledger.keep(0, rows(["03"], "old"))
        (name,) = ledger.folder.names(KEPT)
        half = ledger.folder.read(f"{KEPT}/{name}")[20:]
        ledger.folder.replace(f"{KEPT}/{name}", half if content is None else content)
        assert Task(ledger).kept(0) is None
        assert Task(ledger).size([0]) == (8, 8.0)

    def test_the_first_part_wins(self, ledger: Ledger) -> None:
        Task(ledger).publish(0, PLANNED, part([None] * 8), None)
        Task(ledger).publish(0, PLANNED, part(["empty"] * 8), None)
        assert ledger.read_part(0).equals(part([None] * 8))


class TestDamagedParts:
    def test_a_folder_in_the_place_of_a_part(self, ledger: Ledger, tmp_path: Path) -> None:
        (tmp_path / "out" / ledger.part_name(0)).mkdir(parents=True)
        assert list(ledger.damaged()) == [0]
        with pytest.raises(OutputError, match=f"{ledger.part_name(0)} cannot be read .*; remove it"):
            ledger.set_aside(0, ledger.damaged()[0])

    @pytest.mark.parametrize("name", ["part-{}-0000009.parquet", "part-{}-0.parquet", "part-{}-000000².parquet"])
    def test_what_is_no_part_does_not_count(self, ledger: Ledger, name: str) -> None:
        ledger.folder.replace(f"{LABELS}/{name.format(ledger.plan.hash[:8])}", b"")
        assert ledger.finished() == set()
        assert ledger.missing() == [0]

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"PAR1 half", "cannot be read"),
            (b"", "cannot be read"),
            (b"PAR1" + bytes(40) + b"\xff" * 20 + (20).to_bytes(4, "little") + b"PAR1", "cannot be read"),
            (None, "has 7 rows"),
        ],
    )
    def test_are_set_aside(self, ledger: Ledger, tmp_path: Path, content: bytes | None, found: str) -> None:
        if content is None:
            ledger.commit(0, part([None] * 8).slice(1))
        else:
            ledger.folder.replace(ledger.part_name(0), content)
        damaged = ledger.damaged()
        assert list(damaged) == [0]
        assert ledger.set_aside(0, damaged[0])
        assert found in damaged[0].what
        assert ledger.missing() == [0]
        assert len(list((tmp_path / "out" / HISTORY).iterdir())) == 1
        ledger.commit(0, part([None] * 8))
        assert ledger.damaged() == {}
        assert ledger.missing() == []
