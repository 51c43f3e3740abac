"""A model in a store: copied once, whole, checked, and found by every process."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_proxy import fault_proxy, lost_answer, status, truncated
from reading import CLIP
from s3_server import S3, options_for_server

from emoboost.access import Access
from emoboost.checkpoint import CONFIG, FROZEN, TRAINED, ModelFolder, find_model
from emoboost.errors import ModelError, StorageStop
from emoboost.predict import load_model
from emoboost.storage import Folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/emoboost-batch/models"


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    return s3.make_bucket("models-tests")


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, tiny_model: ModelFolder, tmp_path: Path) -> str:
    """The tiny model in a store."""
    base = "memory://models" if request.param == "memory" else request.getfixturevalue("bucket")
    return upload(tiny_model.path, f"{base}/{tmp_path.name}")


def upload(model: Path, url: str) -> str:
    for file in model.iterdir():
        Folder.at(url).replace(file.name, file.read_bytes())
    return url


def test_the_same_model(url: str, tiny_model: ModelFolder, cache: Path) -> None:
    found = find_model(url)
    assert found.identity == tiny_model.identity
    assert found.reference == url, "what another machine needs"
    assert found.path.parent == cache
    found.verify()
    local, remote = load_model(tiny_model.path).predict(CLIP), load_model(url).predict(CLIP)
    assert remote.probabilities == local.probabilities


def test_copied_once(bucket: str, s3: S3, tiny_model: ModelFolder, cache: Path) -> None:
    url = upload(tiny_model.path, f"{bucket}/once")
    with fault_proxy(s3.endpoint) as proxy:
        access = Access(storage_options=options_for_server(proxy.endpoint))
        first = find_model(url, access).path
        assert proxy.requests("GET", FROZEN) == 1
        assert find_model(url, access).path == first
        assert proxy.requests("GET", FROZEN) == 1
    assert [path.name for path in cache.iterdir()] == [first.name]


def test_a_new_version_is_another_copy(url: str, tiny_model: ModelFolder, tmp_path: Path) -> None:
    first = find_model(url)
    changed = shutil.copytree(tiny_model.path, tmp_path / "changed")
    config = (changed / CONFIG).read_text().replace('"temperature": 1.0', '"temperature": 2.0')
    (changed / CONFIG).write_text(config)
    upload(changed, url)
    second = find_model(url)
    assert second.path != first.path
    assert second.config.temperature == 2.0
    assert first.config.temperature == 1.0


def test_a_damaged_one_is_not_kept(url: str, cache: Path) -> None:
    content = Folder.at(url).read(TRAINED)
    Folder.at(url).replace(TRAINED, content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="the file was changed or damaged"):
        find_model(url)
    assert list(cache.iterdir()) == []


def test_many_at_once(url: str, tiny_model: ModelFolder, cache: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: find_model(url), range(6)))
    assert len({folder.path for folder in found}) == 1
    assert len(list(cache.iterdir())) == 1
    found[0].verify()


def test_a_bad_network(bucket: str, s3: S3, tiny_model: ModelFolder) -> None:
    url = upload(tiny_model.path, f"{bucket}/bad-network")
    with fault_proxy(s3.endpoint) as proxy:
        for fault in (status(503), truncated(), lost_answer()):
            proxy.add(fault, times=2)
        find_model(url, Access(storage_options=options_for_server(proxy.endpoint))).verify()
        assert all(rule.met == 2 for rule in proxy.rules)


def test_what_is_no_model(bucket: str, s3: S3) -> None:
    with pytest.raises(ModelError, match=f"^{bucket}/nothing: no such model folder"):
        find_model(f"{bucket}/nothing")
    Folder.at(f"{bucket}/other").replace("README.md", b"1")
    with pytest.raises(ModelError, match=r"not a model folder, config\.json is missing"):
        find_model(f"{bucket}/other")
    with pytest.raises(ModelError, match="nonsense://x"):
        find_model("nonsense://x")
    with pytest.raises(StorageStop, match="InvalidAccessKeyId"):
        find_model(f"{bucket}/other", Access(storage_options={**s3.options, "key": "nobody"}))


def test_a_cache_that_cannot_be_written(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot be written .* set XDG_CACHE_HOME to another folder"):
        find_model(url)
