"""One archive, one model and one undisturbed output for all attempts."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pipeline.conftest import shell, small, temporary

from chaos.world import Host, assert_same, rows_of, write_manifest
from emoboost.checkpoint import ModelFolder

__all__ = ["shell", "small", "temporary"]

UTTERANCES = 20


@pytest.fixture(scope="session")
def host(tiny_model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("chaos")
    with Host(folder, write_manifest(folder, UTTERANCES), tiny_model.path) as host:
        yield host


@pytest.fixture(scope="session")
def undisturbed(host: Host) -> Path:
    output = host.folder / "undisturbed"
    code, said = host.run(output)
    assert code == 0
    assert said is not None
    assert said["complete"], said["error"]
    return output


@pytest.fixture(scope="session")
def reference(undisturbed: Path) -> pa.Table:
    rows = rows_of(undisturbed)
    assert len(rows) == UTTERANCES
    assert set(rows["status"].to_pylist()) == {"ok", "error"}
    assert_same(undisturbed, rows)
    return rows
