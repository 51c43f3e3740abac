"""Ray's folder lies in one that only its user can enter."""

from pathlib import Path

import pytest

from cluster.session_folder import LONGEST_PARENT, OF_RAY, session_folder
from emoboost.temporary import PREFIX


def test_nobody_else_can_enter() -> None:
    with session_folder() as folder:
        assert not folder.exists(), "Ray makes it"
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        folder.mkdir()
        folder.chmod(0o777)  # as Ray does
        (folder / "socket").touch()
    assert not folder.parent.exists()


def test_sockets_below_the_longest_parent_have_names_that_the_system_allows() -> None:
    sockets = f"/{PREFIX}12345678/{OF_RAY}/session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store"
    assert LONGEST_PARENT + len(sockets) == 107


def test_a_long_temporary_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a-long-name-of-a-folder"))
    with session_folder() as folder:
        assert len(str(folder.parents[1])) <= LONGEST_PARENT
