"""Parquet, folders, globs and places that hold no manifest."""

import datetime
import glob
import hashlib
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emoboost.access import Access
from emoboost.errors import ManifestError
from emoboost.manifest import open_manifest
from emoboost.manifest.source import BATCH_ROWS


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def uris_of(manifest: str | Path, **options) -> list[str]:
    tables = open_manifest(str(manifest), **options).utterances()
    return [uri for table in tables for uri in table["uri"].to_pylist()]


@pytest.fixture
def memory():
    """An object store's interface without a store."""
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.rm("/archive", recursive=True)


# Parquet


def parquet(folder: Path, columns: dict, **options) -> str:
    file = folder / "calls.parquet"
    pq.write_table(pa.table(columns), file, **options)
    return str(file)


def test_parquet_keeps_types_of_carried_columns(tmp_path):
    carried = {
        "code": pa.array(["007"]),
        "when": pa.array([datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)], pa.timestamp("us", "Europe/Berlin")),
        "cost": pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
        "speaker": pa.array(["s1"]).dictionary_encode(),
        "turns": pa.array([[{"who": "a", "words": [1, 2]}]]),
        "raw": pa.array([b"\x00\xff"]),
        "nothing": pa.nulls(1),
    }
    manifest = open_manifest(parquet(tmp_path, {"path": ["a.wav"], **carried}))
    (table,) = manifest.utterances()
    for name, column in carried.items():
        assert table[name].type == column.type
        assert table[name].to_pylist() == column.to_pylist()


@pytest.mark.parametrize(
    ("start", "channel"),
    [
        (pa.array([1, None], pa.int16()), pa.array([1, None], pa.uint8())),
        (pa.array([1.0, None], pa.float32()), pa.array([1.0, None])),
        (pa.array([Decimal("1.00"), None]), pa.array(["1", None])),
        (pa.array(["1", ""]), pa.array(["1", ""]).dictionary_encode()),
        (pa.array(["1", None], pa.large_string()), pa.array(["1", "mix"], pa.string_view())),
    ],
)
def test_parquet_numbers_of_any_type(tmp_path, start, channel):
    manifest = parquet(
        tmp_path, {"path": ["a.wav", "b.wav"], "start": start, "channel": channel, "utterance_id": [7, 8]}
    )
    (table,) = open_manifest(manifest).utterances()
    assert table["start"].to_pylist() == [1.0, 0.0]
    assert table["channel"].to_pylist() == [1, None]
    assert table["utterance_id"].to_pylist() == ["7", "8"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a.wav", None]}, "calls.parquet, row 2, column 'path', value None: is empty"),
        ({"path": ["a.wav"], "start": [float("nan")]}, "row 1, column 'start', value nan: is not a number"),
        ({"path": ["a.wav"], "start": [float("inf")]}, "row 1, column 'start', value inf: is not a number"),
        ({"path": ["a.wav"], "channel": [-1]}, "row 1, column 'channel', value -1: is not a channel"),
        ({"path": ["a.wav"], "start": [True]}, "calls.parquet: column 'start' is of type bool; write it as a number"),
        ({"path": [["a.wav"]]}, "column 'path' is of type list.* and is no text"),
        (
            {"path": ["a", "b"], "utterance_id": [7, 7]},
            "row 2, column 'utterance_id', value '7': is also the id in row 1",
        ),
        ({"path": pa.array([], pa.string())}, "calls.parquet: has no rows"),
        ({"audio": [b""]}, "no column names the audio; found 'audio'"),
    ],
)
def test_what_is_wrong_with_parquet(tmp_path, columns, message):
    with pytest.raises(ManifestError, match=message):
        uris_of(parquet(tmp_path, columns))


def test_row_groups_do_not_matter(tmp_path):
    names = [f"{i}.wav" for i in range(BATCH_ROWS + 5)]
    for size in (7, BATCH_ROWS + 1, len(names)):
        assert uris_of(parquet(tmp_path, {"path": names}, row_group_size=size)) == names
    for limit in (1, BATCH_ROWS, BATCH_ROWS + 1, 10 * BATCH_ROWS):
        assert uris_of(tmp_path / "calls.parquet", limit=limit) == names[:limit]


def test_a_damaged_parquet_file(tmp_path):
    file = Path(parquet(tmp_path, {"path": ["a.wav"]}))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ManifestError, match=r"calls\.parquet: not a readable Parquet file .*write it again"):
        uris_of(file)


LATIN_1 = pa.array([b"a.wav", b"M\xfcller.wav", b"b.wav"]).view(pa.string())


@pytest.mark.parametrize("column", ["path", "utterance_id", "start", "speaker"])
@pytest.mark.parametrize("numbered", [False, True])
def test_parquet_with_text_that_is_not_utf8(tmp_path, column, numbered):
    values = LATIN_1.dictionary_encode() if numbered else LATIN_1
    manifest = parquet(tmp_path, {"path": ["a.wav", "b.wav", "c.wav"], column: values})
    message = rf"calls\.parquet, row 2, column '{column}', value b'M\\xfcller\.wav': is not UTF-8; write the column"
    with pytest.raises(ManifestError, match=message):
        uris_of(manifest)


def test_parquet_with_nested_text_that_is_not_utf8(tmp_path):
    facts = pa.StructArray.from_arrays([LATIN_1], ["name"])
    with pytest.raises(
        ManifestError, match=r"calls\.parquet: column 'facts' cannot be read \(.*UTF8.*\); write it again"
    ):
        uris_of(parquet(tmp_path, {"path": ["a.wav", "b.wav", "c.wav"], "facts": facts}))


def test_parquet_with_a_name_that_is_not_utf8(tmp_path):
    file = Path(parquet(tmp_path, {"path": ["a.wav"], "Geraet": ["x"]}))
    file.write_bytes(file.read_bytes().replace(b"Geraet", b"Ger\xe4t "))
    with pytest.raises(ManifestError, match=r"not a readable Parquet file \(.*decode byte 0xe4.*\); write it again"):
        uris_of(file)


# Folders and globs

ARCHIVE = ("b.wav", "a/2.flac", "a/1.MP3", "a.wav", "a0.ogg", "a/deep/er/x.opus", "ü/ß.wav", "z z.aiff")
NOT_AUDIO = ("a/notes.txt", "metadata.csv", ".hidden/c.wav", "a/._1.wav", "wav")


def test_a_folder_gives_its_audio_sorted_by_path(tmp_path):
    touch(tmp_path, *ARCHIVE, *NOT_AUDIO)
    assert uris_of(tmp_path) == sorted(ARCHIVE)
    assert uris_of(f"{tmp_path}/") == sorted(ARCHIVE)
    assert uris_of(tmp_path, limit=3) == sorted(ARCHIVE)[:3]
    assert open_manifest(str(tmp_path)).source.base == str(tmp_path)


@pytest.mark.parametrize(
    "pattern", ["*.wav", "a/*", "**/*.wav", "**", "a/**/*", "[ab]*/?.*", "**/er/*", "./a*", "a/**"]
)
def test_globs_are_those_of_the_standard_library(tmp_path, monkeypatch, pattern):
    touch(tmp_path, *ARCHIVE, *NOT_AUDIO)
    monkeypatch.chdir(tmp_path)
    for each in (pattern, f"{tmp_path}/{pattern}"):
        expected = sorted(path for path in glob.glob(each, recursive=True) if Path(path).is_file())  # noqa: PTH207
        assert uris_of(each) == expected
        assert expected
    assert open_manifest(pattern).source.base == str(tmp_path)


def test_a_name_with_wildcards_that_exists_is_no_glob(tmp_path):
    touch(tmp_path, "[1]/a.wav")
    assert uris_of(tmp_path / "[1]") == ["a.wav"]


def test_links_are_followed_and_loops_entered_once(tmp_path):
    touch(tmp_path, "archive/a.wav", "elsewhere/b.wav")
    (tmp_path / "archive/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "archive/loop").symlink_to(tmp_path / "archive")
    assert uris_of(tmp_path / "archive") == ["a.wav", "linked/b.wav"]


def test_names_outside_of_the_root_are_not_listed(tmp_path, monkeypatch):
    touch(tmp_path, "archive/in/a.wav", "archive/b.wav", "elsewhere/secret.wav", "elsewhere/deep/secret2.wav")
    for link, target in (("linked", "elsewhere"), ("in/up", "elsewhere/deep"), ("inside", "archive/in"), ("l", "")):
        (tmp_path / "archive" / link).symlink_to(tmp_path / target)
    (tmp_path / "archive/c.wav").symlink_to(tmp_path / "elsewhere/secret.wav")
    access = Access(root=str(tmp_path / "archive"))
    inside = ["b.wav", "c.wav", "in/a.wav", "inside/a.wav"]
    assert [uri for uri in uris_of(tmp_path / "archive", access=access) if not uri.startswith("l/")] == inside
    monkeypatch.chdir(tmp_path)
    for pattern in ("archive/**/*.wav", "**/*.wav", "file://" + str(tmp_path / "archive/**/*.wav")):
        listed = uris_of(pattern, access=access)
        assert listed
        assert not [uri for uri in listed if "secret" in uri or "elsewhere" in uri]
    assert open_manifest("archive", access=access).source.digest() != open_manifest("archive").source.digest()


@pytest.mark.parametrize("manifest", ["elsewhere", "elsewhere/*.wav", "archive/linked", "archive/linked/*", "arch/*"])
def test_a_listing_outside_of_the_root_is_refused(tmp_path, monkeypatch, manifest):
    touch(tmp_path, "archive/a.wav", "elsewhere/secret.wav", "arch/secret.wav")
    (tmp_path / "archive/linked").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=r": lies outside of --root .*archive; give a folder in it") as caught:
        uris_of(manifest, access=Access(root=str(tmp_path / "archive")))
    assert "secret" not in str(caught.value)


def test_links_in_a_circle_are_files(tmp_path):
    touch(tmp_path, "a.wav")
    for name in ("loop", "loop.wav"):
        (tmp_path / name).symlink_to(name)
    assert uris_of(tmp_path) == ["a.wav", "loop.wav"]


def test_a_folder_deeper_than_python_can_recurse(tmp_path):
    folder = tmp_path / "deep"
    try:
        for _ in range(1_500):
            folder.mkdir()
            folder = folder / "d"
        folder.with_name("a.wav").touch()
        assert uris_of(tmp_path) == ["deep/" + "d/" * 1_499 + "a.wav"]
    finally:
        # What pytest removes old folders with recurses.
        subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)


@pytest.mark.timeout(20)
def test_a_pattern_of_many_depths_takes_no_longer(tmp_path):
    touch(tmp_path, "a/" * 25 + "a.wav")
    assert uris_of(f"{tmp_path}/{'**/' * 25}a.wav") == [f"{tmp_path}/{'a/' * 25}a.wav"]
    with pytest.raises(ManifestError, match="no file matches"):
        uris_of(f"{tmp_path}/{'**/' * 25}b.wav")


def test_the_hash_of_a_folder_is_that_of_its_listing(tmp_path):
    touch(tmp_path, *ARCHIVE)
    listing = "".join(f"{name}\0" for name in sorted(ARCHIVE))
    before = open_manifest(str(tmp_path)).source.digest()
    assert before == hashlib.sha256(listing.encode()).hexdigest()
    touch(tmp_path, "notes.txt")
    assert open_manifest(str(tmp_path)).source.digest() == before
    touch(tmp_path, "c.wav")
    assert open_manifest(str(tmp_path)).source.digest() != before


def test_a_file_name_that_is_not_utf8(tmp_path):
    touch(tmp_path, "a.wav")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.wav")).touch()
    with pytest.raises(ManifestError, match=r"file 1, column 'path', value b'M\\xfcller.wav': is not UTF-8; rename"):
        uris_of(tmp_path)


def test_a_folder_whose_name_is_not_utf8(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller"))
    touch(folder, "a.wav")
    (folder / "m.csv").write_text("path\na.wav\n")
    for manifest in (folder, folder / "m.csv", f"{folder}/*.wav"):
        with pytest.raises(ManifestError, match=r"M\\xfcller.*: is not UTF-8; rename the folder or the file"):
            uris_of(manifest)


def test_a_name_that_begins_like_a_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~calls.csv").write_text("path\na.wav\n")
    assert uris_of("~calls.csv") == ["a.wav"]


# Other file systems


def test_a_manifest_behind_a_url(memory):
    memory.pipe("/archive/m.csv", b"path\na.wav\n")
    manifest = open_manifest("memory://archive/m.csv")
    assert manifest.source.base == "memory://archive"
    assert uris_of("memory://archive/m.csv") == ["a.wav"]
    assert manifest.source.digest() == hashlib.sha256(b"path\na.wav\n").hexdigest()


def test_parquet_behind_a_url(memory):
    with memory.open("/archive/m.parquet", "wb") as file:
        pq.write_table(pa.table({"path": ["a.wav"]}), file)
    assert uris_of("memory://archive/m.parquet") == ["a.wav"]


def test_a_folder_and_a_glob_behind_a_url(memory):
    for name in ARCHIVE:
        memory.pipe(f"/archive/{name}", b"")
    assert uris_of("memory://archive") == sorted(ARCHIVE)
    assert open_manifest("memory://archive/").source.base == "memory://archive"
    assert uris_of("memory://archive/a/*") == ["memory://archive/a/1.MP3", "memory://archive/a/2.flac"]
    assert uris_of("memory://archive/**/*.opus") == ["memory://archive/a/deep/er/x.opus"]


def test_a_file_url_is_local(tmp_path):
    (tmp_path / "m.csv").write_text("path\na.wav\n")
    assert uris_of(f"file://{tmp_path}/m.csv") == ["a.wav"]


# No manifest


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.csv", "missing.csv: no such file: {root}/missing.csv"),
        ("missing/m.csv", "no such file: {root}/missing/m.csv"),
        ("clip.wav/m.csv", "no such file: {root}/clip.wav/m.csv"),
        ("clip.wav", "clip.wav: is a recording.*emoboost-batch predict clip.wav"),
        ("list.xlsx", "its ending '.xlsx' is none that is known; give one of: CSV .*Parquet .*folder .*glob"),
        ("empty", "empty: no audio file in it or below; looked for .wav .*"),
        ("*.opus", "no file matches; put the pattern in quotes"),
        ("missing/*.wav", "no such folder: {root}/missing"),
        ("pipe.csv", "is not a regular file; write the manifest to a file first"),
        ("nosuch://bucket/m.csv", "nosuch://bucket/m.csv: cannot be read .*nosuch"),
        ("memory://nowhere/m.csv", "no such file: /nowhere/m.csv"),
    ],
)
def test_places_without_a_manifest(tmp_path, monkeypatch, given, message):
    touch(tmp_path, "clip.wav", "list.xlsx", "empty/notes.txt")
    os.mkfifo(tmp_path / "pipe.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=message.format(root=tmp_path)):
        uris_of(given)


def test_a_manifest_that_is_a_text_file_in_disguise(tmp_path):
    (tmp_path / "m.parquet").write_text("path\na.wav\n")
    with pytest.raises(ManifestError, match=r"m\.parquet: not a readable Parquet file"):
        uris_of(tmp_path / "m.parquet")
