"""Once installed, nothing is fetched: the example is labelled without a network."""

from pathlib import Path

from pipeline.conftest import Annotated
from pipeline.labels import read
from pipeline.shell import Shell, in_a_namespace


def test_annotate_without_a_network(example: Annotated, shell: Shell, tmp_path: Path) -> None:
    prefix = in_a_namespace("-rn", "ip link set lo up")
    result = shell.run("annotate", example.manifest, cwd=tmp_path, prefix=prefix)
    assert result.code == 0, result.stderr
    assert read(tmp_path / "manifest.emotions").equals(read(example.output)), "a second run is equal in every column"
