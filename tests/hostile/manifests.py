"""Manifests of every kind that should not exist, and what each ends in."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PLANNED = None
"""The message of a manifest that is fine."""
MIB = 1 << 20


class HostileManifest(NamedTuple):
    """What a user names, and how it ends."""

    name: str
    given: str
    message: str | None
    """A pattern that the refusal matches; `PLANNED` is none."""


def make_hostile_manifests(folder: Path, clip: Path, seed: int) -> list[HostileManifest]:
    """Write all of them below a folder, which exists and is empty."""
    (folder / "files").mkdir()
    files = [
        _written(folder / "files" / f"{name}{suffix}", name, content, message)
        for suffix, kind in ((".csv", _texts(seed)), (".tsv", _tabbed()), (".parquet", _parquets(seed)))
        for name, content, message in kind
    ]
    (folder / "places").mkdir()
    return [*files, *_places(folder / "places", clip)]


def _written(path: Path, name: str, content: bytes, message: str | None) -> HostileManifest:
    path.write_bytes(content)
    return HostileManifest(name, str(path), message)


Kind = Iterator[tuple[str, bytes, str | None]]


def _texts(seed: int) -> Kind:
    not_utf8 = r"is not UTF-8; save the file as UTF-8"
    no_path = r"no column names the audio; found"
    broken = r"line 2: is not valid CSV"
    good = "path,speaker\n" + "".join(f"{n}.wav,Müller\n" for n in range(50))
    yield "field_of_1_mb", b"path,notes\na.wav," + b"x" * MIB + b"\nb.wav,y\n", PLANNED
    yield "path_of_1_mb", b"path\n" + b"x" * MIB + b".wav\n", r"line 2: the uri has 1,048,580 characters"
    yield "field_of_17_mb", b"path,notes\na.wav," + b"x" * 17 * MIB + b"\n", r"no field may have more than 16,777,216"
    yield "number_of_1_mb", b"path,start\na.wav," + b"1" * MIB + b"\n", r"column 'start', value '1+….*is not a number"
    yield "name_of_1_mb", b"path," + b"x" * MIB + b"\na.wav,1\n", PLANNED
    long = b"x" * MIB
    yield "names_of_1_mb_twice", b"path," + long + b"," + long + b"\n", r"column 'x+… appears more than once"
    yield "blanks_of_1_mb_around_a_name", b" " * MIB + b"path\n \n", r"line 2, column ' +…, value ' ': is empty"
    yield "other_names_of_1_mb", (long + b",") * 3 + b"y\n", r"appears more than once"
    yield "another_name_of_1_mb", long + b"\n", r"no column names the audio; found 'x+…; rename"
    yield "ten_thousand_columns", _wide(10_000, "path"), PLANNED
    yield "ten_thousand_columns_without_a_path", _wide(10_000, "other"), rf"{no_path} .* and 9981 more"
    yield "ten_thousand_columns_of_one_name", b"path" + b",x" * 10_000 + b"\n", r"column 'x' appears more than once"
    yield "ten_thousand_empty_names", b"path" + b"," * 10_000 + b"\na.wav" + b"," * 10_000 + b"\n", PLANNED
    yield "zero_bytes", b"path,notes\na\0.wav,\0\n", PLANNED
    yield "only_zero_bytes", bytes(MIB), no_path
    yield "zero_bytes_between_letters", good.encode("utf-16-le"), r"no column names the audio"
    yield "utf_16", good.encode("utf-16"), not_utf8
    yield "utf_32", good.encode("utf-32"), not_utf8
    yield "latin_1", good.encode("latin-1"), not_utf8
    yield "utf_8_with_mark", b"\xef\xbb\xbf" + good.encode(), PLANNED
    yield "two_marks", b"\xef\xbb\xbf" * 2 + good.encode(), no_path
    yield "surrogates", b"path\n\xed\xa0\x80.wav\n", not_utf8
    yield "overlong", b"path\n\xc0\xaf.wav\n", not_utf8
    yield "latin_1_header", "path,Größe\na.wav,1\n".encode("latin-1"), not_utf8
    yield (
        "noise",
        np.random.default_rng(seed).bytes(MIB),
        r"not UTF-8|not valid CSV|no column|more than once",
    )
    yield "empty", b"", r"is empty; the first line must name the columns"
    yield "only_a_mark", b"\xef\xbb\xbf", r"is empty; the first line must name the columns"
    yield "only_newlines", b"\n" * 100_000, r"is empty; the first line must name the columns"
    yield "only_delimiters", b",,,,\n,,,,\n", no_path
    yield "only_a_header", b"path", r"has a header but no rows"
    yield "only_a_quote", b'"', r"line 1: is not valid CSV"
    yield "no_closing_quote", b'path\n"a.wav\n' + b"b.wav\n" * 100_000, broken
    yield "no_closing_quote_in_20_mb", b'path\n"' + b"b.wav\n" * (20 * MIB // 6), broken
    yield "quote_inside", b'path\na"b".wav\n"c"d.wav\n', r"line 3: is not valid CSV"
    yield "carriage_returns", b"path\ra.wav\rb.wav\r", PLANNED
    yield "newlines_in_fields", b'path\n"a\r\nb.wav"\n"c\rd.wav"\n', PLANNED
    yield "too_few_fields", b"path,a,b\na.wav\n", r"line 2: has 1 field where the header has 3"
    yield (
        "too_many_fields",
        b"path\na.wav" + b"," * 100_000 + b"\n",
        r"line 2: has 100001 fields where the",
    )
    yield (
        "hundred_thousand_problems",
        b"path,start\n" + b"a.wav,x\n" * 100_000,
        r"100000 problems:(.|\n)*99980 more",
    )
    yield "one_path_ten_thousand_times", b"path\n" + b"a.wav\n" * 10_000, r"is the same audio as line 2(.|\n)*9979 more"
    yield "numbers_at_the_edge", b"path,start,end\na.wav,1e307,1e308\nb.wav,5e-324,1\n", PLANNED
    yield "numbers_beyond", b"path,start\na.wav,1e400\nb.wav,0x10\nc.wav,1_000\nd.wav,\xd9\xa3\n", r"4 problems"
    yield "channels_beyond", b"path,channel\na.wav,2147483648\nb.wav,-1\nc.wav,0.5\nd.wav,nan\n", r"4 problems"
    yield "minus_nothing", b"path,start,end\na.wav,-0.0,1\n", PLANNED
    yield "our_own_columns", b"path,plan_index,plan_length,label,prob_x,status,error_type\na.wav,1,2,3,4,5,6\n", PLANNED
    yield "our_own_columns_twice", b"path,label,manifest_label\na.wav,1,2\n", r"would be carried as 'manifest_label'"
    yield "two_paths", b"path,file\na.wav,b.wav\n", r"mean the same"
    yield "blank_path", "path,x\n \u00a0\u2003,1\n".encode(), r"column 'path', value .*is empty"
    yield "formula", b"path,x\n=cmd|'/c calc'!A1,@SUM(1)\n", PLANNED
    yield "escapes", b"path\n\x1b[2J\x07.wav\n", PLANNED
    yield "traversal", b"path\n../../../../etc/passwd\n-rf\n--help\n~root/a.wav\nfile:///a.wav\n", PLANNED
    yield "a_parquet_file", _parquet(pa.table({"path": ["a.wav"]})), r"not UTF-8|no column|not valid CSV"


def _tabbed() -> Kind:
    yield "commas", b"path,speaker\na.wav,x\n", r"no column names the audio; found 'path,speaker'"
    yield "tabs_and_quotes", b'path\tnotes\na.wav\t"x\ty"\n', PLANNED


def _parquets(seed: int) -> Kind:
    damaged = r"not a readable Parquet file|cannot be read"
    whole = _parquet(pa.table({"path": [f"{n}.wav" for n in range(100)]}))
    yield "whole", whole, PLANNED
    yield "empty_file", b"", damaged
    yield "only_magic", b"PAR1", damaged
    yield "two_magics", b"PAR1PAR1", damaged
    yield "encrypted_magic", b"PARE" + whole[4:-4] + b"PARE", damaged
    yield "footer_length_0", whole[:-8] + bytes(4) + b"PAR1", damaged
    yield "footer_length_2_32", whole[:-8] + b"\xff" * 4 + b"PAR1", damaged
    yield "half", whole[: len(whole) // 2], damaged
    yield "csv_inside", b"path\na.wav\n", damaged
    yield "noise_inside", b"PAR1" + np.random.default_rng(seed).bytes(MIB) + b"PAR1", damaged
    yield "zeros_for_pages", whole[:4] + bytes(100) + whole[104:], damaged
    wide = pa.table({"path": ["a.wav"], **{f"x{n}": [n] for n in range(10_000)}})
    yield "ten_thousand_typed_columns", _parquet(wide), PLANNED
    yield "no_columns", _parquet(pa.table({})), r"no column names the audio; found none"
    yield "no_rows", _parquet(pa.table({"path": pa.array([], pa.string())})), r"has no rows"
    yield "path_of_nulls", _parquet(pa.table({"path": pa.nulls(5)})), r"column 'path', value None: is empty"
    yield "path_of_lists", _parquet(pa.table({"path": [["a.wav"]]})), r"column 'path' is of type list"
    yield "path_of_bytes", _parquet(pa.table({"path": [b"a.wav", b"M\xfcller.wav"]})), r"'path' is of type binary"
    yield "zero_bytes_typed", _parquet(pa.table({"path": ["a\0.wav"], "x": ["\0"]})), PLANNED
    latin = pa.array([b"M\xfcller.wav"]).view(pa.string())
    yield "latin_1_text", _parquet(pa.table({"path": latin})), r"row 1, column 'path', value b'M\\xfcller.wav': is not"
    # 64 MiB in a file of a few kB.
    bomb = pa.table({"path": ["a.wav", "b.wav"], "notes": ["x" * 64 * MIB, ""]})
    yield "text_of_64_mb", _parquet(bomb), PLANNED
    yield "end_of_time", _parquet(pa.table({"path": ["a.wav"], "x": pa.array([2**62], pa.timestamp("us"))})), PLANNED
    infinite = pa.table({"path": ["a.wav", "b.wav"], "start": [float("inf"), float("nan")]})
    yield "times_without_end", _parquet(infinite), r"2 problems"
    deep = pa.array([1])
    for _ in range(30):
        deep = pa.ListArray.from_arrays([0, len(deep)], deep)
    yield "thirty_lists_in_each_other", _parquet(pa.table({"path": ["a.wav"], "x": deep})), PLANNED


def _places(folder: Path, clip: Path) -> Iterator[HostileManifest]:
    rows = f"path\n{clip}\n"
    for name, file_name in (
        ("newline", "m\n.csv"),
        ("emoji", "😀.csv"),
        ("option", "-rf.csv"),
        ("255_bytes", "m" * 251 + ".csv"),
        ("quotes", "'m' \"m\".csv"),
        ("wildcards", "[m]*?.csv"),
        ("upper_case", "M.CSV"),
    ):
        (folder / file_name).write_text(rows)
        yield HostileManifest(f"named_{name}", str(folder / file_name), PLANNED)
    (folder / "itself.csv").symlink_to("itself.csv")
    (folder / "nothing.csv").symlink_to("no_such.csv")
    (folder / "device.csv").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.csv")
    (folder / "folder.csv").mkdir()
    missing, other = r"no such file", r"is not a regular file|cannot be read"
    yield HostileManifest("link_to_itself", str(folder / "itself.csv"), rf"{other}|{missing}")
    yield HostileManifest("link_to_nothing", str(folder / "nothing.csv"), missing)
    yield HostileManifest("link_to_a_device", str(folder / "device.csv"), other)
    yield HostileManifest("pipe", str(folder / "pipe.csv"), other)
    yield HostileManifest("device", "/dev/zero", r"is not a regular file")
    yield HostileManifest("folder_without_audio", str(folder / "folder.csv"), r"no audio file in it or below")
    yield HostileManifest("zero_byte_in_its_name", str(folder / "a\0b.csv"), r"cannot be read|no such file")
    yield HostileManifest("256_bytes", str(folder / ("m" * 252 + ".csv")), r"is longer than the name of a file can be")
    yield HostileManifest("no_such_user", "~nobody-has-this-name/m.csv", r"there is no user")
    yield HostileManifest("a_recording", str(clip), r"is a recording, not a list of recordings")
    yield HostileManifest("unknown_scheme", "gopher://archive/m.csv", r"gopher")
    yield from _folders(folder / "folders", clip)


def _folders(folder: Path, clip: Path) -> Iterator[HostileManifest]:
    folder.mkdir()
    names = folder / "names"
    names.mkdir()
    for name in ("zeile\n1.flac", "😀.flac", "n" * 250 + ".flac", "-rf.flac", "--help.flac", " a .flac", "a,b;\t.flac"):
        shutil.copy(clip, names / name)
    yield HostileManifest("folder_of_strange_names", str(names), PLANNED)
    yield HostileManifest("folder_up_and_down", f"{names}/../names/", PLANNED)
    yield HostileManifest("glob_of_options", f"{names}/-*", PLANNED)
    yield HostileManifest("glob_of_nothing", f"{names}/[!a", r"no such file|no file matches")
    yield HostileManifest("glob_of_many_depths", f"{names}/{'**/' * 40}*.flac", PLANNED)
    latin = folder / "latin"
    latin.mkdir()
    shutil.copy(clip, latin / "a.flac")
    shutil.copy(clip, os.fsencode(latin) + b"/M\xfcller.flac")
    yield HostileManifest("folder_of_latin_1_names", str(latin), r"value b'M\\xfcller.flac': is not UTF-8; rename")
    yield HostileManifest("glob_of_latin_1_names", f"{latin}/*", r"is not UTF-8; rename the file")
    inside = Path(os.fsdecode(os.fsencode(folder) + b"/M\xfcller"))
    inside.mkdir()
    shutil.copy(clip, inside / "a.flac")
    (inside / "m.csv").write_text("path\na.flac\n")
    for name, given in (("folder", inside), ("file", inside / "m.csv"), ("glob", f"{inside}/*.flac")):
        yield HostileManifest(f"{name}_below_a_latin_1_name", str(given), r"is not UTF-8; rename")
    loops = folder / "loops"
    (loops / "a/b").mkdir(parents=True)
    shutil.copy(clip, loops / "a/b/c.flac")
    (loops / "a/b/up").symlink_to("../..")
    (loops / "a/self").symlink_to(".")
    (loops / "itself").symlink_to("itself")
    (loops / "itself.wav").symlink_to("itself.wav")
    (loops / "there").symlink_to("back")
    (loops / "back").symlink_to("there")
    (loops / "root").symlink_to("/proc/self/root/proc/self/cwd/no-such")
    yield HostileManifest("folder_of_links_in_a_circle", str(loops), PLANNED)
    others = folder / "others"
    others.mkdir()
    os.mkfifo(others / "pipe.wav")
    (others / "device.wav").symlink_to("/dev/zero")
    (others / "folder.wav").mkdir()
    yield HostileManifest("folder_of_pipes_and_devices", str(others), PLANNED)
    deep = folder / "deep"
    for _ in range(400):
        deep.mkdir()
        deep = deep / "d"
    deep.with_name("a.flac").touch()
    yield HostileManifest("folder_400_deep", str(folder / "deep"), PLANNED)


def _wide(count: int, first: str) -> bytes:
    names = ",".join([first, *(f"x{number}" for number in range(count))])
    return (names + "\n" + ",".join(["a.wav", *("1" * count)]) + "\n").encode()


def _parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()
