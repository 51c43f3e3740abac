"""The experiments of the paper's tables, and the tables that they become."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from demo_evaluation import demo_evaluation
from tiny_whisper import save_whisper

from emoboost.errors import ModelError, UsageError
from emoboost.evaluation import Evaluation
from emoboost.report import REPORT_FILE, figures_of
from emoboost.variants import VARIANTS as TITLES
from jobs.reproduce import VARIANTS, experiments_of, tables_of, write_table


def trained(table: str, protocol: str = "loso") -> Evaluation:
    """What an experiment of the table finds: one seed of its variants."""
    evaluation = demo_evaluation((0,), protocol=protocol, leaky=protocol == "paper")
    variants = {title: evaluation.variants[title] for title in (TITLES[name].title for name in VARIANTS[table])}
    return replace(evaluation, variants=variants)


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
    text = tables_of(table, [figures_of(strict), figures_of(leaky)])
    if table == "table5":
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert "leaky" in lines[0]
        assert len(lines) == 4
    else:
        assert "## loso\n" in text
        assert "## paper (LEAKY)\n" in text


@pytest.mark.parametrize(
    ("table", "caption", "rows"),
    [
        (
            "table3",
            "Table 3 of the paper: ",
            ["encoder alone", "+ MFCC", "+ spectrogram", "+ both (MS-EmoBoost)"],
        ),
        ("table4", "Table 4 of the paper: ", ["+ both (MS-EmoBoost)", "both, without attention"]),
    ],
)
def test_tables_3_and_4_are_the_papers(table: str, caption: str, rows: list[str]) -> None:
    text = tables_of(table, [figures_of(trained(table))])
    assert f"**{caption}" in text
    assert "Tables 3 and 4" not in text
    assert [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("|")][2:] == rows


@pytest.mark.parametrize("table", list(VARIANTS))
def test_writes_the_same_numbers_for_programs(table: str, tmp_path: Path) -> None:
    reports = [tmp_path / protocol for protocol in ("loso", "paper")]
    for report in reports:
        report.mkdir()
        (report / REPORT_FILE).write_text(json.dumps(figures_of(trained(table, report.name))))
    text = write_table(table, reports, tmp_path)
    assert (tmp_path / f"{table}.md").read_text(encoding="utf-8") == text
    found = json.loads((tmp_path / f"{table}.json").read_text(encoding="utf-8"))
    assert found["table"] == table
    assert [(each["protocol"], each["leaky"], each["seeds"]) for each in found["evaluations"]] == [
        ("loso", False, [0]),
        ("paper", True, [0]),
    ]
    expected = figures_of(trained(table))
    for each in found["evaluations"]:
        assert each["encoder"] == expected["encoder"]
        assert set(each["variants"]) == set(expected["variants"])
        for title, variant in each["variants"].items():
            for key in ("wa", "wa_interval", "ua", "ua_interval"):
                assert variant[key] == expected["variants"][title][key]
        assert f"{100 * each['variants']['both']['wa']:.1f}" in text
        assert ("systems" in each) == (table == "table2")
