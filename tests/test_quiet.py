"""What Ray prints never reaches standard output; what the program prints always does."""

import os
import subprocess
import sys
from pathlib import Path

from reading import REPOSITORY

PROGRAM = """
import os, sys
from pathlib import Path
from cluster.quiet import quiet
with quiet(Path("log")):
    print("a result")
    print("\\033[36m(raylet)\\033[0m a worker died")
    sys.stdout.write("(raylet, ip=1.2.3.4) half a line")
    sys.stdout.write(", and its end\\n")
    print("another result")
    os.write(2, b"native words\\n")
    print("for people", file=sys.stderr)
"""


def test_lines_of_ray_go_to_the_log_with_their_ends(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "a result\nanother result\n"
    assert run.stderr == "for people\n"
    log = (tmp_path / "log").read_text()
    assert "a worker died\n(raylet, ip=1.2.3.4) half a line, and its end\nnative words\n" in log
