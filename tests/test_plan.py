"""The plan holds every row once, in order, in shards of bounded size, and knows when it is another plan."""

import csv
import hashlib
import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emoboost.access import Access
from emoboost.errors import ManifestError, OutputError
from emoboost.isolation import read_durations
from emoboost.manifest.columns import LENGTH
from emoboost.manifest.identifiers import derived_id
from emoboost.plan import INDEX, PLAN_FILE, Plan, make_plan, manifest_hash, read_shard, utterances_of
from emoboost.shards import cut, shard_file, shard_limits
from emoboost.utterance import Utterance


def write_csv(file: Path, header: list[str], rows: list[list[object]]) -> str:
    with file.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return str(file)


def shards_of(plan: Plan, folder: Path) -> list[pa.Table]:
    return [read_shard(plan, lambda name: (folder / name).open("rb"), shard) for shard in range(plan.shards)]


def planned(manifest: str, folder: Path, options=None, **more) -> tuple[Plan, pa.Table]:
    plan = make_plan(manifest, folder, options or {}, **more)
    assert Plan.from_json((folder / PLAN_FILE).read_text(encoding="utf-8")) == plan
    return plan, pa.concat_tables(shards_of(plan, folder))


# Every row once, in order

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUE = st.one_of(TEXT, st.integers(-3, 2**64).map(str), st.floats().map(repr))
SECONDS = st.floats(0, 1_000, allow_subnormal=False)


@settings(deadline=None)
@given(
    utterances=st.lists(
        st.tuples(TEXT, SECONDS, st.floats(0.01, 900), st.sampled_from(["", "0", "3", "mix"]), VALUE, VALUE),
        min_size=1,
        max_size=60,
    )
)
def test_rows_come_back_once_and_in_order(tmp_path_factory, utterances):
    folder = tmp_path_factory.mktemp("plan")
    rows = [
        [f"ü {i}\n/{stem}.wav", f"id {i}" if i % 3 else "", repr(start), repr(start + length), channel, first, second]
        for i, (stem, start, length, channel, first, second) in enumerate(utterances)
    ]
    header = ["path", "utterance_id", "start", "end", "channel", "label", "index"]
    manifest = write_csv(folder / "m.csv", header, rows)
    plan, table = planned(manifest, folder, reserved=lambda name: name == "label", default_channel=1)

    assert plan.carried.names == ["manifest_label", "index"]
    assert plan.renames == {"label": "manifest_label"}
    assert table[INDEX].to_pylist() == list(range(len(rows)))
    for row, found in zip(rows, table.to_pylist(), strict=True):
        channel = {"": 1, "mix": None}.get(str(row[4]), 3 if row[4] == "3" else 0)
        start, end = float(str(row[2])), float(str(row[3]))
        assert found["utterance_id"] == (row[1] or derived_id(row[0], channel, start, end))
        assert (found["uri"], found["start"], found["end"], found["channel"]) == (row[0], start, end, channel)
        assert found[LENGTH] == end - start
        assert ["" if found[name] is None else str(found[name]) for name in plan.carried.names] == row[5:]
    assert plan.utterances == len(rows)
    assert plan.known_seconds == pytest.approx(sum(table[LENGTH].to_pylist()))


def test_utterances_of_a_shard(tmp_path):
    manifest = write_csv(
        tmp_path / "m.csv", ["path", "end", "n", "length"], [["a.wav", "2.5", "1", "x"], ["b.wav", "", "", ""]]
    )
    _, table = planned(manifest, tmp_path / "plan")
    assert utterances_of(table) == [
        Utterance(derived_id("a.wav", None, 0.0, 2.5), "a.wav", None, 0.0, 2.5, 2.5),
        Utterance(derived_id("b.wav", None, 0.0, None), "b.wav", None, 0.0, None, None),
    ]


def test_a_type_is_decided_over_all_shards(tmp_path):
    rows = [[f"{i}.wav", str(i), str(i), ""] for i in range(1_000)] + [["x.wav", "1", "007", ""]]
    plan, table = planned(write_csv(tmp_path / "m.csv", ["path", "n", "code", "none"], rows), tmp_path / "plan")
    assert plan.carried == pa.schema([("n", pa.int64()), ("code", pa.string()), ("none", pa.string())])
    assert table.schema.field("code").type == pa.string()
    assert table["n"].to_pylist() == [*range(1_000), 1]
    assert table["none"].to_pylist() == [""] * 1_001
    assert [shard.schema for shard in shards_of(plan, tmp_path / "plan")] == [table.schema] * plan.shards


def test_parquet_types_come_back(tmp_path):
    count = 300
    columns = {
        "path": [f"{i}.wav" for i in range(count)],
        "speaker": pa.array([f"s{i // 3}" for i in range(count)]).dictionary_encode(),
        "when": pa.array(range(count), pa.timestamp("ms", "UTC")),
        "turns": [[{"who": "a", "at": [i, None]}] if i % 2 else None for i in range(count)],
        "small": pa.array([None, *range(count - 1)], pa.uint16()),
    }
    table = pa.table(columns)
    table = table.set_column(4, table.schema.field("small").with_metadata({"unit": "dB"}), table["small"])
    # A dictionary of its own in every row group, as large files have it.
    pq.write_table(table, tmp_path / "m.parquet", row_group_size=40)
    plan, found = planned(str(tmp_path / "m.parquet"), tmp_path / "plan")
    carried = found.select(plan.carried.names)
    assert carried.schema.equals(plan.carried, check_metadata=True)
    assert carried.schema == table.drop_columns("path").schema
    assert carried.schema.field("small").metadata == {b"unit": b"dB"}
    assert carried.to_pylist() == table.drop_columns("path").to_pylist()


def test_times_that_only_arrow_knows_are_carried(tmp_path):
    """Python's end with the year 9999."""
    times = pa.array([2**60, 1, None], pa.timestamp("us"))
    pq.write_table(pa.table({"path": ["a.wav", "b.wav", "c.wav"], "recorded": times}), tmp_path / "m.parquet")
    _, found = planned(str(tmp_path / "m.parquet"), tmp_path / "plan")
    assert found["recorded"].equals(pa.chunked_array([times]))
    assert [utterance.uri for utterance in utterances_of(found)] == ["a.wav", "b.wav", "c.wav"]


def test_a_folder_is_planned_without_carried_columns(tmp_path):
    for name in ("b.wav", "a/c.flac"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    plan, table = planned(str(tmp_path / "in"), tmp_path / "plan")
    assert [each.uri for each in utterances_of(table)] == ["a/c.flac", "b.wav"]
    assert (plan.base, plan.carried.names, plan.unknown_lengths) == (str(tmp_path / "in"), [], 2)


def test_the_limit_takes_the_first_rows(tmp_path):
    manifest = write_csv(tmp_path / "m.csv", ["path", "start"], [["a.wav", "0"], ["b.wav", "1"], ["c.wav", "oops"]])
    plan, table = planned(manifest, tmp_path / "plan", {"limit": 2}, limit=2)
    assert table["uri"].to_pylist() == ["a.wav", "b.wav"]
    assert plan.options == {"limit": 2}


def test_a_bad_manifest_leaves_no_plan(tmp_path):
    rows = [[f"{i}.wav", "1"] for i in range(10_000)]
    manifest = write_csv(tmp_path / "m.csv", ["path", "end"], [*rows, ["x.wav", "-1"]])
    with pytest.raises(ManifestError, match="line 10002, column 'end', value '-1'"):
        make_plan(manifest, tmp_path / "plan", {})
    assert not (tmp_path / "plan" / PLAN_FILE).exists()


def test_progress_counts_utterances(tmp_path):
    manifest = write_csv(tmp_path / "m.csv", ["path"], [[f"{i}.wav"] for i in range(10_000)])
    seen: list[int] = []
    make_plan(manifest, tmp_path / "plan", {}, progress=seen.append)
    assert seen == sorted(set(seen))
    assert len(seen) > 1
    assert seen[-1] == 10_000


# Shards

LENGTHS = st.lists(st.one_of(st.floats(0, 30), st.floats(0, 2_000), st.just(60.0), st.just(4.6875)), max_size=700)


def cut_one_by_one(lengths: list[float]) -> list[int]:
    """The definition, as a loop: a shard ends with the utterance that reaches its limit."""
    sizes, count, seconds = [], 0, 0.0
    for length in lengths:
        count, seconds = count + 1, seconds + length
        if count >= shard_limits(len(sizes))[0] or seconds >= shard_limits(len(sizes))[1]:
            sizes.append(count)
            count, seconds = 0, 0.0
    return [*sizes, count] if count else sizes


@given(LENGTHS)
def test_cut_agrees_with_its_definition(lengths):
    sizes: list[int] = []
    rest = np.array(lengths, np.float64)
    while (size := cut(rest, len(sizes))) is not None:
        sizes.append(size)
        rest = rest[size:]
    if len(rest):
        sizes.append(len(rest))
    assert sizes == cut_one_by_one(lengths)


def test_planned_shards_are_those_of_the_definition(tmp_path):
    random = np.random.default_rng(5)
    lengths = np.concatenate([random.uniform(0, 12, 9_000), random.uniform(0, 900, 1_000)]).round(3)
    random.shuffle(lengths)
    manifest = write_csv(tmp_path / "m.csv", ["path", "duration"], [[f"{i}.wav", x] for i, x in enumerate(lengths)])
    plan = make_plan(manifest, tmp_path / "plan", {})
    assert plan.shards > 500
    assert [len(shard) for shard in shards_of(plan, tmp_path / "plan")] == cut_one_by_one(list(lengths))
    files = sorted((tmp_path / "plan").glob("*.parquet"))
    assert [file.name for file in files] == [shard_file(shard)[0] for shard in range(0, plan.shards, 500)]
    assert [pq.ParquetFile(file).num_row_groups for file in files[:-1]] == [500] * (len(files) - 1)


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [
        (1.0, [8, 8, 16, 16, 32, 32, 64, 64, 128, 128, 4]),
        (60.0, [1, 1, 2, 2, 3, 3, 5, 5] + [10] * 47 + [8]),
        (10.0, [4, 4, 8, 8, 15, 15, 30, 30] + [60] * 6 + [26]),
        (700.0, [1] * 500),
    ],
)
def test_first_shards_are_small(tmp_path, seconds, sizes):
    """Closed form: a shard takes ceil(limit / length) utterances, at most its number."""
    manifest = write_csv(tmp_path / "m.csv", ["path", "duration"], [[f"{i}.wav", seconds] for i in range(500)])
    plan = make_plan(manifest, tmp_path / "plan", {})
    assert [len(shard) for shard in shards_of(plan, tmp_path / "plan")] == sizes


def test_an_unknown_length_counts_as_a_minute(tmp_path):
    known = write_csv(tmp_path / "known.csv", ["path", "duration"], [[f"{i}.wav", 60] for i in range(200)])
    unknown = write_csv(tmp_path / "unknown.csv", ["path"], [[f"{i}.wav"] for i in range(200)])
    first, second = (make_plan(each, tmp_path / Path(each).stem, {}) for each in (known, unknown))
    assert first.shards == second.shards
    assert (first.known_seconds, first.unknown_lengths) == (200 * 60.0, 0)
    assert (second.known_seconds, second.unknown_lengths) == (0.0, 200)


@pytest.mark.parametrize("shard", [-1, 1])
def test_a_shard_that_is_not_in_the_plan(tmp_path, shard):
    plan = make_plan(write_csv(tmp_path / "m.csv", ["path"], [["a.wav"]]), tmp_path, {})
    with pytest.raises(IndexError, match=f"shard {shard} of a plan with 1"):
        read_shard(plan, lambda name: (tmp_path / name).open("rb"), shard)


# Lengths from headers


def headers(locations: Sequence[str]) -> list[float | None]:
    return read_durations(locations, Access())


def test_lengths_come_from_headers_where_the_manifest_has_none(tmp_path):
    for name, seconds in (("a.wav", 2.0), ("b c.wav", 3.0)):
        soundfile.write(tmp_path / name, np.zeros(int(seconds * 8_000), np.float32), 8_000)
    (tmp_path / "broken.wav").write_text("no audio")
    rows = [
        ["a.wav", ""],
        ["b c.wav", 0.5],
        ["b c.wav", 10],
        [tmp_path / "a.wav", 1],
        ["missing.wav", ""],
        ["broken.wav", ""],
    ]
    plan, table = planned(write_csv(tmp_path / "m.csv", ["path", "start"], rows), tmp_path / "plan", probe=headers)
    assert table[LENGTH].to_pylist() == [2.0, 2.5, 0.0, 1.0, None, None]
    assert table["end"].null_count == len(rows)
    assert (plan.known_seconds, plan.unknown_lengths) == (5.5, 2)


def test_a_recording_is_looked_at_once_and_only_when_needed(tmp_path):
    looked_at: list[str] = []

    def look(locations: Sequence[str]) -> list[float]:
        looked_at.extend(locations)
        return [5.0] * len(locations)

    rows = [["a.wav", 1, ""], ["a.wav", 2, ""], ["known.wav", 0, 3], ["/b.wav", 0, ""], ["s3://bucket/c.wav", 0, ""]]
    _, table = planned(write_csv(tmp_path / "m.csv", ["path", "start", "end"], rows), tmp_path / "plan", probe=look)
    assert sorted(looked_at) == sorted([f"{tmp_path}/a.wav", "/b.wav", "s3://bucket/c.wav"])
    assert table[LENGTH].to_pylist() == [4.0, 3.0, 3.0, 5.0, 5.0]


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf")])
def test_a_header_with_nonsense_tells_no_length(tmp_path, nonsense):
    manifest = write_csv(tmp_path / "m.csv", ["path"], [["a.wav"]])
    assert (
        make_plan(
            manifest, tmp_path / "plan", {}, probe=lambda locations: [nonsense for _ in locations]
        ).unknown_lengths
        == 1
    )


# Identity


def test_the_hash_is_what_it_says(tmp_path):
    manifest = write_csv(tmp_path / "m.csv", ["path"], [["a.wav"]])
    plan = make_plan(manifest, tmp_path / "plan", {"model": "m@1", "channel": None})
    content = hashlib.sha256((tmp_path / "m.csv").read_bytes()).hexdigest()
    values = json.loads((tmp_path / "plan" / PLAN_FILE).read_text())
    assert values.pop("hash") == plan.hash
    assert values.pop("manifest") == manifest
    assert values.pop("base") == str(tmp_path)
    assert values.pop("carried")
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    assert plan.hash == hashlib.sha256(canonical.encode()).hexdigest()
    assert plan.manifest_hash == manifest_hash(manifest) == content
    table = hashlib.sha256((tmp_path / "plan/shards-00000.parquet").read_bytes()).hexdigest()
    assert plan.tables_sha256 == hashlib.sha256(f"shards-00000.parquet {table}\n".encode()).hexdigest()


@given(
    options=st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.integers(), st.text(max_size=3)), max_size=3),
    position=st.builds(lambda line, column: 5 + 5 * line + column, st.integers(0, 3), st.integers(0, 2)),
    letter=st.sampled_from("xyz"),
)
def test_a_byte_or_an_option_makes_another_plan(tmp_path_factory, options, position, letter):
    folder = tmp_path_factory.mktemp("identity")
    content = "path\nabc0\nabc1\nabc2\nabc3\n"

    def hash_of(content: str, options: dict[str, object]) -> str:
        (folder / "m.csv").write_text(content)
        return make_plan(str(folder / "m.csv"), folder / "plan", options).hash

    before = hash_of(content, options)
    assert hash_of(content, dict(reversed(options.items()))) == before
    assert hash_of(content, {**options, "another": 1}) != before
    assert hash_of(content[:position] + letter + content[position + 1 :], options) != before


def test_what_headers_say_makes_another_plan(tmp_path):
    manifest = write_csv(tmp_path / "m.csv", ["path"], [[f"{i}.wav"] for i in range(100)])
    one, two = (
        make_plan(manifest, tmp_path / str(seconds), {}, probe=lambda uris, seconds=seconds: [seconds] * len(uris))
        for seconds in (3.0, 30.0)
    )
    assert one.manifest_hash == two.manifest_hash
    assert one.shards != two.shards
    assert one.hash != two.hash


def test_planning_twice_gives_the_same_bytes(tmp_path):
    rows = [[f"{i}.wav", i] for i in range(1_000)]
    manifest = write_csv(tmp_path / "m.csv", ["path", "n"], rows)
    for name in ("one", "two"):
        make_plan(manifest, tmp_path / name, {})
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "two").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_plan_travels(tmp_path):
    plan = make_plan(write_csv(tmp_path / "m.csv", ["path", "n"], [["a.wav", 1]]), tmp_path, {"model": "m@1"})
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert len(pickle.dumps(plan)) < 2_000


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 1, "format is 1, this release reads 2; continue with the release that made it"),
        ("options", {"model": "other"}, "was changed after it was written"),
        ("manifest_hash", "0" * 64, "was changed after it was written"),
    ],
)
def test_a_plan_that_cannot_be_trusted(tmp_path, key, value, message):
    plan = make_plan(write_csv(tmp_path / "m.csv", ["path"], [["a.wav"]]), tmp_path, {"model": "m@1"})
    changed = {**json.loads(plan.to_json()), key: value}
    with pytest.raises(OutputError, match=message):
        Plan.from_json(json.dumps(changed))
