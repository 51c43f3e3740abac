"""What is published works without the repository and, once installed, without a network.

Build the wheel, install it elsewhere, label the example where nothing can be fetched.
"""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pipeline.conftest import Annotated
from pipeline.labels import read
from pipeline.shell import EXAMPLES, REPOSITORY, Shell, in_a_namespace


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that no stale build folder takes part and none is left behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, source)
    for package in ("emoboost", "jobs", "cluster"):
        shutil.copytree(REPOSITORY / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(["timeout", "120", *command], cwd=source, check=True, capture_output=True)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; it sees the dependencies of this one, but not its editable installation."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    subprocess.run(["timeout", "120", *pip, "install", "--no-index", "--no-deps", str(wheel)], check=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    # A .pth file inside a folder that is named by a .pth file is not read: the editable one stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_content(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(archive.read(name).decode() for name in names if name.endswith("METADATA"))
    model = "emoboost/models/whisper-base-emodb"
    assert {f"{model}/{file.name}" for file in (REPOSITORY / model).iterdir()} <= names
    assert {"emoboost/py.typed", "jobs/cli.py", "cluster/connect.py"} <= names
    modules = {
        str(path.relative_to(REPOSITORY))
        for name in ("emoboost", "jobs", "cluster")
        for path in (REPOSITORY / name).rglob("*.py")
    }
    assert modules <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "examples", "docs"))]
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert "License-Expression: Apache-2.0" in metadata
    assert wheel.stat().st_size < 50_000_000


def test_annotates_the_example_elsewhere_without_a_network(
    installed: Path, example: Annotated, shell: Shell, tmp_path: Path
) -> None:
    question = (
        "import emoboost, jobs, cluster; from emoboost.checkpoint import find_model;"
        "print(emoboost.__file__, jobs.__file__, cluster.__file__, find_model().path, sep='\\n')"
    )
    asked = subprocess.run(
        [installed / "bin/python", "-c", question],
        cwd=tmp_path,
        env=shell.environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    for place in asked.stdout.splitlines():
        assert Path(place).is_relative_to(installed), place
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    script = installed / "bin/emoboost-batch"
    without_network = in_a_namespace("-rn", "ip link set lo up")
    result = shell.run("annotate", "examples/manifest.csv", cwd=tmp_path, script=script, prefix=without_network)
    assert result.code == 0, result.stderr
    assert read(tmp_path / "manifest.emotions").equals(read(example.output)), "a second run is equal in every column"
