"""Samples: what is drawn, from which strata, with which weight, and what a reviewer gets to see and hear."""

import csv
import json
import shutil
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr
from click.testing import Result
from crafted import CLASSES, confident, crafted, spans, table
from hypothesis import given
from hypothesis import strategies as st
from reading import CLIP, written
from typer.testing import CliRunner

from emoboost.access import Access
from emoboost.errors import OutputError, UsageError
from emoboost.ledger import Ledger
from emoboost.review import BANDS, Strata, allocation, draw
from jobs.cli import app
from jobs.sample import SampleOptions, sample_command

Said = dict[str, list[float] | None]


def said_of(rows: list[dict[str, Any]], seed: int = 0) -> Said:
    """Labels of every kind: one frequent, one rare, confidences that occur once and such that occur often, errors."""
    random = np.random.default_rng(seed)
    labels = random.choice(CLASSES, len(rows), p=[0.6, 0.3, 0.02, 0.08])
    levels = np.where(random.random(len(rows)) < 0.2, 1.0, random.uniform(0.4, 1.0, len(rows)))
    return {
        row["utterance_id"]: confident(label, level) if random.random() > 0.05 else None
        for row, label, level in zip(rows, labels, levels, strict=True)
    }


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Ledger:
    """600 rows in many shards; not to be changed."""
    rows = spans(clips, 600)
    return crafted(tmp_path_factory.mktemp("sample"), rows, said_of(rows))


def ok_rows(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """By id, read as a user reads them."""
    rows = pq.read_table(f"{ledger.folder.path()}/labels").to_pylist()
    return {row["utterance_id"]: row for row in rows if row["status"] == "ok"}


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["sample", *map(str, words)])


class TestStrata:
    def test_bands_are_quarters_of_a_label(self) -> None:
        """Against a plain loop over sorted values."""
        values = np.random.default_rng(1).random(103).astype(np.float32)
        found = Strata.of({"anger": values}, rows=100)
        ordered = sorted(values.tolist())
        assert [stratum.band for stratum in found.strata] == [1, 2, 3, 4]
        assert [stratum.rows for stratum in found.strata] == [25, 26, 26, 26]
        first = 0
        for stratum in found.strata:
            inside = ordered[first : first + stratum.rows]
            assert (stratum.lowest, stratum.highest) == (inside[0], inside[-1])
            first += stratum.rows

    @given(
        st.dictionaries(
            st.sampled_from(CLASSES),
            st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32), min_size=1, max_size=40),
            min_size=1,
        ),
        st.integers(4, 100),
    )
    def test_every_row_is_in_the_stratum_that_counts_it(self, confidences: dict[str, list[float]], rows: int) -> None:
        found = Strata.of(confidences, rows)
        assert len(found.strata) <= min(rows, BANDS * len(confidences))
        pairs = [(label, value) for label, values in confidences.items() for value in values]
        numbers = found.numbers([label for label, _ in pairs], [value for _, value in pairs])
        counted = Counter(numbers)
        for number, stratum in enumerate(found.strata):
            assert counted[number] == stratum.rows > 0
        for (label, value), number in zip(pairs, numbers, strict=True):
            assert number is not None
            stratum = found.strata[number]
            assert stratum.label == label
            assert stratum.lowest <= value <= stratum.highest

    def test_a_row_of_a_part_that_was_replaced_meanwhile(self) -> None:
        found = Strata.of({"anger": [0.5, 0.5]}, rows=8)
        assert found.numbers(["fear", "anger", "anger"], [0.5, 0.5, 0.1]) == [None, 0, None]

    @given(
        st.dictionaries(st.sampled_from(CLASSES), st.lists(st.floats(0, 1, width=32), min_size=1), min_size=1),
        st.integers(4, 60),
    )
    def test_no_stratum_is_forgotten(self, confidences: dict[str, list[float]], rows: int) -> None:
        """So that the weights of all rows that are drawn sum to all rows that there are."""
        found = Strata.of(confidences, rows)
        drawn = allocation([stratum.rows for stratum in found.strata], rows)
        weights = [count * [stratum.rows / count] for stratum, count in zip(found.strata, drawn, strict=True)]
        assert sum(map(sum, weights)) == pytest.approx(sum(map(len, confidences.values())))

    @given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 200))
    def test_allocation(self, sizes: list[int], rows: int) -> None:
        """As many from each as it has, none more than one ahead of another that has rows left."""
        drawn = allocation(sizes, rows)
        assert sum(drawn) == min(rows, sum(sizes))
        assert all(count <= size for count, size in zip(drawn, sizes, strict=True))
        unfilled = [count for count, size in zip(drawn, sizes, strict=True) if count < size]
        assert max(drawn) <= min(unfilled, default=max(drawn)) + 1


class TestDraw:
    def test_the_sample(self, output: Ledger) -> None:
        rows = ok_rows(output)
        found = draw(output, 60, seed=0)
        assert sum(found.quotas) == len(found.sampled) == 60
        assert sum(stratum.rows for stratum in found.strata) == len(rows)
        assert {stratum.label for stratum in found.strata} == {row["label"] for row in rows.values()} == set(CLASSES)
        for number, drawn in found.sampled:
            stratum, row = found.strata[number], rows[drawn.utterance_id]
            assert row["label"] == stratum.label
            assert stratum.lowest <= row["confidence"] == drawn.confidence <= stratum.highest
            assert drawn.utterance(output).uri == row["uri"]
        assert len({drawn.utterance_id for _, drawn in found.sampled}) == 60

    def test_small_strata_are_taken_whole(self, output: Ledger) -> None:
        found = draw(output, 200, seed=0)
        whole = [stratum.rows == quota for stratum, quota in zip(found.strata, found.quotas, strict=True)]
        assert any(whole)
        assert not all(whole)
        rest = [quota for quota, is_whole in zip(found.quotas, whole, strict=True) if not is_whole]
        assert max(rest) - min(rest) <= 1

    def test_the_same_rows_stored_in_another_way(self, output: Ledger, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 600)
        other = crafted(tmp_path, rows[::-1], said_of(rows))
        first, second = draw(output, 50, seed=3), draw(other, 50, seed=3)
        ids = [[drawn.utterance_id for _, drawn in found.shuffled] for found in (first, second)]
        assert ids[0] == ids[1]
        assert [drawn.shard for _, drawn in first.shuffled] != [drawn.shard for _, drawn in second.shuffled]

    def test_another_seed_is_another_sample(self, output: Ledger) -> None:
        ids = [{drawn.utterance_id for _, drawn in draw(output, 50, seed).sampled} for seed in (0, 0, 1)]
        assert ids[0] == ids[1] != ids[2]

    def test_each_row_is_as_likely_as_another(self, output: Ledger) -> None:
        """Over many seeds every row of the largest stratum is drawn about as often."""
        found = draw(output, 60, 0)
        largest = max(range(len(found.strata)), key=lambda number: found.strata[number].rows)
        counts: Counter[str] = Counter()
        for seed in range(60):
            counts.update(drawn.utterance_id for number, drawn in draw(output, 60, seed).sampled if number == largest)
        expected = 60 * found.quotas[largest] / found.strata[largest].rows
        assert len(counts) > 0.9 * found.strata[largest].rows
        assert max(counts.values()) < 5 * expected

    def test_no_order_tells_a_stratum(self, tmp_path: Path, clips: list[Path]) -> None:
        """The order is the same, whatever the model said."""
        rows = spans(clips, 60)
        orders = []
        for seed in (0, 1):
            (tmp_path / str(seed)).mkdir()
            said: Said = {name: answer or confident("anger", 0.5) for name, answer in said_of(rows, seed).items()}
            found = draw(crafted(tmp_path / str(seed), rows, said), 60, seed=9)
            orders.append([drawn.utterance_id for _, drawn in found.shuffled])
        assert orders[0] == orders[1] != sorted(orders[0])

    def test_more_than_there_are(self, output: Ledger) -> None:
        assert {drawn.utterance_id for _, drawn in draw(output, 10_000, 0).sampled} == ok_rows(output).keys()

    def test_fewer_than_labels(self, output: Ledger) -> None:
        with pytest.raises(UsageError, match=r"--n 3: .*out has 4 labels \(anger, .*\); give at least 4"):
            draw(output, 3, 0)
        found = draw(output, 5, 0)
        assert [(stratum.label, stratum.band) for stratum in found.strata] == [(label, 1) for label in CLASSES]

    def test_nothing_to_draw_from(self, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 10)
        (tmp_path / "a").mkdir()
        with pytest.raises(OutputError, match="no part is finished yet; run annotate first"):
            draw(crafted(tmp_path / "a", rows, {}, shards=[]), 5, 0)
        (tmp_path / "b").mkdir()
        with pytest.raises(OutputError, match="no row has a label"):
            draw(crafted(tmp_path / "b", rows, {row["utterance_id"]: None for row in rows}), 5, 0)


class TestTable:
    def test_as_a_table(self, output: Ledger, tmp_path: Path) -> None:
        result = run(output.folder.display, "--n", 60, "-o", tmp_path / "s.csv", "--json")
        assert result.exit_code == 0
        facts, rows, found = json.loads(result.stdout), table(tmp_path / "s.csv"), ok_rows(output)
        assert len(rows) == facts["rows"] == 60
        assert list(rows[0]) == [
            *("utterance_id", "uri", "channel", "start", "end", "label", "confidence", "band", "weight")
        ]
        for row in rows:
            said = found[row["utterance_id"]]
            assert (row["uri"], row["label"]) == (said["uri"], said["label"])
            assert (float(row["start"]), float(row["confidence"])) == (said["start"], said["confidence"])
        order = list(found)
        assert [row["utterance_id"] for row in rows] == sorted((row["utterance_id"] for row in rows), key=order.index)

    def test_weights_sum_to_the_rows_of_each_stratum(self, output: Ledger, tmp_path: Path) -> None:
        result = run(output.folder.display, "--n", 70, "-o", tmp_path / "s.csv", "--json")
        weights: dict[tuple[str, str], float] = defaultdict(float)
        for row in table(tmp_path / "s.csv"):
            weights[row["label"], row["band"]] += float(row["weight"])
        strata = json.loads(result.stdout)["strata"]
        assert {(s["label"], str(s["band"])): pytest.approx(s["rows"]) for s in strata} == weights
        labels = Counter(row["label"] for row in ok_rows(output).values())
        for label, count in labels.items():
            assert sum(weight for (name, _), weight in weights.items() if name == label) == pytest.approx(count)

    def test_for_people(self, output: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        result = run(output.folder.path(), "--n", 20)
        assert result.exit_code == 0
        assert (tmp_path / "out.sample.csv").is_file()
        lines = result.stdout.splitlines()
        assert lines[0].split() == ["label", "band", "confidence", "rows", "drawn", "weight"]
        assert lines[-1] == f"20 of {len(ok_rows(output))} labelled rows in out.sample.csv"

    def test_an_unfinished_output(self, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 60)
        said: Said = {row["utterance_id"]: confident("anger", 0.5) for row in rows}
        ledger = crafted(tmp_path, rows, said, shards=[1, 3])
        result = run(ledger.folder.display, "--n", 5, "-o", tmp_path / "s.csv")
        assert result.exit_code == 4
        assert f"not complete: 2 of {ledger.plan.shards} parts" in result.stderr
        assert {row["utterance_id"] for row in table(tmp_path / "s.csv")} <= ok_rows(ledger).keys()

    def test_a_place_that_cannot_be_written(self, output: Ledger, tmp_path: Path) -> None:
        result = run(output.folder.display, "--n", 5, "-o", tmp_path / "none/s.csv")
        assert result.exit_code == 2
        assert "there is no folder" in result.stderr

    def test_no_text_is_a_formula(self, tmp_path: Path, clips: list[Path]) -> None:
        rows = [{"utterance_id": f"={number}+1", "path": f"@{number}.flac"} for number in range(4)]
        for row in rows:
            shutil.copy(clips[0], tmp_path / str(row["path"]))
        ledger = crafted(tmp_path, rows, {str(row["utterance_id"]): confident("anger", 0.9) for row in rows})
        assert run(ledger.folder.display, "--n", 4, "-o", tmp_path / "s.csv").exit_code == 0
        assert {row["utterance_id"] for row in table(tmp_path / "s.csv")} == {f"'={number}+1" for number in range(4)}
        assert {row["uri"] for row in table(tmp_path / "s.csv")} == {f"'@{number}.flac" for number in range(4)}
        assert run(ledger.folder.display, "--n", 4, "--for-review", "-o", tmp_path / "r").exit_code == 0
        ids = {row["utterance_id"] for row in table(tmp_path / "r/review.csv")}
        assert ids == {f"'={number}+1" for number in range(4)}


class TestReview:
    def test_the_folder(self, output: Ledger, tmp_path: Path) -> None:
        result = run(output.folder.display, "--n", 40, "--for-review", "-o", tmp_path / "review", "--json")
        assert result.exit_code == 0
        assert sorted(path.name for path in (tmp_path / "review").iterdir()) == ["clips", "how-to.txt", "review.csv"]
        assert [path.name for path in tmp_path.iterdir()] == ["review"], "nothing is left beside it"
        rows, found = table(tmp_path / "review/review.csv"), ok_rows(output)
        assert list(rows[0]) == ["utterance_id", "path", "human_label", "weight"]
        assert [row["path"] for row in rows] == [f"clips/{number:03d}.wav" for number in range(1, 41)]
        assert {row["human_label"] for row in rows} == {""}
        assert sum(float(row["weight"]) for row in rows) == pytest.approx(len(found))
        for row in rows:
            said = found[row["utterance_id"]]
            heard, rate = soundfile.read(tmp_path / "review" / row["path"])
            info = soundfile.info(tmp_path / "review" / row["path"])
            assert (rate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
            source, rate = soundfile.read(said["uri"])
            assert rate == 16_000
            expected = source[round(said["start"] * rate) : round(said["end"] * rate)]
            np.testing.assert_allclose(heard, expected, atol=1 / 32_000)

    def test_what_the_model_said_is_hidden(self, output: Ledger, tmp_path: Path) -> None:
        run(output.folder.display, "--n", 100, "--for-review", "-o", tmp_path / "review")
        text = (tmp_path / "review/review.csv").read_text(encoding="utf-8")
        assert not [label for label in CLASSES if label in text]
        found = ok_rows(output)
        rows = table(tmp_path / "review/review.csv")
        assert not [row for row in rows if f"{found[row['utterance_id']]['confidence']:.2f}" in str(row)]
        labels = [found[row["utterance_id"]]["label"] for row in rows]
        changes = sum(first != second for first, second in pairwise(labels))
        assert changes > 50, "labels do not come in runs"
        written_at = [(tmp_path / "review" / row["path"]).stat().st_mtime_ns for row in rows]
        assert written_at == sorted(written_at), "in the order of the table, so that dates tell no more than it"

    def test_it_tells_what_to_do(self, output: Ledger, tmp_path: Path) -> None:
        run(output.folder.display, "--n", 10, "--for-review", "-o", tmp_path / "review")
        text = (tmp_path / "review/how-to.txt").read_text()
        for line in ("anger      or angry, ang", "boredom    or bored", "happiness  or happy, joy, hap"):
            assert f"\n  {line}\n" in text
        assert f"emoboost-batch score {output.folder.display} --truth review.csv" in text

    def test_a_channel_at_another_rate(self, tmp_path: Path) -> None:
        samples, rate = soundfile.read(CLIP, dtype="float32")
        left = soxr.resample(samples, rate, 8_000)
        written(tmp_path / "call.wav", np.stack([left, -0.5 * left], axis=1), 8_000)
        rows = [
            {"utterance_id": f"c{channel}", "path": "call.wav", "channel": channel, "start": 0.25, "end": 1.5}
            for channel in (0, 1)
        ]
        ledger = crafted(tmp_path, rows, {"c0": confident("anger", 0.9), "c1": confident("anger", 0.8)})
        assert run(ledger.folder.display, "--n", 2, "--for-review", "-o", tmp_path / "r").exit_code == 0
        for row in table(tmp_path / "r/review.csv"):
            heard, _ = soundfile.read(tmp_path / "r" / row["path"], dtype="float32")
            stored = soundfile.read(tmp_path / "call.wav", dtype="float32")[0][2_000:12_000]
            expected = soxr.resample(stored[:, int(row["utterance_id"][1])], 8_000, 16_000)
            np.testing.assert_allclose(heard, expected, atol=1 / 16_000)

    def test_a_recording_louder_than_16_bits(self, tmp_path: Path, speech: np.ndarray) -> None:
        loud = 40 * speech
        written(tmp_path / "loud.wav", loud, subtype="FLOAT")
        ledger = crafted(tmp_path, [{"utterance_id": "a", "path": "loud.wav"}], {"a": confident("anger", 0.9)})
        run(ledger.folder.display, "--n", 1, "--for-review", "-o", tmp_path / "r")
        heard, _ = soundfile.read(tmp_path / "r/clips/001.wav")
        np.testing.assert_allclose(heard, loud / np.abs(loud).max(), atol=1 / 32_000)

    def archive(self, folder: Path, clips: list[Path]) -> tuple[Ledger, Path]:
        """24 rows of two labels, each a file of its own."""
        (folder / "archive").mkdir()
        rows = [{"utterance_id": f"u{number}", "path": f"archive/{number}.flac"} for number in range(24)]
        for number, row in enumerate(rows):
            shutil.copy(clips[number % 16], folder / str(row["path"]))
        said: Said = {f"u{n}": confident("anger" if n % 2 else "sadness", 0.5 + n / 100) for n in range(24)}
        return crafted(folder, rows, said), folder / "archive"

    def test_recordings_that_are_gone_or_others(self, tmp_path: Path, clips: list[Path]) -> None:
        ledger, archive = self.archive(tmp_path, clips)
        drawn = draw(ledger, 8, seed=0)
        gone = drawn.sampled[0][1].utterance_id.removeprefix("u")
        changed = drawn.sampled[1][1].utterance_id.removeprefix("u")
        (archive / f"{gone}.flac").unlink()
        shutil.copy(clips[15], archive / f"{changed}.flac")
        assert (archive / f"{changed}.flac").stat().st_size != clips[int(changed) % 16].stat().st_size
        result = run(ledger.folder.display, "--n", 8, "--for-review", "-o", tmp_path / "r", "--json")
        assert result.exit_code == 0
        facts, rows = json.loads(result.stdout), table(tmp_path / "r/review.csv")
        assert facts["unreadable"] == 2
        assert sorted("changed" in reason for reason in facts["first_unreadable"]) == [False, True]
        assert len(rows) == len(list((tmp_path / "r/clips").iterdir())) == 8
        assert not {f"u{gone}", f"u{changed}"} & {row["utterance_id"] for row in rows}
        assert [stratum["drawn"] for stratum in facts["strata"]] == list(drawn.quotas), "others of the same strata"
        assert sum(float(row["weight"]) for row in rows) == pytest.approx(24)
        people = run(ledger.folder.display, "--n", 8, "--for-review", "-o", tmp_path / "again")
        assert "2 recordings cannot be read any more; other rows of their strata were drawn" in people.stdout

    def test_a_stratum_with_nothing_left(self, tmp_path: Path, clips: list[Path]) -> None:
        ledger, archive = self.archive(tmp_path, clips)
        for number in range(1, 24, 2):
            (archive / f"{number}.flac").unlink()
        result = run(ledger.folder.display, "--n", 8, "--for-review", "-o", tmp_path / "r")
        assert result.exit_code == 0
        assert "12 recordings cannot be read any more" in result.stdout
        assert "4 strata have no clip: figures say nothing of their rows." in result.stdout
        assert sum(float(row["weight"]) for row in table(tmp_path / "r/review.csv")) == pytest.approx(12)

    def test_a_moved_archive(self, tmp_path: Path, clips: list[Path]) -> None:
        ledger, archive = self.archive(tmp_path, clips)
        (tmp_path / "elsewhere").mkdir()
        archive.rename(tmp_path / "elsewhere/archive")
        words = [ledger.folder.display, "--n", 4, "--for-review", "-o", tmp_path / "r"]
        lost = run(*words)
        assert lost.exit_code == 2
        assert "none of 24 recordings can be read; the first: " in lost.stderr
        assert "--base says where it is now" in lost.stderr
        assert not (tmp_path / "r").exists()
        assert not list(tmp_path.glob("emoboost-*"))
        assert run(*words, "--base", tmp_path / "elsewhere").exit_code == 0
        assert len(table(tmp_path / "r/review.csv")) == 4

    def test_recordings_are_read_under_the_rules_of_the_run(self, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 8)
        said: Said = {row["utterance_id"]: confident("anger", 0.5) for row in rows}
        ledger = crafted(tmp_path, rows, said, access=Access(root="/"))
        words = [ledger.folder.display, "--n", 2, "--for-review", "-o", tmp_path / "r"]
        assert "was made with --root; add --root DIR" in run(*words).stderr
        assert "none of 8 recordings can be read" in run(*words, "--root", tmp_path).stderr
        assert "no such folder" in run(*words, "--root", tmp_path / "none").stderr
        assert "was made without --allow-http" in run(*words, "--root", "/", "--allow-http").stderr
        assert run(*words, "--root", "/").exit_code == 0
        assert run(ledger.folder.display, "--n", 2, "-o", tmp_path / "s.csv").exit_code == 0, "reads no recording"

    def test_the_limits_of_the_run(self, tmp_path: Path, clips: list[Path]) -> None:
        rows = spans(clips, 8)
        said: Said = {row["utterance_id"]: confident("anger", 0.5) for row in rows}
        ledger = crafted(tmp_path, rows, said, access=Access(max_bytes=100))
        assert "none of 8 recordings" in run(ledger.folder.display, "--for-review", "-o", tmp_path / "r").stderr

    @pytest.mark.parametrize("unknown", [0, 1])
    def test_names_speakers_where_all_are_known(self, tmp_path: Path, clips: list[Path], unknown: int) -> None:
        """`calibrate` takes a speaker for every row, or for none."""
        rows = [
            {**row, "speaker": "" if number < 8 * unknown else f"s{number % 3}"}
            for number, row in enumerate(spans(clips, 8))
        ]
        ledger = crafted(tmp_path, rows, {row["utterance_id"]: confident("anger", 0.5) for row in rows})
        assert run(ledger.folder.display, "--n", 8, "--for-review", "-o", tmp_path / "r").exit_code == 0
        with (tmp_path / "r/review.csv").open(newline="", encoding="utf-8-sig") as file:
            found = {row["utterance_id"]: row.get("speaker") for row in csv.DictReader(file)}
        assert found == {row["utterance_id"]: None if unknown else row["speaker"] for row in rows}

    def test_a_folder_that_holds_something_is_left_alone(self, output: Ledger, tmp_path: Path) -> None:
        (tmp_path / "used").mkdir()
        (tmp_path / "used/review.csv").write_text("hours of work")
        options = SampleOptions(output=output.folder.display, rows=8, for_review=True, destination=tmp_path / "used")
        with pytest.raises(OutputError, match="used: is not empty; choose another folder with --output"):
            sample_command(options, as_json=False)
        assert (tmp_path / "used/review.csv").read_text() == "hours of work"
        (tmp_path / "file").write_text("")
        result = run(output.folder.display, "--for-review", "-o", tmp_path / "file")
        assert (result.exit_code, "is not a folder" in result.stderr) == (2, True)
        for words in (["--for-review"], []):
            result = run(output.folder.display, *words, "-o", output.folder.path("labels/x"))
            assert (result.exit_code, "which is an output; name that one" in result.stderr) == (2, True)
        (tmp_path / "empty").mkdir()
        assert run(output.folder.display, "--n", 8, "--for-review", "-o", tmp_path / "empty").exit_code == 0

    def test_twice_the_same(self, output: Ledger, tmp_path: Path) -> None:
        for name in ("a", "b"):
            run(output.folder.display, "--n", 12, "--for-review", "-o", tmp_path / name, "--seed", 5)
        assert (tmp_path / "a/review.csv").read_bytes() == (tmp_path / "b/review.csv").read_bytes()
        for clip in (tmp_path / "a/clips").iterdir():
            assert clip.read_bytes() == (tmp_path / "b/clips" / clip.name).read_bytes()


def test_classes_need_not_be_known_emotions(tmp_path: Path, clips: list[Path]) -> None:
    """A replaced part and a label with a formula in it: whatever a model calls its classes."""
    rows = spans(clips, 4)
    ledger = crafted(tmp_path, rows, {row["utterance_id"]: confident("anger", 0.9) for row in rows})
    part = ledger.read_part(0)
    strange = part.set_column(part.schema.get_field_index("label"), "label", pa.array(["=1+1"] * 4))
    ledger.change(0, lambda _: strange)
    assert run(ledger.folder.display, "--n", 2, "-o", tmp_path / "s.csv").exit_code == 0
    assert {row["label"] for row in table(tmp_path / "s.csv")} == {"'=1+1"}
