"""What is reused equals what a run from scratch gives, and nothing is reused whose audio, span or model changed."""

import dataclasses
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile
from finished import annotated, label, planned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_server import S3

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder
from emoboost.errors import OutputError
from emoboost.ledger import Ledger
from emoboost.reuse import OldRows, current_version, refuse_unfit

HEADER = "utterance_id,path,channel,start,end,note"
ROWS = [f"u{number},{number % 9}.wav,0,{number / 32},{'' if number % 4 else 1.25},n{number}" for number in range(18)]

HEARD = [
    (int(path[0]), channel, float(start), bool(end))
    for _, path, channel, start, end, _ in (row.split(",") for row in ROWS)
]
"""Recording, channel, start and whether it has an end, of each row."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    """Eight recordings of different sizes, `0.wav` to `7.wav`; there is no `8.wav`. Not to be written to."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(8):
        samples, rate = soundfile.read(clips[number])
        soundfile.write(folder / f"{number}.wav", samples[: (15 + number) * rate // 10], rate)
    return folder


STARTS = [number / 32 for number in range(18)]


def manifest_in(folder: Path, rows: list[str], name: str = "m.csv", header: str = HEADER) -> Path:
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder / name


@pytest.fixture(scope="module")
def old(recordings: Path, tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return annotated(manifest_in(recordings, ROWS), tmp_path_factory.mktemp("old") / "out", tiny_model)


@pytest.fixture
def archive(recordings: Path, tmp_path: Path) -> Path:
    """A copy of the recordings that a test may change."""
    return Path(shutil.copytree(recordings, tmp_path / "archive"))


def reused(old: Ledger, new: Ledger, *, errors: bool = False) -> list[pa.Table]:
    """What each shard of a new output takes over."""
    refuse_unfit(new.plan.options, old.plan)
    rows = OldRows.read(old, new.plan.base, Access(), errors=errors)
    return [rows.rows_for(new.shard_table(shard)).table for shard in range(new.plan.shards)]


def ids(tables: list[pa.Table]) -> list[str]:
    return [name for table in tables for name in table["utterance_id"].to_pylist()]


def check_equal_to_scratch(tables: list[pa.Table], new: Ledger, model: ModelFolder) -> None:
    """Byte for byte, but for probabilities: they may differ by rounding where a row has other neighbours."""
    label(new, model, new.missing())
    for shard, table in enumerate(tables):
        computed = new.read_part(shard)
        rows = [computed["utterance_id"].to_pylist().index(name) for name in table["utterance_id"].to_pylist()]
        assert rows == sorted(rows)
        assert table.schema == computed.schema
        for name, found, expected in zip(
            table.column_names, table, computed.take(pa.array(rows, pa.int64())), strict=True
        ):
            if found.type == pa.float32():
                assert found.is_null().equals(expected.is_null())
                np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-6)
            else:
                assert found.equals(expected), name


def check_identical_to(old: Ledger, tables: list[pa.Table]) -> None:
    """Of the same plan: byte for byte, probabilities too."""
    for shard, table in enumerate(tables):
        part = old.read_part(shard)
        assert table.equals(part.filter(pc.is_in(part["utterance_id"], table["utterance_id"])))


OK_IDS = [f"u{number}" for number in range(18) if number % 9 != 8]


class TestUnchanged:
    def test_all_that_is_labelled(self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        new = planned(recordings / "m.csv", tmp_path / "new", tiny_model)
        tables = reused(old, new)
        assert ids(tables) == OK_IDS
        check_identical_to(old, tables)
        check_equal_to_scratch(tables, new, tiny_model)

    def test_errors_on_request(self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        new = planned(recordings / "m.csv", tmp_path / "new", tiny_model)
        tables = reused(old, new, errors=True)
        assert ids(tables) == [f"u{number}" for number in range(18)]
        check_equal_to_scratch(tables, new, tiny_model)

    def test_of_an_unfinished_output(self, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        unfinished = planned(recordings / "m.csv", tmp_path / "old", tiny_model)
        assert unfinished.plan.shards >= 3
        with pytest.raises(OutputError, match="no part is finished, nothing can be reused"):
            OldRows.read(unfinished, unfinished.plan.base, Access())
        label(unfinished, tiny_model, [1])
        new = planned(recordings / "m.csv", tmp_path / "new", tiny_model)
        expected = [name for name in unfinished.shard_table(1)["utterance_id"].to_pylist() if name in OK_IDS]
        assert len(expected) > 1
        assert ids(reused(unfinished, new)) == expected

    def test_travels_to_other_processes(self, old: Ledger) -> None:
        rows = OldRows.read(old, old.plan.base, Access())
        copy = pickle.loads(pickle.dumps(rows))
        assert copy.rows_for(old.shard_table(0)).table.equals(rows.rows_for(old.shard_table(0)).table)
        assert len(rows.keys) == len(OK_IDS)
        assert np.all(rows.keys[1:] >= rows.keys[:-1])


class TestChangedManifest:
    def redone(
        self, old: Ledger, folder: Path, rows: list[str], tiny_model: ModelFolder, tmp_path: Path, header: str = HEADER
    ) -> list[str]:
        """Ids of a new manifest that are reused, checked against a run from scratch."""
        new = planned(manifest_in(folder, rows, "new.csv", header), tmp_path / "new", tiny_model)
        tables = reused(old, new)
        check_equal_to_scratch(tables, new, tiny_model)
        return ids(tables)

    def test_a_fixed_typo(self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        """The one that was missing has a recording now; a note is another, too."""
        rows = [row.replace("u8,8.wav", "u8,7.wav").replace(",n3", ",other") for row in ROWS]
        assert self.redone(old, recordings, rows, tiny_model, tmp_path) == OK_IDS

    def test_a_row_in_front(self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        rows = ["new,1.wav,0,0.125,,x", *ROWS]
        assert self.redone(old, recordings, rows, tiny_model, tmp_path) == OK_IDS

    def test_another_order_and_ids(
        self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        rows = [f"x{row}" for row in reversed(ROWS)]
        found = self.redone(old, recordings, rows, tiny_model, tmp_path)
        assert found == [f"x{name}" for name in reversed(OK_IDS)]

    def test_other_columns(self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        rows = [row.rpartition(",")[0] + f",{number},é" for number, row in enumerate(ROWS)]
        header = "speaker_id,path,channel,start,end,number,place"
        assert len(self.redone(old, recordings, rows, tiny_model, tmp_path, header)) == len(OK_IDS)

    @pytest.mark.parametrize(
        ("was", "now"), [("0.wav,0,0.0,1.25", "0.wav,0,0.0,1.0"), ("0.wav,0,0.0,1.25", "0.wav,0,0.0,"),
                         ("0.wav,0,0.0,1.25", "0.wav,0,0.125,1.25"), ("0.wav,0,0.0,1.25", "0.wav,mix,0.0,1.25")],
    )  # fmt: skip
    def test_another_span_or_channel(
        self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path, was: str, now: str
    ) -> None:
        assert was in ROWS[0]
        rows = [ROWS[0].replace(was, now), *ROWS[1:]]
        assert self.redone(old, recordings, rows, tiny_model, tmp_path) == OK_IDS[1:]

    def test_an_end_that_is_the_recordings(
        self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        """What the old output gives as end is found in no plan: it was asked for up to the end, now up to 1.6 s."""
        assert old.read_part(0)["end"][1].as_py() == pytest.approx(1.6)
        rows = [ROWS[0], ROWS[1].replace(",,", ",1.6,"), *ROWS[2:]]
        assert self.redone(old, recordings, rows, tiny_model, tmp_path) == [name for name in OK_IDS if name != "u1"]


class TestChangedRecordings:
    def test_another_size(self, archive: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        made = annotated(manifest_in(archive, ROWS), tmp_path / "old", tiny_model)
        samples, rate = soundfile.read(archive / "2.wav")
        soundfile.write(archive / "2.wav", samples[: 14 * rate // 10], rate)
        (archive / "3.wav").unlink()
        new = planned(archive / "m.csv", tmp_path / "new", tiny_model)
        tables = reused(made, new)
        assert ids(tables) == [name for name in OK_IDS if name not in ("u2", "u11", "u3", "u12")]
        check_equal_to_scratch(tables, new, tiny_model)

    def test_an_error_that_was_mended(self, archive: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        made = annotated(manifest_in(archive, ROWS), tmp_path / "old", tiny_model)
        shutil.copy(archive / "7.wav", archive / "8.wav")
        new = planned(archive / "m.csv", tmp_path / "new", tiny_model)
        assert ids(reused(made, new, errors=True)) == OK_IDS

    def test_the_version_now(self, archive: Path) -> None:
        assert current_version(str(archive / "0.wav"), Access()) == f"size={(archive / '0.wav').stat().st_size}"
        assert current_version(str(archive / "none.wav"), Access()) is None
        assert current_version(str(archive), Access()) is None


class TestMoved:
    def test_the_folder(self, archive: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        made = annotated(manifest_in(archive, ROWS), tmp_path / "old", tiny_model)
        archive.rename(tmp_path / "moved")
        new = planned(tmp_path / "moved/m.csv", tmp_path / "new", tiny_model)
        tables = reused(made, new)
        assert ids(tables) == OK_IDS
        check_equal_to_scratch(tables, new, tiny_model)
        # What an error says names the old place.
        assert ids(reused(made, new, errors=True)) == OK_IDS

    def test_the_manifest(self, old: Ledger, recordings: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
        rows = [row.replace(",", f",{recordings}/", 1) for row in ROWS]
        new = planned(manifest_in(tmp_path, rows), tmp_path / "new", tiny_model)
        tables = reused(old, new, errors=True)
        assert ids(tables) == [f"u{number}" for number in range(18)]
        check_equal_to_scratch(tables, new, tiny_model)


class TestOnS3:
    def test_recordings_and_old_output(self, recordings: Path, s3: S3, tiny_model: ModelFolder, tmp_path: Path) -> None:
        import fsspec

        bucket = s3.make_bucket("reuse-tests")
        filesystem = fsspec.filesystem("s3")
        for file in [*recordings.glob("*.wav"), recordings / "m.csv"]:
            filesystem.pipe_file(f"{bucket}/archive/{file.name}", file.read_bytes())
        first = annotated(f"{bucket}/archive/m.csv", f"{bucket}/first", tiny_model)
        second = planned(f"{bucket}/archive/m.csv", tmp_path / "second", tiny_model)
        tables = reused(first, second)
        assert ids(tables) == OK_IDS
        check_equal_to_scratch(tables, second, tiny_model)
        location = f"{bucket}/archive/0.wav"
        before = current_version(location, Access())
        filesystem.pipe_file(location, (recordings / "1.wav").read_bytes())
        assert before != current_version(location, Access()) is not None
        assert current_version(f"{bucket}/archive/none.wav", Access()) is None


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(
        st.one_of(
            st.sampled_from(HEARD),
            st.tuples(st.integers(0, 8), st.sampled_from(["0", "mix"]), st.floats(0, 0.5), st.booleans()),
        ),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_whatever_is_reused_equals_a_run_from_scratch(
    old: Ledger,
    recordings: Path,
    tiny_model: ModelFolder,
    tmp_path_factory: pytest.TempPathFactory,
    chosen: list[tuple[int, str, float, bool]],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    rows = [
        f"{number},{recordings}/{name}.wav,{channel},{start!r},{'1.25' if ends else ''},x"
        for number, (name, channel, start, ends) in enumerate(chosen)
    ]
    # At least one that can be opened, or planning stops.
    rows.append(f"last,{recordings}/0.wav,mix,,,x")
    new = planned(manifest_in(folder, rows), folder / "new", tiny_model)
    tables = reused(old, new, errors=True)
    assert ids(tables) == [str(number) for number, row in enumerate(chosen) if row in HEARD]
    check_equal_to_scratch(tables, new, tiny_model)


def test_rows_that_share_a_key_are_told_apart(old: Ledger) -> None:
    rows = OldRows.read(old, old.plan.base, Access())
    shared = dataclasses.replace(rows, keys=np.repeat(rows.keys, 2), places=np.repeat(rows.places, 2))
    shared.places[::2] = np.roll(rows.places, 1)
    confused = dataclasses.replace(rows, places=np.roll(rows.places, 1))
    for shard in range(old.plan.shards):
        assert shared.rows_for(old.shard_table(shard)).table.equals(rows.rows_for(old.shard_table(shard)).table)
        assert len(confused.rows_for(old.shard_table(shard)).table) == 0


class TestUnfit:
    def refusal(self, old: Ledger, **changes: object) -> str:
        options: Mapping[str, object] = {**old.plan.options, **changes}
        with pytest.raises(OutputError, match="cannot be reused") as caught:
            refuse_unfit(options, old.plan)
        return str(caught.value)

    def test_what_each_row_says_for_itself(self, old: Ledger) -> None:
        refuse_unfit({**old.plan.options, "limit": 5, "channel": 1}, old.plan)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("model", "other@0"), ("precision", "bf16"), ("max_duration", 5.0), ("max_bytes", 1), ("tail", "align")],
    )
    def test_both_values(self, old: Ledger, name: str, value: object) -> None:
        told = f"{name} was {old.plan.options.get(name)!r} and is now {value!r}"
        assert told in self.refusal(old, **{name: value})

    def test_a_part_of_another_release(self, old: Ledger, tmp_path: Path) -> None:
        shutil.copytree(old.folder.path(), tmp_path / "out")
        ledger = dataclasses.replace(old, folder=type(old.folder).at(tmp_path / "out"))
        table = ledger.read_part(1)
        ledger.folder.remove(ledger.part_name(1))
        ledger.commit(1, table.replace_schema_metadata({"emoboost.format": "9"}))
        with pytest.raises(
            OutputError, match=r"0000001\.parquet has format 9, this release reads 1; leave out --reuse"
        ):
            OldRows.read(ledger, ledger.plan.base, Access())

    def test_an_edited_part(self, old: Ledger, tmp_path: Path) -> None:
        """Whose rows agree with the plan and with themselves."""
        shutil.copytree(old.folder.path(), tmp_path / "out")
        ledger = dataclasses.replace(old, folder=type(old.folder).at(tmp_path / "out"))
        pq.write_table(ledger.read_part(1), ledger.folder.path(ledger.part_name(1)))
        with pytest.raises(OutputError, match=r"0000001\.parquet was edited: it is not"):
            OldRows.read(ledger, "", Access())

    def test_a_part_with_other_rows(self, old: Ledger, tmp_path: Path) -> None:
        shutil.copytree(old.folder.path(), tmp_path / "out")
        ledger = dataclasses.replace(old, folder=type(old.folder).at(tmp_path / "out"))
        ledger.folder.remove(ledger.part_name(1))
        ledger.commit(1, ledger.read_part(0))
        with pytest.raises(OutputError, match=r"0000001\.parquet does not hold the utterances of its plan"):
            OldRows.read(ledger, ledger.plan.base, Access())
