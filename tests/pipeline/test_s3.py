"""The manifest, the recordings, the model and the output in one object store, reached by storage options only."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fault_proxy import fault_proxy, status
from s3_server import S3, SECRET, options_for_server

from emoboost.predict import EmotionModel
from emoboost.storage import Folder
from pipeline.labels import Heard, assert_labelled_alone
from pipeline.recordings import EMODB, LIBRISPEECH
from pipeline.shell import Result, Shell

SPAN = (0.5, 2.0)


@pytest.fixture(scope="module")
def url(s3: S3, small: EmotionModel) -> str:
    """A bucket with everything that a run needs."""
    url = s3.make_bucket("pipeline-tests")
    folder = Folder.at(url, s3.options)
    rows = [[f"audio/{clip.name}", "", ""] for clip in EMODB]
    rows += [[f"audio/{clip.name}", str(SPAN[0]), str(SPAN[1])] for clip in LIBRISPEECH]
    text = io.StringIO()
    csv.writer(text).writerows([["path", "start", "end"], *rows])
    folder.replace("archive/calls.csv", text.getvalue().encode())
    for clip in [*EMODB, *LIBRISPEECH]:
        folder.replace(f"archive/audio/{clip.name}", clip.read_bytes())
    for file in small.folder.path.iterdir():
        folder.replace(f"models/small/{file.name}", file.read_bytes())
    return url


@pytest.fixture(scope="module")
def words(url: str, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command, whose environment knows nothing of the store."""
    options = tmp_path_factory.mktemp("options") / "s3.json"
    options.write_text(json.dumps(s3.options))
    command = ["annotate", f"{url}/archive/calls.csv", "--model", f"{url}/models/small", "--output", f"{url}/labelled"]
    return [*command, "--storage-options", f"@{options}", "--json"]


@pytest.fixture(scope="module")
def annotated(joined: Shell, words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Result:
    return joined.run(*words, cwd=tmp_path_factory.mktemp("s3"))


def rows_of(folder: Folder) -> list[dict[str, object]]:
    parts = [folder.read(f"labels/{name}") for name in folder.names("labels")]
    table = pa.concat_tables([pq.read_table(io.BytesIO(part)) for part in parts])
    found: list[dict[str, object]] = table.to_pylist()
    return found


def parts_of(folder: Folder) -> dict[str, object]:
    """Name, etag and time of everything but the success marker, which is written again."""
    found = folder.filesystem.find(folder.path(), detail=True).items()
    return {name: (each["ETag"], each["LastModified"]) for name, each in found if not name.endswith("_SUCCESS.json")}


def test_labels_are_those_of_local_files(annotated: Result, url: str, s3: S3, small: EmotionModel) -> None:
    assert annotated.code == 0, annotated.stderr
    heard = [Heard(clip) for clip in EMODB] + [Heard(clip, *SPAN) for clip in LIBRISPEECH]
    assert_labelled_alone(rows_of(Folder.at(f"{url}/labelled", s3.options)), heard, small)
    assert json.loads(annotated.stdout)["model"] == small.identity


def test_a_second_run_does_nothing(
    annotated: Result, joined: Shell, words: list[str], url: str, s3: S3, tmp_path: Path
) -> None:
    folder = Folder.at(f"{url}/labelled", s3.options)
    before = parts_of(folder)
    again = joined.run(*words, cwd=tmp_path)
    assert again.code == 0, again.stderr
    assert "Running on" not in again.stderr
    assert parts_of(folder) == before
    counts = ("planned", "written")
    assert [json.loads(again.stdout).get(name) for name in counts] == [
        json.loads(annotated.stdout).get(name) for name in counts
    ]


def test_export(annotated: Result, joined: Shell, words: list[str], url: str, tmp_path: Path) -> None:
    options = words[words.index("--storage-options") + 1]
    result = joined.run("export", f"{url}/labelled", "--to", "csv", "--storage-options", options, cwd=tmp_path)
    assert result.code == 0, result.stderr
    with (tmp_path / "labelled.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(EMODB) + len(LIBRISPEECH)


def test_credentials_that_expire_stop_the_job(
    annotated: Result, joined: Shell, words: list[str], url: str, s3: S3, tmp_path: Path
) -> None:
    """Nothing but whole shards is published, and the same command goes on."""
    output, options = f"{url}/expired", tmp_path / "proxy.json"
    changed = [
        f"@{options}" if word.startswith("@") else output if word == f"{url}/labelled" else word for word in words
    ]
    labels = Folder.at(output, s3.options)
    with fault_proxy(s3.endpoint) as proxy:
        options.write_text(json.dumps(options_for_server(proxy.endpoint)))
        looked_at = 2 * len([*EMODB, *LIBRISPEECH])
        proxy.add(status(403, "ExpiredToken"), path="/audio/", after=looked_at)
        stopped = joined.run(*changed, cwd=tmp_path)
        assert stopped.code == 1, stopped.stderr
        assert "Running on" in stopped.stderr, "the look before the work was spared"
        assert "the store cannot be used (ExpiredToken: " in stopped.stderr
        assert "renew the credentials" in stopped.stderr
        assert labels.names("labels") == []
        proxy.heal()
        again = joined.run(*changed, cwd=tmp_path)
    assert again.code == 0, again.stderr
    # Neither messages nor logs, Ray's own among them, nor anything that was published hold the credentials.
    assert SECRET not in f"{stopped.stdout}{stopped.stderr}{again.stdout}{again.stderr}"
    assert holders(SECRET, tmp_path, joined.home, joined.temporary) == [options]
    published = [f"{folder}/{name}" for folder in ("labels", "_plan") for name in labels.names(folder)]
    assert len(published) > 3
    assert [path for path in [*published, "_SUCCESS.json"] if SECRET.encode() in labels.read(path)] == []
    finished = Folder.at(f"{url}/labelled", s3.options)
    shown = ("uri", "label", "confidence", "status", "error_message")
    assert [[row[name] for name in shown] for row in rows_of(labels)] == [
        [row[name] for name in shown] for row in rows_of(finished)
    ]


def holders(secret: str, *folders: Path) -> list[Path]:
    """Files below these folders that hold a text."""
    files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in files if secret.encode() in file.read_bytes()]


def test_wrong_credentials_are_found_before_any_work(joined: Shell, words: list[str], s3: S3, tmp_path: Path) -> None:
    options = tmp_path / "wrong.json"
    options.write_text(json.dumps({**s3.options, "secret": "do-not-show"}))
    changed = [f"@{options}" if word.startswith("@") else word for word in words]
    local_model = [*changed[:2], *changed[4:]]
    result = joined.run(*local_model, cwd=tmp_path)
    assert result.code in (1, 2)
    assert "SignatureDoesNotMatch" in result.stderr
    assert "check the credentials" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Running on" not in result.stderr
    assert "do-not-show" not in result.stderr
