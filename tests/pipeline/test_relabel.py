"""From recordings to adapted labels by commands alone: annotate with vectors, relabel, verify."""

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from tiny_model import CLASSES, save_adapted

from emoboost.checkpoint import ModelFolder
from emoboost.schema import RELABELLED
from pipeline.recordings import EMODB, LIBRISPEECH
from pipeline.shell import Result, Shell


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_model: ModelFolder) -> Path:
    """A model with a classifier for known speakers; an archive of two with twelve utterances and one with four."""
    cwd = tmp_path_factory.mktemp("relabel")
    clips = [*EMODB, *LIBRISPEECH]
    save_adapted(tiny_model, cwd / "mine")
    calls = [f"{clips[n % 16]},{0.01 * n},{'xyz'[min(n // 12, 2)]}" for n in range(28)]
    (cwd / "calls.csv").write_text("\n".join(["path,start,who", *calls, ""]))
    return cwd


@pytest.fixture(scope="module")
def annotated(place: Path, joined: Shell) -> Result:
    return joined.run("annotate", "calls.csv", "--model", "mine", "--output", "calls", "--embeddings", cwd=place)


def rows(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = ds.dataset(folder / "labels").to_table().to_pylist()
    return found


def test_from_recordings_to_adapted_labels(annotated: Result, place: Path, shell: Shell) -> None:
    assert annotated.code == 0, annotated.stderr
    words = ["relabel", "calls", "--model", "mine", "--adapt", "who", "--prior", "uniform"]
    result = shell.run(*words, "--json", cwd=place)
    assert result.code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["relabelled"] == 28
    assert facts["prior"] == dict.fromkeys(CLASSES, 0.25)
    assert facts["adaptation"]["too_few"] == 4
    new = rows(place / "calls-relabelled")
    assert [row["utterance_id"] for row in new] == [row["utterance_id"] for row in rows(place / "calls")]
    assert {name for name, _, _ in RELABELLED} <= set(new[0])
    assert shell.run("verify", "calls-relabelled", cwd=place).code == 0
    assert shell.run("verify", "calls", "--recompute", "5", "--model", "mine", cwd=place).code == 0
    again = shell.run(*words, cwd=place)
    assert again.code == 0
    assert "Prior    anger 0.250, happiness 0.250" in again.stdout
    assert shell.run("status", "calls-relabelled", "--json", cwd=place).code == 0


def test_what_cannot_be_is_said_before_any_work(annotated: Result, place: Path, shell: Shell) -> None:
    assert annotated.code == 0
    for more, said in (
        (["--adapt", "wo"], "--adapt 'wo': the output carries no such column of its manifest; perhaps 'who'"),
        (["--adapt", "uri", "--model", "whisper-base-emodb"], "annotate again with the new model"),
        (["--prior", "most"], "'most': no such mix of classes; give train, uniform, estimate, or a file"),
    ):
        model = [] if "--model" in more else ["--model", "mine"]
        refused = shell.run("relabel", "calls", *model, *more, "--destination", "other", cwd=place).refused()
        assert said in refused
        assert not (place / "other").exists()
