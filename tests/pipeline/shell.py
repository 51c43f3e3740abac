"""Runs the console script as a user does, in its own process with an empty home."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
SCRIPT = Path(sys.executable).with_name("emoboost-batch")
SECONDS = 120
RAY_STARTED = "Running on"
"""How the line begins that a command prints once Ray is there."""


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    def refused(self) -> str:
        """The message of a command that found something wrong before any work: short, no traceback, no Ray."""
        assert self.code == 2, (self.code, self.stderr)
        assert self.stdout == ""
        assert "Traceback" not in self.stderr
        assert RAY_STARTED not in self.stderr
        lines = self.stderr.splitlines()
        assert any(line.startswith("Error: ") for line in lines), self.stderr
        return self.stderr.partition("Error: ")[2]


@dataclass(frozen=True)
class Shell:
    """A user's shell."""

    home: Path
    temporary: Path
    """Short, because the sockets that Ray makes below it may have 107 bytes."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What else the user has set."""

    def environment(self, **changes: str) -> dict[str, str]:
        """That of a fresh account: nothing of Ray or Python is set."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return {**kept, "HOME": str(self.home), "TMPDIR": str(self.temporary), **self.variables, **changes}

    def run(
        self,
        *words: str | Path,
        cwd: Path,
        prefix: Sequence[str] = (),
        script: Path = SCRIPT,
        seconds: int = SECONDS,
        **changes: str,
    ) -> Result:
        """Run the command to its end.

        Args:
            words: its arguments.
            cwd: where.
            prefix: a command that runs it, such as unshare.
            script: another installation's console script.
            seconds: it is killed after these.
            changes: of the environment.
        """
        begin = time.monotonic()
        completed = subprocess.run(
            ["timeout", "--kill-after=10", str(seconds), *prefix, str(script), *map(str, words)],
            cwd=cwd,
            env=self.environment(**changes),
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode not in (124, 137), f"still running after {seconds} s: {completed.stderr}"
        return Result(completed.returncode, completed.stdout, completed.stderr, time.monotonic() - begin)

    def start(self, *words: str | Path, cwd: Path) -> "subprocess.Popen[str]":
        """Start the command in a process group of its own, as an interactive shell does; its text goes to files."""
        with (cwd / "stdout.txt").open("w") as out, (cwd / "stderr.txt").open("w") as err:
            return subprocess.Popen(
                [str(SCRIPT), *map(str, words)],
                cwd=cwd,
                env=self.environment(),
                stdout=out,
                stderr=err,
                text=True,
                start_new_session=True,
            )


def in_a_namespace(flags: str, preparation: str) -> list[str]:
    """How to begin a command that sees its own mounts or network; skips the test where that is refused.

    Args:
        flags: of unshare.
        preparation: a shell command that runs in the namespace first.
    """
    prefix = ["unshare", flags, "sh", "-c", f'{preparation} && exec "$@"', "sh"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"unshare {flags} is refused here: {getattr(error, 'stderr', '') or error}")
    return prefix
