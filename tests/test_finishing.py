"""At the end everything is checked, mended once, and marked; the marker is never written over other parts."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished import annotated, copied, label
from reading import CLIP

from emoboost.checkpoint import ModelFolder
from emoboost.errors import OutputError
from emoboost.history import HISTORY
from emoboost.ledger import SUCCESS, Ledger
from emoboost.verify import Findings, Verified, check_marker, verify
from jobs import finishing
from jobs.finishing import checked, finished, put_aside

ROWS = 20


@pytest.fixture(scope="module")
def output(tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    rows = [f"{CLIP},{number},{0.01 * number}" for number in range(ROWS)]
    (folder / "calls.csv").write_text("\n".join(["path,utterance_id,start", *rows]) + "\n")
    annotated(folder / "calls.csv", folder / "out", tiny_model)
    return folder / "out"


@pytest.fixture
def ledger(output: Path, tmp_path: Path) -> Ledger:
    return copied(output, tmp_path / "out")


@pytest.fixture
def again(ledger: Ledger, tiny_model: ModelFolder) -> Callable[[], None]:
    def made() -> None:
        missing = ledger.missing()
        label(ledger, tiny_model, missing)

    return made


def put(ledger: Ledger, shard: int, change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(ledger.read_part(shard))
    ledger.folder.remove(ledger.part_name(shard))
    ledger.commit(shard, table)


def rewrite(ledger: Ledger, shard: int, *, keeps_metadata: bool = True) -> None:
    """As somebody edits a part with a library that reads and writes Parquet."""
    table = edited(ledger.read_part(shard))
    path = ledger.folder.path(ledger.part_name(shard))
    pq.write_table(table if keeps_metadata else table.replace_schema_metadata(None), path)


def swapped(table: pa.Table) -> pa.Table:
    return table.take(pa.array([1, 0, *range(2, len(table))]))


def twice(table: pa.Table) -> pa.Table:
    return table.take(pa.array([0, 0, *range(2, len(table))]))


def other_column(table: pa.Table) -> pa.Table:
    return table.rename_columns(["uri" if name == "label" else name for name in table.column_names])


def test_nothing_is_done_to_a_good_output(ledger: Ledger) -> None:
    def never() -> None:
        raise AssertionError

    before = marker(ledger)
    assert finished(ledger, never).complete
    assert marker(ledger) == before


@pytest.mark.parametrize("change", [swapped, twice, other_column])
def test_a_wrong_part_is_made_again(ledger: Ledger, again: Callable[[], None], change: Callable[..., pa.Table]) -> None:
    good = ledger.read_part(1)
    put(ledger, 1, change)
    assert list(checked(ledger).wrong) == [1]
    summary = finished(ledger, again)
    assert summary.complete
    assert ledger.read_part(1).equals(good)
    assert len(ledger.folder.names(HISTORY)) == 1
    assert checked(ledger).wrong == {}


def test_other_classes_in_the_first_part_cost_that_part_alone(ledger: Ledger, again: Callable[[], None]) -> None:
    put(
        ledger, 0, lambda table: table.rename_columns([name.replace("prob_a", "prob_A") for name in table.schema.names])
    )
    assert list(checked(ledger).wrong) == [0]
    assert finished(ledger, again).complete


def test_a_start_that_is_gone(ledger: Ledger, again: Callable[[], None]) -> None:
    put(ledger, 1, lambda table: table.set_column(*nulls(table, "start")))
    assert list(checked(ledger).wrong) == [1]
    assert finished(ledger, again).complete


def nulls(table: pa.Table, name: str) -> tuple[int, pa.Field, pa.Array]:
    at = table.schema.get_field_index(name)
    return at, table.schema.field(at), pa.nulls(len(table), table.schema.field(at).type)


def test_a_part_that_another_command_has_moved(ledger: Ledger) -> None:
    ledger.folder.replace(ledger.part_name(1), b"half")
    (damage,) = ledger.damaged().values()
    assert ledger.set_aside(1, damage)
    assert not ledger.set_aside(1, damage)
    assert ledger.missing() == [1]


@pytest.mark.parametrize("kind", ["link to nothing", "link to itself", "pipe", "folder"])
def test_what_is_no_file_is_named_and_left(ledger: Ledger, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(ledger.folder.path(ledger.part_name(1)))
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere" if kind == "link to nothing" else path.name)
    with pytest.raises(OutputError, match=r"0000001\.parquet .*; remove it"):
        put_aside(ledger, ledger.damaged())
    assert "made again" not in capsys.readouterr().err
    assert list(checked(ledger).wrong) == [1]
    path.rmdir() if kind == "folder" else path.unlink()
    assert ledger.missing() == [1]


def test_a_damaged_page_is_found_at_the_end(ledger: Ledger, again: Callable[[], None]) -> None:
    content = bytearray(ledger.folder.read(ledger.part_name(0)))
    content[60] ^= 1
    ledger.folder.replace(ledger.part_name(0), bytes(content))
    assert ledger.damaged() == {}, "the footer is whole"
    assert finished(ledger, again).complete


def test_what_stays_wrong_is_told_and_takes_the_marker_away(ledger: Ledger) -> None:
    def badly() -> None:
        for shard in ledger.missing():
            ledger.commit(shard, swapped(good))

    good = ledger.read_part(1)
    put(ledger, 1, swapped)
    summary = finished(ledger, badly)
    assert not summary.complete
    assert ledger.part_name(1) in summary.problems[0]
    assert not ledger.folder.exists(SUCCESS)


def test_a_plausible_change_is_not_blessed(ledger: Ledger) -> None:
    """Every check of a row holds, and the part tells that it was edited."""
    good = ledger.folder.read(ledger.part_name(2))
    rewrite(ledger, 2)
    assert checked(ledger).wrong == {}
    summary = finished(ledger)
    assert not summary.complete
    assert f"{ledger.part_name(2)}, shard 2: was edited" in summary.problems[0]
    assert not ledger.folder.exists(SUCCESS)
    assert not finished(ledger).complete
    ledger.folder.replace(ledger.part_name(2), good)
    assert finished(ledger).complete


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_nor_when_another_part_is_gone_or_damaged(
    ledger: Ledger, again: Callable[[], None], keeps_metadata: bool
) -> None:
    rewrite(ledger, 2, keeps_metadata=keeps_metadata)
    put(ledger, 0, swapped)
    ledger.folder.remove(ledger.part_name(1))
    ledger.withdraw_success()
    again()
    summary = finished(ledger, again)
    name = ledger.part_name(2)
    if keeps_metadata:
        assert [problem.split(":")[0] for problem in summary.problems] == [f"{name}, shard 2"]
    else:
        assert summary.complete, "a part without metadata is no part, and is made again"
    assert checked(ledger).wrong == {}


def test_an_edited_part_is_not_changed_by_a_retry(ledger: Ledger) -> None:
    rewrite(ledger, 2)
    with pytest.raises(OutputError, match=r"0000002\.parquet was edited: .*; or delete it|delete it"):
        ledger.change(2, edited)


def test_an_edited_part_that_is_deleted_is_made_again(ledger: Ledger, again: Callable[[], None]) -> None:
    before = ledger.read_part(1)
    rewrite(ledger, 1)
    ledger.folder.remove(ledger.part_name(1))
    again()
    assert finished(ledger).complete
    assert ledger.read_part(1).equals(before)


def test_a_mended_part_that_is_deleted_comes_back_mended(ledger: Ledger, again: Callable[[], None]) -> None:
    """What is made again is the version that a retry mended."""
    ledger.change(1, edited)
    mended = ledger.read_part(1)
    ledger.folder.remove(ledger.part_name(1))
    again()
    assert finished(ledger).complete
    assert ledger.read_part(1).equals(mended)


def test_a_part_is_set_aside_only_as_long_as_it_is_the_damaged_one(ledger: Ledger, again: Callable[[], None]) -> None:
    """A command that slept after it saw the damage does not undo what others have made since."""
    content = ledger.folder.read(ledger.part_name(0))
    ledger.folder.replace(ledger.part_name(0), content[:100])
    (damage,) = ledger.damaged().values()
    assert ledger.set_aside(0, damage)
    again()
    ledger.change(0, edited)
    mended = ledger.folder.read(ledger.part_name(0))
    assert not ledger.set_aside(0, damage)
    assert ledger.folder.read(ledger.part_name(0)) == mended


def test_a_retry_that_was_killed_before_its_part_was_in_place(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ledger.read_part(1)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "advance", lambda self, shard: killed() if history(ledger) else None)
        with pytest.raises(KeyboardInterrupt):
            ledger.change(1, edited)
    assert ledger.read_part(1).equals(before)
    findings = Findings()
    verify(ledger, findings)
    assert findings == Findings(unfinished=["1 parts were mended by a retry that did not finish"])
    assert finished(ledger).complete
    assert "Putting 1 parts in place" in capsys.readouterr().err
    assert ledger.read_part(1).equals(edited(before))


def test_a_marker_that_was_written_meanwhile_is_of_older_parts(ledger: Ledger) -> None:
    """A check has seen the part before a retry replaced it, and wrote its marker after all was done."""
    marker = ledger.folder.read(SUCCESS)
    ledger.change(1, edited)
    assert finished(ledger).complete
    ledger.folder.replace(SUCCESS, marker)
    findings = Findings()
    assert check_marker(ledger, verify(ledger, findings), findings)
    assert findings.count == 0
    assert findings.unfinished[0].startswith("_SUCCESS.json is of other parts: parts_sha256 is ")
    assert finished(ledger).complete
    assert json.loads(ledger.folder.read(SUCCESS))["parts_sha256"] == checked(ledger).summary.parts_sha256


@pytest.mark.parametrize("content", [None, b"", b"f" * 64, "link"])
def test_a_damaged_history_ends_nothing(ledger: Ledger, content: bytes | str | None) -> None:
    """What follows a version is missing, says nothing, or names a version that is not there."""
    before = ledger.read_part(1)
    old = ledger.folder.read(ledger.part_name(1))
    ledger.change(1, edited)
    ledger.folder.replace(ledger.part_name(1), old)
    (name,) = [name for name in ledger.folder.names(HISTORY) if name.endswith(".next")]
    ledger.folder.remove(f"{HISTORY}/{name}")
    if isinstance(content, str):
        Path(ledger.folder.path(f"{HISTORY}/{name}")).symlink_to("nowhere")
    elif content is not None:
        ledger.folder.replace(f"{HISTORY}/{name}", content)
    if content == b"f" * 64:
        with pytest.raises(OutputError, match=r"_history/part-.*ffffffffffff\.parquet is missing or damaged, and must"):
            finished(ledger)
    else:
        assert finished(ledger).complete
        assert ledger.read_part(1).equals(before)


def killed() -> None:
    raise KeyboardInterrupt


def history(ledger: Ledger) -> bool:
    return any(name.endswith(".next") for name in ledger.folder.names(HISTORY))


def test_a_retry_meanwhile_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It replaces a part after that was looked at, and is killed before it writes a marker of its own."""
    checks = []

    def checked_before_a_retry(ledger: Ledger) -> Verified:
        verified = checked(ledger)
        checks.append(verified)
        if len(checks) == 1:
            ledger.change(1, edited)
        return verified

    monkeypatch.setattr(finishing, "checked", checked_before_a_retry)
    assert finished(ledger).complete
    assert len(checks) == 2
    assert json.loads(ledger.folder.read(SUCCESS))["parts_sha256"] == checked(ledger).summary.parts_sha256


def edited(table: pa.Table) -> pa.Table:
    return table.set_column(*audio_version(table, "size=1"))


def audio_version(table: pa.Table, value: str) -> tuple[int, pa.Field, pa.Array]:
    at = table.schema.get_field_index("audio_version")
    return at, table.schema.field(at), pa.array([value] * len(table), table.schema.field(at).type)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"parts_sha256": null}', "[" * 5_000])
def test_a_damaged_marker_is_written_again(ledger: Ledger, text: str) -> None:
    before = marker(ledger)
    ledger.folder.replace(SUCCESS, text.encode())
    assert finished(ledger).complete
    assert marker(ledger) == before


def marker(ledger: Ledger) -> dict[str, object]:
    """Without the place, which the copy has of its own."""
    return {**json.loads(ledger.folder.read(SUCCESS)), "output": ""}
