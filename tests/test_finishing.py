"""At the end everything is checked, mended once, and marked; the marker is never written over other parts."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from finished import annotated, copied, label
from reading import CLIP

from emoboost.checkpoint import ModelFolder
from emoboost.history import HISTORY
from emoboost.ledger import SUCCESS, Ledger
from emoboost.record import RECORD
from emoboost.verify import Findings, Verified, check_marker, verify
from jobs import finishing
from jobs.finishing import checked, finished

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
        ledger.forget(missing)
        label(ledger, tiny_model, missing)

    return made


def put(ledger: Ledger, shard: int, change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(ledger.read_part(shard))
    ledger.folder.remove(ledger.part_name(shard))
    ledger.commit(shard, table)


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
    ledger.set_aside(1)
    ledger.set_aside(1)
    assert ledger.missing() == [1]
    (Path(ledger.folder.path(ledger.part_name(1)))).symlink_to("nowhere")
    assert ledger.damaged() == {}


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
    """Every check of a row holds, and the record of what was checked knows better."""
    good = ledger.folder.read(ledger.part_name(2))
    put(ledger, 2, edited)
    assert checked(ledger).wrong == {}
    summary = finished(ledger)
    assert not summary.complete
    assert f"{ledger.part_name(2)}, shard 2: is not the part that was checked" in summary.problems[0]
    assert not ledger.folder.exists(SUCCESS)
    assert not finished(ledger).complete
    ledger.folder.replace(ledger.part_name(2), good)
    assert finished(ledger).complete


def test_nor_when_another_part_is_gone_or_damaged(ledger: Ledger, again: Callable[[], None]) -> None:
    put(ledger, 2, edited)
    put(ledger, 0, swapped)
    ledger.folder.remove(ledger.part_name(1))
    again()
    summary = finished(ledger, again)
    assert [problem.split(":")[0] for problem in summary.problems] == [f"{ledger.part_name(2)}, shard 2"]
    assert checked(ledger).wrong == {}
    assert not ledger.folder.exists(SUCCESS)


def test_nor_when_a_retry_goes_on_from_it(ledger: Ledger) -> None:
    put(ledger, 2, edited)
    ledger.change(2, lambda table: table.set_column(*audio_version(table, "size=2")))
    assert not finished(ledger).complete


def test_an_edited_part_may_be_kept_or_made_again(ledger: Ledger, again: Callable[[], None]) -> None:
    put(ledger, 2, edited)
    ledger.folder.remove(RECORD)
    assert finished(ledger).complete
    assert ledger.read_part(2)["audio_version"].to_pylist() == ["size=1"] * 4
    put(ledger, 1, edited)
    ledger.folder.remove(ledger.part_name(1))
    again()
    assert finished(ledger).complete


def test_a_mended_part_is_made_again_from_the_start(ledger: Ledger, again: Callable[[], None]) -> None:
    """Not from the version that someone has deleted."""
    before = ledger.read_part(1)
    ledger.change(1, edited)
    ledger.folder.remove(ledger.part_name(1))
    again()
    assert finished(ledger).complete
    assert ledger.read_part(1).equals(before)


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
    """A check has seen the part before a retry replaced it, and wrote its marker after; the retry was killed."""
    marker = ledger.folder.read(SUCCESS)
    ledger.change(1, edited)
    ledger.folder.replace(SUCCESS, marker)
    findings = Findings()
    assert check_marker(ledger, verify(ledger, findings), findings)
    assert findings == Findings(unfinished=["_SUCCESS.json is of parts that a retry has replaced since"])
    assert finished(ledger).complete
    assert json.loads(ledger.folder.read(SUCCESS))["parts_sha256"] == checked(ledger).summary.parts_sha256


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
