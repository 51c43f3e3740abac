"""A stranger's archive is annotated: one row for every input, and the good recordings between are labelled as alone."""

from collections import Counter
from pathlib import Path

import pytest
from hostile.case import Hostile
from hostile.corpus import make_hostile_corpus, write_manifest

from emoboost.predict import EmotionModel
from emoboost.schema import Status
from pipeline.labels import Heard, Row, assert_labelled_alone, parts, rows_of
from pipeline.recordings import LIBRISPEECH
from pipeline.shell import Result, Shell

SEED = 20_261_125


@pytest.fixture(scope="module")
def annotated(
    joined: Shell, small: EmotionModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, Path, list[Hostile]]:
    cwd = tmp_path_factory.mktemp("hostile")
    inputs = make_hostile_corpus(cwd, SEED)
    manifest = write_manifest(cwd / "archive.csv", inputs, LIBRISPEECH)
    result = joined.run("annotate", manifest.name, "--model", small.folder.path, "--channel", "mix", cwd=cwd)
    return result, cwd / "archive.emotions", inputs


def test_every_input_has_its_row_and_the_good_ones_their_labels(
    annotated: tuple[Result, Path, list[Hostile]], small: EmotionModel
) -> None:
    result, output, inputs = annotated
    assert result.code == 3, result.stderr
    assert "Traceback" not in result.stderr
    assert len(parts(output)) >= 2
    found = rows_of(output)
    assert max(Counter(row["utterance_id"] for row in found).values()) == 1
    rows: dict[str, Row] = {row["utterance_id"]: row for row in found}
    good = sorted((name for name in rows if name.startswith("good-")), key=lambda name: int(name[5:]))
    assert rows.keys() - set(good) == {each.name for each in inputs}
    assert [rows[each.name]["uri"] for each in inputs] == [each.uri for each in inputs]
    wrong = {each.name: rows[each.name]["error_message"] for each in inputs if _end(rows[each.name]) not in each.ends}
    assert wrong == {}
    alike = [each for each in inputs if each.like is not None]
    for each in alike:
        assert rows[each.name]["label"] == rows[alike[0].name]["label"]
        assert rows[each.name]["confidence"] == pytest.approx(rows[alike[0].name]["confidence"], abs=1e-5)
    assert_labelled_alone([rows[alike[0].name]], [Heard(alike[0].like)], small)
    first = good[: len(LIBRISPEECH)]
    assert_labelled_alone([rows[name] for name in first], [Heard(clip) for clip in LIBRISPEECH], small)
    for number, name in enumerate(good):
        again = rows[first[number % len(first)]]
        assert rows[name]["label"] == again["label"]
        assert rows[name]["confidence"] == pytest.approx(again["confidence"], abs=1e-5)


def _end(row: Row) -> str | None:
    return row["error_type"] if row["status"] != Status.OK else None
