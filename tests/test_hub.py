"""Encoders by hub id: from a small hub on this machine, from its cache, and where there is no hub."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import COMMIT, Hub, serve_repository
from huggingface_hub import constants
from tiny_waveform import save_waveform_encoder

from emoboost.backbone import load_encoder
from emoboost.errors import ModelError

NAME = "someone/wav2vec2-tiny"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies on the hub: an encoder, and files that must never be fetched."""
    folder = save_waveform_encoder(tmp_path_factory.mktemp("repository"), "wav2vec2", "base")
    (folder / "pytorch_model.bin").write_bytes(b"never unpickled")
    (folder / "modeling_tiny.py").write_text("raise SystemExit('never run')")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_tiny.Tiny"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def hub(repository: Path) -> Iterator[Hub]:
    with serve_repository(repository, NAME) as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that answers nothing unless a test says otherwise."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        reach(f"http://127.0.0.1:{free.getsockname()[1]}", monkeypatch)
    return tmp_path / "cache"


def reach(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_hub_id(repository: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, revision: str | None) -> None:
    reach(hub.endpoint, monkeypatch)
    hub.fetched.clear()
    fetched = load_encoder(NAME, [2], revision=revision)
    assert (fetched.config.source, fetched.config.revision) == (NAME, COMMIT)
    assert hub.fetched == {"config.json", "preprocessor_config.json", "model.safetensors"}
    here = load_encoder(repository, [2])
    assert here.config.revision is None
    assert all(torch.equal(fetched.state_dict()[name], tensor) for name, tensor in here.state_dict().items())


def test_layers_are_checked_before_the_weights_are_fetched(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    reach(hub.endpoint, monkeypatch)
    hub.fetched.clear()
    with pytest.raises(ModelError, match="this encoder has layers 0 to 3"):
        load_encoder(NAME, [9])
    assert "model.safetensors" not in hub.fetched


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_the_cache_serves_without_the_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch, revision: str | None) -> None:
    with monkeypatch.context() as online:
        reach(hub.endpoint, online)
        load_encoder(NAME, [1])
    started = time.monotonic()
    again = load_encoder(NAME, [1], revision=revision)
    assert time.monotonic() - started < 5
    assert again.config.revision == COMMIT


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("revision", [None, COMMIT])
def test_no_hub_is_one_line_with_the_fix_at_once(
    monkeypatch: pytest.MonkeyPatch, offline: bool, revision: str | None
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"it cannot be fetched from the Hugging Face hub") as refused:
        load_encoder(NAME, [1], revision=revision)
    assert time.monotonic() - started < 5
    assert f"run: hf download {NAME} --include '*.json' --include '*.safetensors' --local-dir" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_such_repository(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    reach(hub.endpoint, monkeypatch)
    with pytest.raises(ModelError, match=r"someone/else: .*shows no such repository; correct the name, or log in"):
        load_encoder("someone/else", [1])


def test_a_repository_with_pickles_only(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(repository, tmp_path / "pickled"))
    (folder / "model.safetensors").unlink()
    with serve_repository(folder, NAME) as hub:
        reach(hub.endpoint, monkeypatch)
        with pytest.raises(
            ModelError, match=rf"{NAME} \(hub, {COMMIT[:12]}\): model\.safetensors is missing"
        ) as refused:
            load_encoder(NAME, [1])
    assert "Pickled weights are never read; where you trust them, convert them once" in str(refused.value)
    assert "pytorch_model.bin" not in hub.fetched


def test_neither_a_folder_nor_a_hub_id() -> None:
    for source in ("no/such/folder", "nowhere"):
        with pytest.raises(ModelError, match=f"{source}: no such folder, and not a hub id such as"):
            load_encoder(source, [1])
