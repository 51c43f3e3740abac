"""The experiments of the paper's tables, and the tables that they become."""

from pathlib import Path

import pytest
from demo_evaluation import demo_evaluation
from tiny_whisper import save_whisper

from emoboost.errors import ModelError, UsageError
from jobs.reproduce import VARIANTS, experiments_of, tables_of


@pytest.mark.parametrize("table", ["table2", "table3", "table4"])
def test_strictly_and_as_the_paper(table: str) -> None:
    assert [(e.folder, e.protocol) for e in experiments_of(table, "")] == [("loso", "loso"), ("paper", "paper")]


def test_each_encoder_with_both_protocols(tmp_path: Path) -> None:
    first, second = save_whisper(tmp_path / "one"), save_whisper(tmp_path / "two")
    found = experiments_of("table5", f"{first}, {second}")
    assert [e.folder for e in found] == ["loso-one", "paper-one", "loso-two", "paper-two"]
    assert [e.source.encoder for e in found] == [str(first), str(first), str(second), str(second)]


def test_an_encoder_that_cannot_be_had_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere: no such folder, and not a hub id"):
        experiments_of("table5", f"{save_whisper(tmp_path / 'one')},nowhere")
    with pytest.raises(UsageError, match="--encoders is empty"):
        experiments_of("table5", " , ")


@pytest.mark.parametrize("table", list(VARIANTS))
def test_tables_say_which_protocol_leaks(table: str) -> None:
    strict, leaky = demo_evaluation(), demo_evaluation(protocol="paper", leaky=True)
    text = tables_of(table, [strict, leaky])
    if table == "table5":
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert "leaky" in lines[0]
        assert len(lines) == 4
    else:
        assert "## loso\n" in text
        assert "## paper (LEAKY)\n" in text
        assert text.count("| both |") >= 2 or table == "table2"
