"""SIGKILL before every single step that a run takes on its output."""

import signal
from pathlib import Path

import pyarrow as pa
import pytest

from chaos.world import Host, assert_readable, assert_same, fresh


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_killed_at_every_step(host: Host, reference: pa.Table, tmp_path: Path, every: int) -> None:
    _, whole = host.run(tmp_path / "counted")
    assert whole is not None
    steps = whole["steps"]
    kinds = {step.split()[0] for step in steps}
    assert kinds >= {"open", "fsync", "os.link", "os.rename", "os.mkdir", "os.remove"}, kinds
    for number in range(1, len(steps) + 1, every):
        output = fresh(tmp_path / "killed")
        code, _ = host.run(output, at=number)
        assert code == -signal.SIGKILL, (number, steps[number - 1])
        assert_readable(output, reference)
        code, said = host.run(output)
        assert code == 0
        assert said is not None
        assert said["complete"], (number, steps[number - 1], said["error"])
        assert_same(output, reference)
