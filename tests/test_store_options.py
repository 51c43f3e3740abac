"""What the user gives to open stores with: read early, never shown, and given to no one else."""

from pathlib import Path

import pytest

from emoboost.access import Access
from emoboost.errors import UsageError
from emoboost.store_options import options_for, parse_storage_options
from jobs.planning import without_secrets

SECRET = "do-not-show"


def test_text_or_file(tmp_path: Path) -> None:
    file = tmp_path / "größe.json"
    file.write_text('{"key": "k", "client_kwargs": {"region_name": "eu"}}', encoding="utf-8")
    expected = {"key": "k", "client_kwargs": {"region_name": "eu"}}
    assert parse_storage_options(file.read_text(encoding="utf-8")) == expected
    assert parse_storage_options(f"@{file}") == expected
    assert parse_storage_options(None) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"secret": "{SECRET}"', "--storage-options: is not JSON (Expecting ',' delimiter, line 1, column 25)"),
        (f'["{SECRET}"]', "--storage-options: must be a JSON object"),
        ("", "--storage-options: is not JSON"),
        ("@none.json", "--storage-options @none.json: cannot be read (No such file or directory)"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_storage_options(text)
    assert str(caught.value).startswith(message)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "--debug would show what was given"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        parse_storage_options(f"@{tmp_path / 'x'}")


def test_each_store_gets_its_own() -> None:
    both = {"s3": {"key": "k"}, "gs": {"token": "anon"}}
    assert options_for("gs://b/a", both) == {"token": "anon"}
    assert options_for("s3://b/a", both)["key"] == "k"
    assert options_for("memory://b/a", both) == {}
    assert options_for("memory://b/a", {"key": "k"}) == {"key": "k"}


@pytest.mark.parametrize("options", [{"secret": SECRET}, {"s3": {"secret": SECRET}}])
def test_a_web_server_gets_no_secret(options: dict[str, object]) -> None:
    assert SECRET not in repr(options_for("http://elsewhere.example/a.wav", options))


def test_limits_of_s3_can_be_changed() -> None:
    config = options_for("s3://b/a", {"config_kwargs": {"read_timeout": 5, "signature_version": "s3v4"}})[
        "config_kwargs"
    ]
    assert config["read_timeout"] == 5
    assert config["signature_version"] == "s3v4"
    assert config["retries"]["total_max_attempts"] == 1


def test_they_are_not_shown() -> None:
    assert SECRET not in repr(Access(storage_options={"secret": SECRET}))


def test_a_suggested_command_does_not_repeat_them() -> None:
    typed = [
        "annotate",
        "--storage-options",
        f'{{"secret": "{SECRET}"}}',
        "a.csv",
        f'--storage-options={{"s": "{SECRET}"}}',
    ]
    shown = without_secrets(typed)
    assert shown == ["annotate", "--storage-options", "@FILE", "a.csv", "--storage-options=@FILE"]
    assert without_secrets(["--storage-options", "@mine.json", "b"]) == ["--storage-options", "@mine.json", "b"]
