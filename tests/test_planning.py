"""What is decided before Ray starts, how progress reads, and how a command ends."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from reading import REPOSITORY
from typer.testing import CliRunner

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder
from emoboost.errors import EmoboostError, ManifestError, ModelError, OutputError, UsageError
from emoboost.isolation import read_durations
from emoboost.ledger import Ledger
from emoboost.manifest.problems import Problem
from emoboost.manifest.source import Place
from emoboost.patient_store import PatientStore
from emoboost.storage import Folder
from jobs.annotate import AnnotateOptions
from jobs.annotate_command import annotate_command
from jobs.cli import app
from jobs.exits import Exit, run
from jobs.failures import told_plainly
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
            (
                "https://host/calls.csv?X-Amz-Credential=AKIA/2026/s3/aws4_request&X-Amz-Signature=1f",
                None,
                "calls.emotions",
            ),
            ("https://me:word@host", None, "REDACTED@host.emotions"),
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
        old = f"{tmp_path}/older"
        monkeypatch.setattr(sys, "argv", ["x", "annotate", EXAMPLE, f"-o{old}", "-o", old, "--reuse", old])
        with pytest.raises(OutputError, match=message) as caught:
            open_or_plan(options(**change), tiny_model)
        # Of other rows and channels, those that stay the same need not be computed again.
        again = f" --reuse {tmp_path}/out" if change.keys() <= {"limit", "channel"} else ""
        assert str(caught.value).endswith(f"emoboost-batch annotate {EXAMPLE} --output {tmp_path}/out-2{again}")

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
        ledger = Ledger.create(Folder.at(tmp_path / "out"), plan, tmp_path / "p")
        found = [utterance.uri for utterance in a_few(range(plan.shards), ledger.shard_table)]
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


SIGNED = "https://host/calls/7.wav?X-Amz-Credential=AKIA%2F20260101&X-Amz-Signature=5ec2e7"
SECRETS = ("AKIA", "5ec2e7", "pa55word", "t0ken")


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


class TestSecrets:
    @pytest.mark.parametrize(
        "uri", [SIGNED, "s3://me:pa55word@bucket/7.wav", "7.wav?sig=5ec2e7", "https://t0ken@host/x"]
    )
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_a_row_with_one_is_refused(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path, uri: str, kind: str
    ) -> None:
        manifest = tmp_path / f"m.{kind}"
        rows = pd.DataFrame({"path": ["fine.wav", uri], "channel": ["0", "left"]})
        if kind == "csv":
            rows.to_csv(manifest, index=False)
        else:
            rows.to_parquet(manifest)
        with pytest.raises(ManifestError) as caught:
            open_or_plan(options(manifest=str(manifest), access=Access(http=True)), tiny_model)
        message = str(caught.value)
        assert not secrets_in(message)
        assert f"m.{kind}, {'line 3' if kind == 'csv' else 'row 2'}, column 'path', value '" in message
        assert "REDACTED" in message
        assert "holds a password, token or signature, which the output would show" in message
        assert "--storage-options" in message
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        "name", [SIGNED, "call 7 s3://me:pa55word@bucket/x", "7?sig=5ec2e7", "https://t0ken@host", "7~hmac=5ec2e7"]
    )
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_an_id_with_one_is_refused(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path, name: str, kind: str
    ) -> None:
        manifest = tmp_path / f"m.{kind}"
        rows = pd.DataFrame({"path": ["a.wav", "b.wav", "c.wav"], "utterance_id": ["call 1?part=2", name, ""]})
        if kind == "csv":
            rows.to_csv(manifest, index=False)
        else:
            rows.to_parquet(manifest)
        with pytest.raises(ManifestError) as caught:
            open_or_plan(options(manifest=str(manifest)), tiny_model)
        place = "line 3" if kind == "csv" else "row 2"
        assert str(caught.value) == (
            f"{manifest} cannot be used; 1 problem:\n  {manifest}, {place}, column 'utterance_id', value 'REDACTED': "
            "holds a password, token or signature, which the output would show; give another id, or leave it empty to "
            "have one made"
        )
        assert not (tmp_path / "out").exists()

    def test_an_id_without_end_is_refused(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        (tmp_path / "m.csv").write_text(f"path,utterance_id\na.wav,{'a://:' * 400_000}\n")
        with pytest.raises(ManifestError, match=r"line 2: the utterance_id has 2,000,000 characters"):
            open_or_plan(options(manifest=str(tmp_path / "m.csv")), tiny_model)

    def test_a_uri_without_end_is_refused(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        """Also because looking for secrets in it would take long."""
        (tmp_path / "m.csv").write_text("path\n" + "a" * 32_768 + "\n" + "a://:" * 400_000 + "\n")
        begin = time.process_time()
        with pytest.raises(ManifestError, match=r"1 problem:\n.*m\.csv, line 3: the uri has 2,000,000 characters"):
            open_or_plan(options(manifest=str(tmp_path / "m.csv")), tiny_model)
        assert time.process_time() - begin < 5

    def test_a_long_one_is_hidden_before_it_is_cut(self) -> None:
        problem = Problem(2, "is wrong", "path", f"https://me:{'pa55word' * 20}@host/7.wav")
        assert not secrets_in(problem.text("m.csv", "line"))

    @pytest.mark.parametrize("place", ["memory://me:pa55word@h/calls/*.wav", "memory://t0ken@h/calls"])
    def test_a_listing_with_one_is_refused(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, place: str
    ) -> None:
        fsspec.filesystem("memory").pipe_file(f"{place.partition('calls')[0]}calls/7.wav", b"")
        with pytest.raises(ManifestError, match=r"REDACTED@h/calls.*may hold no password") as caught:
            open_or_plan(options(manifest=place), tiny_model)
        assert not secrets_in(str(caught.value))

    @pytest.mark.parametrize("place", ["s3://me:pa55word@bucket/out", "https://host/out?sig=5ec2e7"])
    def test_an_output_with_one_is_refused(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, place: str
    ) -> None:
        with pytest.raises(OutputError, match="an output's URL may hold no password") as planning:
            open_or_plan(options(output=place), tiny_model)
        with pytest.raises(OutputError, match="an output's URL may hold no password") as describing:
            describe_plan(options(output=place))
        assert not secrets_in(f"{planning.value} {describing.value}")

    @pytest.fixture
    def signed(self, clips: list[Path]) -> str:
        """A manifest whose URL has a password, as a person typed it: it is read, and not shown."""
        place = "memory://me:pa55word@store/m.csv"
        fsspec.filesystem("memory").pipe_file(place, f"path\n{clips[0]}\nmissing.wav\n".encode())
        return place

    def test_the_plan_holds_none(
        self, options: Callable[..., AnnotateOptions], tiny_model: ModelFolder, tmp_path: Path, signed: str
    ) -> None:
        ledger = open_or_plan(options(manifest=signed), tiny_model)
        text = (tmp_path / "out/_plan/plan.json").read_text()
        assert '"manifest": "memory://REDACTED@store/m.csv"' in text
        assert '"base": "memory://REDACTED@store"' in text
        # What the workers are told still leads there.
        assert ledger.plan.base == "memory://me:pa55word@store"
        assert open_or_plan(options(manifest=signed), tiny_model) == ledger
        for file in (tmp_path / "out").rglob("*"):
            assert file.is_dir() or not secrets_in(file.read_bytes().decode(errors="replace"))

    def test_the_description_of_a_run_holds_none(self, options: Callable[..., AnnotateOptions], signed: str) -> None:
        assert not secrets_in(json.dumps(describe_plan(options(manifest=signed))))

    def test_the_base_of_a_signed_manifest(self) -> None:
        place = Place(SIGNED.replace("%2F", "/"), PatientStore("m", fsspec.filesystem("memory")), "m", "file", Access())
        assert place.parent == "https://host/calls"

    def test_the_suggested_command_holds_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        words = ["x", "annotate", SIGNED, "--storage-options", '{"anon": "t0ken"}', '--storage-options={"k": "t0ken"}']
        monkeypatch.setattr(sys, "argv", words)
        command = command_with_output("out-2")
        assert not secrets_in(" ".join(command))
        assert command[3:6] == ["--storage-options", "@FILE", "--storage-options=@FILE"]

    def test_a_failing_command_shows_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        def fail() -> Exit:
            raise ValueError(f"cannot read {SIGNED}")

        with pytest.raises(SystemExit):
            run(fail, debug=True)
        shown = capsys.readouterr().err
        assert "Traceback" in shown
        assert not secrets_in(shown)

    def test_the_log_of_a_failing_job_holds_none(self, tmp_path: Path) -> None:
        with pytest.raises(EmoboostError) as caught, told_plainly(tmp_path, "go on"):
            raise ValueError(f"cannot read {SIGNED}")
        log = (tmp_path / "failure.log").read_text()
        assert "cannot read https://host" in log
        assert not secrets_in(f"{caught.value} {log}")


class TestAccess:
    def test_a_root_that_is_no_folder(self, options: Callable[..., AnnotateOptions], tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for root in (tmp_path / "file", tmp_path / "none"):
            made = options(access=Access(root=str(root)))
            with pytest.raises(UsageError, match=f"^--root {root}: no such folder; give the folder"):
                annotate_command(made, max_errors=0, dry_run=True, as_json=False)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"http": True}, "allow_http was False and is now True"),
            ({"root": "/"}, "root was False and is now True"),
            ({"max_bytes": 10**9}, "max_bytes was 274877906944 and is now 1000000000"),
        ],
    )
    def test_another_access_is_another_run(
        self,
        options: Callable[..., AnnotateOptions],
        tiny_model: ModelFolder,
        changed: dict[str, Any],
        message: str,
    ) -> None:
        open_or_plan(options(), tiny_model)
        with pytest.raises(OutputError, match=message):
            open_or_plan(options(access=Access(**changed)), tiny_model)

    def test_the_command_line_gives_it(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        given: list[AnnotateOptions] = []

        def keep(options: AnnotateOptions, **_: object) -> Exit:
            given.append(options)
            return Exit.COMPLETE

        monkeypatch.setattr("jobs.annotate_command.annotate_command", keep)
        monkeypatch.chdir(tmp_path)
        words = ["annotate", "m.csv", "--root", "calls", "--allow-http", "--max-bytes", "9", "--max-channels", "2"]
        words += ["--max-sample-rate", "8000", "--max-decode-seconds", "7"]
        assert CliRunner().invoke(app, words).exit_code == 0
        assert CliRunner().invoke(app, ["annotate", "m.csv"]).exit_code == 0
        root = str(tmp_path / "calls")
        expected = Access(
            root=root, http=True, max_bytes=9, max_channels=2, max_sample_rate=8_000, max_decode_seconds=7.0
        )
        assert [options.access for options in given] == [expected, Access()]

    @pytest.mark.parametrize("option", ["--max-bytes", "--max-channels", "--max-sample-rate", "--max-decode-seconds"])
    def test_no_limit_is_below_one(self, option: str) -> None:
        result = CliRunner().invoke(app, ["annotate", "m.csv", option, "0"])
        assert result.exit_code == 2
        assert option in result.output
