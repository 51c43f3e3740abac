"""What is decided before Ray starts, how progress reads, and how a command ends."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from reading import REPOSITORY

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder
from emoboost.errors import EmoboostError, ManifestError, ModelError, OutputError, UsageError
from emoboost.isolation import read_durations
from emoboost.ledger import Ledger
from emoboost.storage import Folder
from jobs.annotate import AnnotateOptions
from jobs.exits import Exit, run
from jobs.planning import (
    a_few,
    command_with_output,
    default_output,
    describe_plan,
    open_or_plan,
    output_of,
    parse_channel,
    plan_locally,
    row_options,
)
from jobs.progress import SETTLED_SECONDS, Progress, duration, progress

EXAMPLE = str(REPOSITORY / "examples/manifest.csv")


@pytest.fixture
def options(tiny_model: ModelFolder, tmp_path: Path) -> Callable[..., AnnotateOptions]:
    def made(**changes: object) -> AnnotateOptions:
        values = {"manifest": EXAMPLE, "output": str(tmp_path / "out"), "model": str(tiny_model.path)}
        return AnnotateOptions(**{**values, **changes})

    return made


class TestChannel:
    @pytest.mark.parametrize(("text", "channel"), [(None, None), ("mix", None), ("0", 0), ("12", 12)])
    def test_understood(self, text: str | None, channel: int | None) -> None:
        assert parse_channel(text) == channel

    @pytest.mark.parametrize("text", ["", "-1", "1.0", "left", "²", "Mix"])
    def test_refused(self, text: str) -> None:
        with pytest.raises(UsageError, match=f"--channel {text}: give a channel number, counted from 0, or mix"):
            parse_channel(text)

    def test_more_than_a_column_can_hold(self) -> None:
        assert parse_channel(str(2**31 - 1)) == 2**31 - 1
        with pytest.raises(UsageError, match="--channel 2147483648: no recording has so many channels"):
            parse_channel(str(2**31))


class TestOutput:
    @pytest.mark.parametrize(
        ("manifest", "limit", "output"),
        [
            ("a/calls.csv", None, "calls.emotions"),
            ("calls.tar.csv", 3, "calls.tar.emotions-limit3"),
            ("s3://bucket/audio/", None, "audio.emotions"),
            ("audio/**/*.wav", None, "audio.emotions"),
            ("*.wav", None, "recordings.emotions"),
            (".", None, "recordings.emotions"),
            ("..", 0, "recordings.emotions-limit0"),
            ("/data/day?/x.wav", None, "x.emotions"),
        ],
    )
    def test_named_after_the_manifest(self, manifest: str, limit: int | None, output: str) -> None:
        assert default_output(manifest, limit) == output

    def test_the_users_own(self) -> None:
        assert output_of(AnnotateOptions(manifest="a.csv", output="s3://b/o", limit=3)) == "s3://b/o"
        assert output_of(AnnotateOptions(manifest="a.csv", limit=3)) == "a.emotions-limit3"

    @pytest.mark.parametrize(
        "words",
        [
            ["annotate", "m.csv"],
            ["annotate", "m.csv", "--output", "old"],
            ["annotate", "-o", "old", "m.csv"],
            ["annotate", "m.csv", "--output=old"],
        ],
    )
    def test_the_command_that_continues(self, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["x", *words])
        assert command_with_output("new dir") == ["emoboost-batch", "annotate", "m.csv", "--output", "new dir"]


class TestPlanning:
    def test_a_new_output(self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder) -> None:
        ledger = open_or_plan(options(), tiny_model)
        assert ledger.plan.utterances == 16
        assert ledger.plan.unknown_lengths == 0
        assert ledger.plan.known_seconds == pytest.approx(sum(filter(None, read_durations(uris(ledger), Access()))))
        assert ledger.plan.options == row_options(options(), tiny_model)
        assert ledger.plan.options["model"] == tiny_model.identity
        assert ledger.plan.carried.names == ["corpus", "speaker", "emotion", "seen_in_training"]

    def test_the_same_options_continue_without_planning_again(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        first = open_or_plan(options(), tiny_model)
        files = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*")}
        assert open_or_plan(options(), tiny_model) == first
        assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*")} == files

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"limit": 4}, "limit was None and is now 4"),
            ({"channel": "0"}, "channel was 'mix' and is now 0"),
            ({"precision": "bf16"}, "precision was 'fp32' and is now 'bf16'"),
            ({"max_duration": 60.0}, "max_duration was 3600.0 and is now 60.0"),
        ],
    )
    def test_another_choice_is_refused(
        self,
        options: Callable[..., AnnotateOptions],
        tiny_model: ModelFolder,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        change: dict[str, object],
        message: str,
    ) -> None:
        open_or_plan(options(), tiny_model)
        monkeypatch.setattr(sys, "argv", ["x", "annotate", EXAMPLE])
        with pytest.raises(OutputError, match=message) as caught:
            open_or_plan(options(**change), tiny_model)
        assert str(caught.value).endswith(f"emoboost-batch annotate {EXAMPLE} --output {tmp_path}/out-2")

    def test_a_named_mix_is_the_mean_of_all(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder
    ) -> None:
        open_or_plan(options(), tiny_model)
        open_or_plan(options(channel="mix"), tiny_model)

    def test_without_an_output_a_folder_in_the_current_directory(
        self,
        options: Callable[..., AnnotateOptions],
        tiny_model: ModelFolder,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        ledger = open_or_plan(options(output=None, limit=2), tiny_model)
        assert ledger.folder.display == "manifest.emotions-limit2"
        assert (tmp_path / "manifest.emotions-limit2/_plan/plan.json").is_file()

    def test_nothing_is_written_when_no_recording_can_be_opened(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        (tmp_path / "m.csv").write_text("path\nx.wav\ny.wav\n")
        with pytest.raises(ManifestError, match="none of the 2 recordings"):
            open_or_plan(options(manifest=str(tmp_path / "m.csv")), tiny_model)
        assert not (tmp_path / "out").exists()

    def test_dry_run_writes_nothing(self, options: Callable[..., AnnotateOptions], tmp_path: Path) -> None:
        found = describe_plan(options(limit=9))
        assert found["utterances"] == 9
        assert found["shards"] == 2
        assert found["of unknown length"] == 0
        assert found["carried columns"] == "corpus, speaker, emotion, seen_in_training"
        assert json.dumps(found)
        assert not (tmp_path / "out").exists()
        with pytest.raises(ModelError, match="no such model"):
            describe_plan(options(model="no-such"))

    def test_a_few(self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path) -> None:
        rows = "".join(f"{number}.wav,2\n" for number in range(900))
        (tmp_path / "m.csv").write_text(
            f"path,duration\n{(REPOSITORY / 'examples/audio/emodb/03a01Wa.flac')},2\n{rows}"
        )
        plan = plan_locally(
            options(manifest=str(tmp_path / "m.csv")), row_options(options(), tiny_model), tmp_path / "p"
        )
        found = [utterance.uri for utterance in a_few(plan, tmp_path / "p")]
        assert len(found) == 20
        assert found[0].endswith("03a01Wa.flac")
        assert found[-1] == "899.wav"


def uris(ledger: Ledger) -> list[str]:
    shards = [ledger.shard_table(shard)["uri"].to_pylist() for shard in range(ledger.plan.shards)]
    assert Folder.at(ledger.folder.url) is not None
    return [str(Path(ledger.plan.base) / uri) for shard in shards for uri in shard]


class Clock:
    """Time that passes only when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class TestProgress:
    def started(self, utterances: int, seconds: float | None) -> tuple[Progress, Clock, list[str]]:
        lines: list[str] = []
        clock = Clock()
        return Progress(utterances, seconds, lines.append, clock), clock, lines

    def test_speed_and_rest_since_the_first_shard(self) -> None:
        state, clock, lines = self.started(1_000, 7_200.0)
        clock.now += 20  # start-up
        state.add(utterances=100, errors=0, seconds=720.0)
        clock.now += 2 * SETTLED_SECONDS
        state.add(utterances=100, errors=1, seconds=720.0)
        assert len(lines) == 2
        # What came after the first shard: 720 s of audio, an eighth of the 800 utterances that are left.
        assert lines[1].split(" · ") == [
            "24.0 min of 2.00 h of audio",
            "200 of 1,000 utterances",
            f"{720 / (2 * SETTLED_SECONDS):.0f} x real time",
            f"{duration(16 * SETTLED_SECONDS)} left",
            "1 error",
        ]
        assert state.share == pytest.approx(0.2)

    def test_until_then_since_the_start(self) -> None:
        state, clock, lines = self.started(8, None)
        clock.now += 4
        state.add(utterances=2, errors=2, seconds=0.0)
        clock.now += SETTLED_SECONDS / 2
        state.add(utterances=2, errors=2, seconds=0.0)
        assert lines[0] == "0 s of audio · 2 of 8 utterances · 0 x real time · 12 s left · 2 errors"
        assert lines[1].split(" · ")[-2:] == [f"{duration(4 + SETTLED_SECONDS / 2)} left", "4 errors"]
        assert state.share == 0.5

    def test_the_last_shard_has_nothing_left(self) -> None:
        state, clock, lines = self.started(4, 8.0)
        clock.now += 1
        state.add(utterances=4, errors=0, seconds=9.0)
        assert "left" not in lines[0]
        assert lines[0].endswith("0 errors")
        assert state.share == 1.0

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0 s"), (119.4, "119 s"), (120, "2.0 min"), (7_199, "120.0 min"), (7_200, "2.00 h"), (1e7, "2,777.78 h")],
    )
    def test_words_for_time(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text

    def test_no_time_has_passed(self) -> None:
        state, _, lines = self.started(2, 4.0)
        state.add(utterances=1, errors=0, seconds=2.0)
        assert lines == ["2 s of 4 s of audio · 1 of 2 utterances · 0 errors"]

    def test_nothing_planned(self) -> None:
        assert self.started(0, 0.0)[0].share == 0.0

    def test_plain_lines_end_with_the_last_state(self, capsys: pytest.CaptureFixture[str]) -> None:
        with progress(30, 60.0) as state:
            for _ in range(3):
                state.add(utterances=10, errors=0, seconds=20.0)
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.strip().splitlines()
        assert len(lines) == 2  # the first at once, then none for ten seconds, then the end
        assert "10 of 30" in lines[0]
        assert "30 of 30" in lines[1]


class TestExits:
    def test_the_codes_are_a_promise(self) -> None:
        assert {code.name: int(code) for code in Exit} == {
            **{"COMPLETE": 0, "FAILURE": 1, "USAGE": 2, "ERRORS": 3, "INCOMPLETE": 4, "WRONG": 5, "INTERRUPTED": 130}
        }

    def ended(self, command: Callable[[], Exit], debug: bool = False) -> int:
        with pytest.raises(SystemExit) as caught:
            run(command, debug=debug)
        assert isinstance(caught.value.code, int)
        return caught.value.code

    @pytest.mark.parametrize("code", list(Exit))
    def test_a_commands_own_code(self, code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.ended(lambda: code) == code
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(
        ("error", "code", "shown"),
        [
            (ManifestError("m.csv: line 3"), 2, "Error: m.csv: line 3\n"),
            (ModelError("x"), 2, "Error: x\n"),
            (EmoboostError("no room"), 1, "Error: no room\n"),
            (ValueError("what"), 1, "Error: ValueError: what\n(an error of the program; --debug shows where)\n"),
            (KeyboardInterrupt(), 130, "Interrupted. What is finished stays; the same command continues.\n"),
        ],
    )
    def test_an_error_is_a_line_or_two(
        self, error: BaseException, code: int, shown: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.ended(raising(error)) == code
        assert capsys.readouterr() == ("", shown)

    def test_debug_shows_where(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.ended(raising(ModelError("x")), debug=True) == 2
        err = capsys.readouterr().err
        assert "Traceback (most recent call last)" in err
        assert err.endswith("Error: x\n")


def raising(error: BaseException) -> Callable[[], Exit]:
    def command() -> Exit:
        raise error

    return command
