"""Rows, columns and messages of a manifest. Kinds other than CSV are in test_manifest_kinds.py."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emoboost.errors import ManifestError
from emoboost.manifest import open_manifest
from emoboost.manifest.column_types import TextTypes, is_float_text, is_integer_text, typed
from emoboost.manifest.columns import LENGTH, recognise
from emoboost.manifest.identifiers import SeenIds, derived_id, suspicious
from emoboost.manifest.source import BATCH_ROWS


def write(folder: Path, content: str | bytes, name: str = "calls.csv") -> str:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def rows_of(manifest: str, **options) -> list[dict]:
    return pa.concat_tables(open_manifest(manifest, **options).utterances()).to_pylist()


def message_of(manifest: str, **options) -> str:
    with pytest.raises(ManifestError) as caught:
        rows_of(manifest, **options)
    return str(caught.value)


# CSV as text: pandas is the reference

NAMES = ["path", "speaker", "note, with comma", 'say "hi"', "größe"]
FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(
    values=st.lists(st.tuples(*[FIELDS] * len(NAMES)), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_csv_is_read_as_pandas_reads_it(tmp_path_factory, values, quoting, newline, mark):
    # Python's writer leaves a lone carriage return unquoted, which no reader takes for part of a field.
    assume(quoting == csv.QUOTE_ALL or newline == "\r\n" or not any("\r" in field for row in values for field in row))
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=newline)
    writer.writerow(NAMES)
    writer.writerows([(f"{i}/{fields[0]}.wav", *fields[1:]) for i, fields in enumerate(values)])
    file = write(tmp_path_factory.mktemp("csv"), mark + text.getvalue().encode())
    expected = pd.read_csv(file, dtype=str, keep_default_na=False)
    found = pa.concat_tables(open_manifest(file).utterances())
    assert found["uri"].to_pylist() == list(expected["path"])
    for name in NAMES[1:]:
        assert found[name].to_pylist() == list(expected[name])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comma.csv", 'path,note\na.wav,"x; y"\n'),
        ("semicolon.csv", 'path;note\na.wav;"x; y"\n'),
        ("tab.csv", "path\tnote\na.wav\tx; y\n"),
        ("tab.tsv", "path\tnote\na.wav\tx; y\n"),
        ("upper.CSV", "path,note\na.wav,x; y\n"),
        ("blank_lines.csv", "\n\npath,note\n\na.wav,x; y\n\n"),
        ("no_last_newline.csv", "path,note\na.wav,x; y"),
        ("old_mac.csv", "path,note\ra.wav,x; y\r"),
        ("mark.csv", "\ufeffpath,note\na.wav,x; y\n"),
        ("quoted_header.csv", '"path","note"\n"a.wav","x; y"\n'),
    ],
)
def test_spellings_of_one_row(tmp_path, name, content):
    (row,) = rows_of(write(tmp_path, content, name))
    assert (row["uri"], row["note"]) == ("a.wav", "x; y")


def test_a_semicolon_inside_a_comma_header_is_not_a_delimiter(tmp_path):
    (row,) = rows_of(write(tmp_path, "path,a;b\nx.wav,1\n"))
    assert row["a;b"] == "1"


def test_a_column_without_a_name_is_called_by_its_number(tmp_path):
    (row,) = rows_of(write(tmp_path, ",path\n0,a.wav\n"))
    assert row["column_1"] == "0"


def test_more_rows_than_one_batch_stay_in_order(tmp_path):
    names = [f"{i}.wav" for i in range(2 * BATCH_ROWS + 3)]
    assert [row["uri"] for row in rows_of(write(tmp_path, "\n".join(["path", *names])))] == names


# What columns mean


@pytest.mark.parametrize("name", ["path", "uri", "file", "audio_filepath", "file_name", "Path", " FILE "])
def test_accepted_names_of_the_path_column(tmp_path, name):
    (row,) = rows_of(write(tmp_path, f"{name},x\na.wav,1\n"))
    assert (row["uri"], row["x"]) == ("a.wav", "1")


def test_an_exact_name_wins_over_another_case():
    columns = recognise(["Path", "path"], "m.csv", lambda name: False)
    assert (columns.uri, dict(columns.carried)) == ("path", {"Path": "Path"})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "speaker,text",
            r"no column names the audio; found 'speaker', 'text'; rename .* path, uri, file, .* or file_name",
        ),
        ("path,uri", "columns 'path' and 'uri' mean the same"),
        ("Path,URI", "columns 'Path' and 'URI' mean the same"),
        ("path,start,offset", "columns 'start' and 'offset' mean the same"),
        ("path,x,x", "column 'x' appears more than once"),
        (
            "path,label,manifest_label",
            "'label' would be carried as 'manifest_label'.*there is a column 'manifest_label'",
        ),
    ],
)
def test_headers_that_cannot_be_understood(tmp_path, header, message):
    with pytest.raises(ManifestError, match=message):
        open_manifest(write(tmp_path, header + "\n"), reserved=lambda name: name == "label")


def test_reserved_names_are_renamed_and_reported(tmp_path):
    manifest = open_manifest(
        write(tmp_path, "path,label,prob_joy,speaker\na.wav,joy,0.5,s1\n"),
        reserved=lambda name: name == "label" or name.startswith("prob_"),
    )
    (row,) = pa.concat_tables(manifest.utterances()).to_pylist()
    assert (row["manifest_label"], row["manifest_prob_joy"], row["speaker"]) == ("joy", "0.5", "s1")
    assert manifest.columns.renames == {"label": "manifest_label", "prob_joy": "manifest_prob_joy"}


@pytest.mark.parametrize(
    ("header", "fields", "start", "end", "length"),
    [
        ("path", "", 0.0, None, None),
        ("path,start,end", ",1.5,4", 1.5, 4.0, 2.5),
        ("path,start,end", ",,4", 0.0, 4.0, 4.0),
        ("path,start,end", ",1.5,", 1.5, None, None),
        ("path,offset,duration", ",1.5,4", 1.5, 5.5, 4.0),
        ("path,offset,duration", ",,4", 0.0, 4.0, 4.0),
        ("path,offset,duration", ",1.5,", 1.5, None, None),
        ("path,start,duration", ",1.5,4", 1.5, 5.5, 4.0),
        ("path,duration", ",4", 0.0, None, 4.0),
        ("path,duration,end", ",9,4", 0.0, 4.0, 4.0),
        ("path,start,end,duration", ",1,3,9", 1.0, 3.0, 2.0),
        ("path,Start,End", ", 1.5 , +4e0 ", 1.5, 4.0, 2.5),
        ("path,start", ",-0.0", 0.0, None, None),
    ],
)
def test_spans(tmp_path, header, fields, start, end, length):
    (row,) = rows_of(write(tmp_path, f"{header}\na.wav{fields}\n"))
    assert (row["start"], row["end"], row[LENGTH]) == (start, end, length)
    assert "-" not in str(row["start"])
    assert "duration" not in row


@pytest.mark.parametrize(
    ("text", "default", "channel"),
    [("0", None, 0), ("1", 0, 1), ("1.0", None, 1), ("", 3, 3), ("", None, None), ("mix", 3, None), (" Mix ", 3, None)],
)
def test_channels(tmp_path, text, default, channel):
    (row,) = rows_of(write(tmp_path, f"path,channel\na.wav,{text}\n"), default_channel=default)
    assert row["channel"] == channel


def test_the_default_channel_counts_without_a_column(tmp_path):
    assert [row["channel"] for row in rows_of(write(tmp_path, "path\na.wav\n"), default_channel=1)] == [1]


# Ids


def test_given_ids_are_kept_and_missing_ones_derived(tmp_path):
    rows = rows_of(write(tmp_path, "path,utterance_id,start\nx/a.b.wav,one,\nx/a.b.wav,,\nx/a.b.wav, ,2\n"))
    assert [row["utterance_id"] for row in rows] == [
        "one",
        derived_id("x/a.b.wav", None, 0.0, None),
        derived_id("x/a.b.wav", None, 2.0, None),
    ]
    assert all(row["utterance_id"].startswith("a.b-") for row in rows[1:])


def test_derived_ids_never_change_between_releases():
    assert derived_id("calls/7.wav", None, 0.0, None) == "7-5fda93ee380601e9"


def test_derived_ids_differ_by_audio_channel_and_span():
    variants = [("a.wav", None, 0.0, None), ("b/a.wav", None, 0.0, None), ("a.wav", 0, 0.0, None)]
    variants += [("a.wav", None, 1.0, None), ("a.wav", None, 0.0, 1.0)]
    ids = [derived_id(*variant) for variant in variants]
    assert len(set(ids)) == len(ids)
    assert ids == [derived_id(*variant) for variant in variants]


def test_long_fields(tmp_path):
    note = "x" * 1_000_000
    file = write(tmp_path, f'path,note,quoted\na.wav,{note},"{note}\n"\n')
    (row,) = rows_of(file)
    assert (row["note"], row["quoted"]) == (note, note + "\n")


def test_repeated_ids_name_both_lines(tmp_path):
    text = message_of(write(tmp_path, 'path,utterance_id,note\na.wav,x,"two\nlines"\nb.wav,y,\nc.wav,x,\nd.wav,x,\n'))
    assert "2 problems" in text
    assert "calls.csv, line 5, column 'utterance_id', value 'x': is also the id in line 2; change one of them" in text
    assert "calls.csv, line 6, column 'utterance_id', value 'x': is also the id in line 2" in text


def test_the_same_span_twice_without_ids(tmp_path):
    text = message_of(write(tmp_path, "path,start\na.wav,1\na.wav,2\na.wav,1.0\n"))
    assert "line 4, column 'path', value 'a.wav': is the same audio as line 2; remove one of the two" in text


def test_a_manifest_appended_to_itself_shows_the_first_repetitions(tmp_path):
    names = [f"{i}.wav" for i in range(3 * BATCH_ROWS)]
    text = message_of(write(tmp_path, "\n".join(["path", *names, *names])))
    lines = text.splitlines()
    assert f"{len(names)} problems" in lines[0]
    assert f"line {len(names) + 2}, " in lines[1]
    assert "line 2;" in lines[1]
    assert lines[21].strip() == f"and {len(names) - 20} more"


def test_equal_hashes_of_different_ids_are_no_repetition(tmp_path):
    manifest = open_manifest(write(tmp_path, "path,utterance_id\na.wav,x\nb.wav,y\nc.wav,x\n"))
    everything_suspected = np.sort(np.array([hash("x"), hash("y")]))
    repeated = list(manifest._repeated(everything_suspected))
    assert [(problem.position, problem.value) for problem in repeated] == [(4, "x")]


@given(st.lists(st.text(max_size=2), max_size=60))
def test_suspects_are_the_ids_that_come_again(ids):
    seen = SeenIds()
    seen.add(ids[:10])
    seen.add(ids[10:])
    suspects, repeats = seen.suspects()
    assert repeats == len(ids) - len(set(ids))
    if repeats:
        expected = [i for i, each in enumerate(ids) if ids.count(each) > 1]
        assert suspicious(ids, suspects).tolist() == expected


# What is wrong with rows


@pytest.mark.parametrize(
    ("header", "fields", "message"),
    [
        ("path,x", ",1", "column 'path', value '': is empty; give the path"),
        ("path,x", "  ,1", "column 'path', value '  ': is empty"),
        ("path,start", "a.wav,-1", "column 'start', value '-1': is negative; give seconds"),
        ("path,offset", "a.wav,soon", "column 'offset', value 'soon': is not a number"),
        (
            "path,start",
            'a.wav,"1,5"',
            "column 'start', value '1,5': is not a number; give seconds with a decimal point",
        ),
        ("path,end", "a.wav,00:01:30", "column 'end', value '00:01:30': is not a number"),
        ("path,end", "a.wav,nan", "column 'end', value 'nan': is not a number"),
        ("path,end", "a.wav,inf", "column 'end', value 'inf': is not a number"),
        ("path,end", "a.wav,1e999", "column 'end', value '1e999': is not a number"),
        ("path,duration", "a.wav,-2", "column 'duration', value '-2': is negative"),
        ("path,duration", "a.wav,1_0", "column 'duration', value '1_0': is not a number"),
        ("path,start,end", "a.wav,3,2", "column 'end', value '2': leaves nothing to label"),
        ("path,start,end", "a.wav,3,3", "column 'end', value '3': leaves nothing to label"),
        ("path,end", "a.wav,0", "column 'end', value '0': leaves nothing to label"),
        ("path,start,duration", "a.wav,3,0", "column 'duration', value '0': leaves nothing to label"),
        ("path,channel", "a.wav,-1", "column 'channel', value '-1': is not a channel; give a whole number"),
        ("path,channel", "a.wav,0.5", "column 'channel', value '0.5': is not a channel"),
        ("path,channel", "a.wav,left", "column 'channel', value 'left': is not a channel"),
        ("path,channel", "a.wav,4294967296", "column 'channel', value '4294967296': is not a channel"),
        ("path,x", "a.wav", "has 1 field where the header has 2; add a delimiter"),
        ("path,x", "a.wav,1,2", "has 3 fields where the header has 2; quote a field"),
    ],
)
def test_problems_name_line_column_value_and_fix(tmp_path, header, fields, message):
    text = message_of(write(tmp_path, f"{header}\nfirst.wav{',' * header.count(',')}\n{fields}\n"))
    assert f"calls.csv, line 3, {message}".replace("line 3, has", "line 3: has") in text
    assert "cannot be used; 1 problem:" in text


def test_lines_are_physical_lines(tmp_path):
    text = message_of(write(tmp_path, 'path,start,note\r\n\r\na.wav,1,"x\r\ny\r\nz"\r\nb.wav,-1,\r\n'))
    assert "line 6, column 'start'" in text


def test_twenty_problems_are_shown_in_order_and_the_rest_counted(tmp_path):
    fields = ["a.wav,-1" if i % 2 else ",1" for i in range(2 * BATCH_ROWS)]
    lines = message_of(write(tmp_path, "\n".join(["path,start", *fields]))).splitlines()
    assert f"{2 * BATCH_ROWS} problems" in lines[0]
    assert [f"line {i + 2}," in line for i, line in enumerate(lines[1:21])] == [True] * 20
    assert lines[21:] == [f"  and {2 * BATCH_ROWS - 20} more"]


def test_rows_problems_and_repetitions_come_together(tmp_path):
    text = message_of(write(tmp_path, "path,utterance_id,start\na.wav,x,-1\nb.wav,y,0\nc.wav,y,0\nd.wav,x,0\n"))
    assert "2 problems" in text
    assert "line 2, column 'start'" in text
    assert "line 4, column 'utterance_id'" in text


def test_bytes_that_are_not_utf8(tmp_path):
    text = message_of(write(tmp_path, "path,speaker\na.wav,Müller\nb.wav,x\nMüller.wav,y\n".encode("latin-1")))
    assert r"line 2, column 'speaker', value b'M\xfcller': is not UTF-8; save the file as UTF-8" in text
    assert r"line 4, column 'path', value b'M\xfcller.wav'" in text


def test_a_header_that_is_not_utf8(tmp_path):
    assert "line 1: is not UTF-8" in message_of(write(tmp_path, "path,größe\na.wav,1\n".encode("latin-1")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('path,note\na.wav,"open\nb.wav,x\n', "line 2: is not valid CSV .*no closing"),
        ('path,note\na.wav,"one" two\n', "line 2: is not valid CSV .*must be doubled"),
        ('path,note\na.wav,"' + "x" * 17_000_000, "line 2: is not valid CSV .*no field may have more than 16,777,216"),
        ("path,note\n", "has a header but no rows"),
        ("", "is empty; the first line must name the columns"),
        ('"path', "line 1: is not valid CSV"),
    ],
)
def test_files_that_are_not_csv(tmp_path, content, message):
    with pytest.raises(ManifestError, match=message):
        rows_of(write(tmp_path, content))


def test_long_values_are_shortened(tmp_path):
    text = message_of(write(tmp_path, f"path,start\na.wav,{'x' * 1_000}\n"))
    assert "xxx…: is not a number" in text
    assert len(text.replace(str(tmp_path), "")) < 300


def test_only_the_rows_within_the_limit_are_checked(tmp_path):
    manifest = write(tmp_path, "path,start\na.wav,1\n\nb.wav,2\nc.wav,-1\nd\n")
    assert [row["uri"] for row in rows_of(manifest, limit=2)] == ["a.wav", "b.wav"]
    assert "1 problem:" in message_of(manifest, limit=3)
    assert "2 problems:" in message_of(manifest)


# Types of text columns


@given(st.integers(-(2**70), 2**70))
def test_every_int64_is_integer_text(value):
    assert is_integer_text(str(value)) == (-(2**63) <= value < 2**63)


@given(st.floats())
def test_every_finite_float_is_float_text(value):
    assert is_float_text(repr(value)) == np.isfinite(value)


@pytest.mark.parametrize(
    "text", ["007", "1e3", "+1", "1.50", "nan", "inf", "-0", " 1", "1 ", "1_0", "٣", "0x1f", ".5", "1.", "1,5", "True"]
)
def test_other_texts_stay_text(text):
    assert not is_integer_text(text)
    assert not is_float_text(text)


def type_of(*batches: list[str]) -> pa.DataType:
    types = TextTypes(["x"])
    for values in batches:
        types.see(pa.table({"x": pa.array(values, pa.string())}))
    return types.of("x")


@pytest.mark.parametrize(
    ("batches", "kind"),
    [
        ([["1", "-2"], ["", "3"]], pa.int64()),
        ([["1.5", ""], ["0.25"]], pa.float64()),
        ([["1", "2.5"]], pa.string()),
        ([["1"], ["2.5"]], pa.string()),
        ([["1"] * 3, ["007"]], pa.string()),
        ([["", ""]], pa.string()),
        ([[""], ["5"]], pa.int64()),
        ([["007"], ["1"]], pa.string()),
        ([], pa.string()),
    ],
)
def test_a_type_holds_for_every_value(batches, kind):
    assert type_of(*batches) == kind


TEXTS = st.one_of(st.integers(-(2**64), 2**64).map(str), st.floats().map(repr), st.text(max_size=3), st.just(""))


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_typed_columns_print_the_same_text(values):
    kind = type_of(values)
    table = typed(pa.table({"x": pa.array(values, pa.string())}), pa.schema([("x", kind)]))
    back = ["" if value is None else str(value) for value in table["x"].to_pylist()]
    assert back == values
    assert table["x"].null_count == (0 if kind == pa.string() else values.count(""))
