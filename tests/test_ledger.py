"""A part that exists is done: one name, one writer, and no other plan in the same folder."""

import functools
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import S3

from emoboost.errors import EmoboostError, OutputError
from emoboost.ledger import LABELS, PLAN, SUCCESS, Ledger, refuse_other_plan
from emoboost.plan import PLAN_FILE, Plan, make_plan
from emoboost.storage import Folder

OPTIONS = {"model": "tiny@0123456789ab", "limit": None}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """40 utterances of 1 s each, cut into shards of 8, 8, 16 and 8."""
    file = tmp_path / "calls.csv"
    rows = [f"{number:03d},a.wav,{number},{number + 1},x{number}" for number in range(40)]
    file.write_text("\n".join(["utterance_id,path,start,end,agent", *rows]) + "\n")
    return file


@pytest.fixture
def planned(tmp_path: Path, manifest: Path) -> tuple[Plan, Path]:
    return make_plan(str(manifest), tmp_path / "planned", OPTIONS), tmp_path / "planned"


@pytest.fixture
def ledger(tmp_path: Path, planned: tuple[Plan, Path]) -> Ledger:
    return Ledger.create(Folder.at(tmp_path / "out"), *planned)


def part_of(ledger: Ledger, shard: int, writer: str = "a") -> pa.Table:
    table = ledger.shard_table(shard).select(["utterance_id", "agent"])
    return table.append_column("writer", pa.array([writer] * len(table)))


class TestCreateAndOpen:
    def test_the_layout(self, ledger: Ledger, planned: tuple[Plan, Path], tmp_path: Path) -> None:
        files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
        assert {file.parent for file in files} == {tmp_path / "out/_plan"}
        contents = {file.read_bytes() for file in planned[1].iterdir()}
        assert {file.read_bytes() for file in files} == contents
        assert (tmp_path / "out/_plan/plan.json").read_text() == ledger.plan.to_json()
        assert len(files) == len(contents) == 2

    def test_of_two_plans_one_wins_with_its_own_tables(self, tmp_path: Path, manifest: Path) -> None:
        """Headers read differently between two commands, so that they cut the shards at other places."""
        (tmp_path / "headers.csv").write_text("path\n" + "".join(f"{number}.wav\n" for number in range(40)))
        folder, plans = Folder.at(tmp_path / "out"), []
        for seconds in (3.0, 30.0):
            where = tmp_path / str(seconds)
            probe = functools.partial(lambda seconds, uris: [seconds] * len(uris), seconds)
            plans.append((make_plan(str(tmp_path / "headers.csv"), where, OPTIONS, probe=probe), where))
        first, second = (Ledger.create(folder, *planned) for planned in plans)
        assert plans[0][0].shards != plans[1][0].shards
        assert first == second == Ledger.open(folder)
        assert sum(len(first.shard_table(shard)) for shard in range(first.plan.shards)) == 40
        assert len(folder.names(PLAN)) == 2, "the loser's table is gone"

    def test_opens_to_the_same(self, ledger: Ledger, tmp_path: Path) -> None:
        opened = Ledger.open(Folder.at(tmp_path / "out"))
        assert opened == ledger
        assert pickle.loads(pickle.dumps(ledger)) == ledger

    def test_nothing_there_yet(self, tmp_path: Path) -> None:
        assert Ledger.open(Folder.at(tmp_path / "new")) is None
        (tmp_path / "empty").mkdir()
        assert Ledger.open(Folder.at(tmp_path / "empty")) is None

    def test_a_plan_that_was_not_finished_is_made_again(self, tmp_path: Path, planned: tuple[Plan, Path]) -> None:
        folder = Folder.at(tmp_path / "out")
        folder.replace(f"{PLAN}/shards-00000.parquet", b"half")
        assert Ledger.open(folder) is None
        ledger = Ledger.create(folder, *planned)
        assert ledger.shard_table(3)["utterance_id"].to_pylist()[-1] == "039"

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos/cat.jpg").write_text("")
        with pytest.raises(OutputError, match=r"photos: holds 'cat\.jpg' and is not an output of emoboost-batch"):
            Ledger.open(Folder.at(tmp_path / "photos"))

    @pytest.mark.parametrize("inside", ["x", "labels", "labels/x/y", "_tmp/x"])
    def test_a_place_inside_an_output(self, ledger: Ledger, tmp_path: Path, inside: str) -> None:
        """Whoever reads the folder `labels` as one table would read what lies there, too."""
        with pytest.raises(OutputError, match=rf"{inside}: lies inside .*, which is an output; name that one"):
            Ledger.open(Folder.at(f"{ledger.folder.path()}/{inside}"))
        assert Ledger.open(Folder.at(tmp_path / "elsewhere")) is None

    def test_a_changed_plan(self, ledger: Ledger, tmp_path: Path) -> None:
        file = tmp_path / "out" / PLAN / PLAN_FILE
        values = json.loads(file.read_text())
        values["options"]["limit"] = 3
        file.write_text(json.dumps(values))
        with pytest.raises(OutputError, match=r"plan\.json: was changed after it was written"):
            Ledger.open(Folder.at(tmp_path / "out"))


class TestParts:
    def test_shards(self, ledger: Ledger) -> None:
        assert [len(ledger.shard_table(shard)) for shard in range(ledger.plan.shards)] == [8, 8, 16, 8]
        assert ledger.missing() == [0, 1, 2, 3]
        assert ledger.finished() == set()

    def test_commit_is_published_once(self, ledger: Ledger) -> None:
        assert ledger.commit(2, part_of(ledger, 2))
        assert not ledger.commit(2, part_of(ledger, 2, "b"))
        assert ledger.has(2)
        assert not ledger.has(1)
        assert (ledger.finished(), ledger.missing()) == ({2}, [0, 1, 3])
        assert set(ledger.read_part(2)["writer"].to_pylist()) == {"a"}
        assert ledger.read_part(2, ["agent"]).column_names == ["agent"]

    def test_names_follow_from_plan_and_shard(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.commit(3, part_of(ledger, 3))
        (file,) = (tmp_path / "out" / LABELS).iterdir()
        assert file.name == f"part-{ledger.plan.hash[:8]}-0000003.parquet"
        assert pq.read_table(file).equals(part_of(ledger, 3))

    def test_files_of_other_names_are_not_parts(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.commit(0, part_of(ledger, 0))
        prefix = f"part-{ledger.plan.hash[:8]}"
        for name in (f"{prefix}-x.parquet", f"{prefix}-0000001.parquet.crc", "part-00000000-0000001.parquet", ".x"):
            (tmp_path / "out" / LABELS / name).write_text("")
        assert ledger.finished() == {0}

    def test_the_folder_reads_as_one_table(self, ledger: Ledger, tmp_path: Path) -> None:
        for shard in (2, 0, 3, 1):
            ledger.commit(shard, part_of(ledger, shard))
        ledger.succeed({"complete": True})
        table = pq.read_table(tmp_path / "out" / LABELS)
        assert table["utterance_id"].to_pylist() == [f"{number:03d}" for number in range(40)]
        assert json.loads((tmp_path / "out" / SUCCESS).read_text()) == {"complete": True}

    def test_remaining(self, ledger: Ledger) -> None:
        assert ledger.remaining([0, 1, 2, 3]) == (40, 40.0)
        assert ledger.remaining([1, 2]) == (24, 24.0)
        assert ledger.remaining([]) == (0, 0.0)

    def test_remaining_of_unknown_length(self, tmp_path: Path) -> None:
        (tmp_path / "m.csv").write_text("path,duration\n" + "".join(f"{n}.wav,\n" for n in range(9)) + "x.wav,2\n")
        plan = make_plan(str(tmp_path / "m.csv"), tmp_path / "p", OPTIONS)
        ledger = Ledger.create(Folder.at(tmp_path / "o"), plan, tmp_path / "p")
        assert ledger.remaining(list(range(plan.shards))) == (10, None)
        assert ledger.remaining([0])[1] is None
        assert ledger.remaining([plan.shards - 1])[1] is not None


class TestDamaged:
    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', "[" * 5_000])
    def test_plan(self, ledger: Ledger, tmp_path: Path, text: str) -> None:
        (tmp_path / "out/_plan/plan.json").write_text(text)
        with pytest.raises(OutputError, match=r"plan\.json.*(damaged|format is None).*choose a new folder"):
            Ledger.open(Folder.at(tmp_path / "out"))

    @pytest.mark.parametrize("content", [None, b"", b"PAR1", b"PAR1 and no more PAR1"])
    def test_tables_of_the_plan(self, ledger: Ledger, content: bytes | None) -> None:
        name = ledger.plan_name("shards-00000.parquet")
        ledger.folder.remove(name) if content is None else ledger.folder.replace(name, content)
        with pytest.raises(OutputError, match=r"out: _plan/.*parquet is missing or damaged .*; choose a new"):
            ledger.shard_table(0)

    def test_part(self, ledger: Ledger) -> None:
        ledger.commit(1, part_of(ledger, 1))
        ledger.folder.replace(ledger.part_name(1), ledger.folder.read(ledger.part_name(1))[:-9])
        with pytest.raises(OutputError, match=r"labels/part-.*-0000001\.parquet is missing or damaged .*; delete it"):
            ledger.read_part(1)

    def test_a_flipped_bit_in_a_parts_pages(self, ledger: Ledger) -> None:
        ledger.commit(1, part_of(ledger, 1))
        content = bytearray(ledger.folder.read(ledger.part_name(1)))
        page = pq.ParquetFile(pa.BufferReader(bytes(content))).metadata.row_group(0).column(1)
        content[(page.dictionary_page_offset or page.data_page_offset) + page.total_compressed_size - 1] ^= 1
        ledger.folder.replace(ledger.part_name(1), bytes(content))
        with pytest.raises(OutputError, match=r"labels/part-.*-0000001\.parquet is missing or damaged \(.*checksum"):
            ledger.read_part(1)

    def test_success_is_withdrawn(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.withdraw_success()
        ledger.succeed({"utterances": 40})
        assert (tmp_path / "out" / SUCCESS).exists()
        ledger.withdraw_success()
        assert not (tmp_path / "out" / SUCCESS).exists()

    def test_a_lost_plan_with_parts(self, ledger: Ledger) -> None:
        """Which annotate must not plan anew: the parts would be of nothing."""
        ledger.folder.remove("_plan/plan.json")
        assert Ledger.open(ledger.folder) is None, "a plan that was not finished"
        ledger.commit(1, part_of(ledger, 1))
        with pytest.raises(OutputError, match=r"out: _plan/plan\.json is missing, .* with its folder _plan, or choose"):
            Ledger.open(ledger.folder)

    @pytest.mark.parametrize("act", [lambda ledger: ledger.succeed({}), lambda ledger: ledger.withdraw_success()])
    def test_a_folder_in_the_place_of_the_marker(
        self, ledger: Ledger, tmp_path: Path, act: Callable[[Ledger], None]
    ) -> None:
        (tmp_path / "out" / SUCCESS).mkdir()
        with pytest.raises(EmoboostError, match=r"a folder lies in the place of .*/_SUCCESS\.json\); remove it"):
            act(ledger)

    def test_a_pipe_in_the_place_of_a_part(self, ledger: Ledger, tmp_path: Path) -> None:
        """It is not waited for."""
        (tmp_path / "out" / LABELS).mkdir()
        os.mkfifo(tmp_path / "out" / ledger.part_name(1))
        assert ledger.damaged()[1].what.endswith("is a pipe, socket or device; remove it)")
        with pytest.raises(OutputError, match=r"-0000001\.parquet: is a pipe, socket or device; remove it"):
            ledger.part(1)


class TestRefuseOtherPlan:
    def refusal(self, ledger: Ledger, manifest_hash: str | None = None, **changes: object) -> str:
        command = ["emoboost-batch", "annotate", "my calls.csv", "--output", "out-2"]
        with pytest.raises(OutputError, match="was made by another run") as caught:
            refuse_other_plan(ledger, manifest_hash or ledger.plan.manifest_hash, {**OPTIONS, **changes}, command)
        return str(caught.value)

    def test_the_same_run_continues(self, ledger: Ledger) -> None:
        refuse_other_plan(ledger, ledger.plan.manifest_hash, dict(reversed(OPTIONS.items())), [])

    def test_both_values_and_the_command(self, ledger: Ledger) -> None:
        message = self.refusal(ledger, limit=5, model="other@0")
        assert "limit was None and is now 5" in message
        assert "model was 'tiny@0123456789ab' and is now 'other@0'" in message
        assert message.endswith("emoboost-batch annotate 'my calls.csv' --output out-2")

    def test_an_option_of_another_release(self, ledger: Ledger) -> None:
        assert "tail was None and is now 'align'" in self.refusal(ledger, tail="align")

    def test_a_changed_manifest(self, ledger: Ledger) -> None:
        message = self.refusal(ledger, "f" * 64)
        assert f"SHA-256 was {ledger.plan.manifest_hash[:12]}…, is now ffffffffffff…" in message
        assert message.endswith(f"--output out-2 --reuse {ledger.folder.display}")


class TestOnS3:
    def test_the_whole_life_of_an_output(self, s3: S3, planned: tuple[Plan, Path]) -> None:
        folder = Folder.at(f"{s3.make_bucket('ledger-tests')}/out")
        assert Ledger.open(folder) is None
        ledger = Ledger.create(folder, *planned)
        assert Ledger.open(folder) == ledger
        for shard in ledger.missing():
            assert ledger.commit(shard, part_of(ledger, shard))
            assert not ledger.commit(shard, part_of(ledger, shard, "b"))
        assert ledger.missing() == []
        assert ledger.read_part(3).equals(part_of(ledger, 3))
        ledger.succeed({})
        assert folder.exists(SUCCESS)
        with pytest.raises(OutputError, match=r"labels/x: lies inside s3://ledger-tests/out, which is an output"):
            Ledger.open(Folder.at(f"{folder.url}/labels/x"))

    def test_a_folder_that_was_made_by_hand_is_empty(self, s3: S3) -> None:
        """Consoles make a folder as an object without a name."""
        folder = Folder.at(f"{s3.make_bucket('made-by-hand')}/out")
        folder.filesystem.pipe_file(f"{folder.path()}/", b"")
        assert Ledger.open(folder) is None
