"""Secrets are found in whatever text they stand; everything else stays."""

import json
import pickle
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoboost.errors import AudioError, AudioErrorType, ManifestError
from emoboost.redaction import REPLACEMENT, holds_secret, redacted

SECRETS = st.text(string.ascii_letters + string.digits + "+/=%._~-", min_size=12, max_size=60).map(lambda s: f"S{s}9")
NAMES = st.sampled_from(
    [
        *("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature", "X-Goog-Credential"),
        *("Signature", "AWSAccessKeyId", "GoogleAccessId", "sig", "token", "access_token", "auth_token", "api_key"),
        *("password", "client_secret", "SIG", "Token", "aws_secret_access_key"),
        *("account_key", "AccountKey", "connection_string", "ConnectionString", "SecretAccessKey", "secret-key"),
        *("%58-Amz-Signature", "X-Amz-%53ignature", "X%2dAmz-Signatur%65", "%73%69%67", "access%5Fkey", "%48mac"),
    ]
)
SCHEMES = st.sampled_from(["https", "http", "s3", "gs", "HTTPS", "ftp"])
AROUND = st.text(string.ascii_letters + string.digits + " .,:()[]\n'\"", max_size=30)


@given(AROUND, SCHEMES, NAMES, SECRETS, st.booleans(), AROUND)
def test_a_parameter(before: str, scheme: str, name: str, secret: str, first: bool, after: str) -> None:
    url = f"{scheme}://host/a/7.wav?{'' if first else 'versionId=3&'}{name}={secret}"
    text = redacted(f"{before} {url} {after}")
    assert secret not in text
    assert f"{scheme}://host/a/7.wav?" in text
    assert f"{name}={REPLACEMENT}" in text
    assert holds_secret(url)
    assert not holds_secret(redacted(url))


@given(AROUND, SCHEMES, st.sampled_from(["", "me:", "me@firm.example:"]), SECRETS, AROUND)
def test_user_info(before: str, scheme: str, user: str, secret: str, after: str) -> None:
    # A slash is encoded where there is no colon before it; otherwise nobody could tell it from a path.
    secret = secret if user else secret.replace("/", "%2F")
    url = f"{scheme}://{user}{secret}@host/a/7.wav"
    text = redacted(f"{before} {url} {after}")
    assert secret not in text
    assert f"{scheme}://{REPLACEMENT}@host/a/7.wav" in text
    assert holds_secret(url)
    assert not holds_secret(redacted(url))


@given(st.text(max_size=200))
def test_twice_is_once(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


@given(st.dictionaries(st.sampled_from(["key", "secret", "token", "password"]), SECRETS, min_size=1))
def test_options_of_a_store(options: dict[str, str]) -> None:
    for text in (json.dumps(options), repr(options), f"Access(storage_options={options})"):
        assert not [secret for secret in options.values() if secret in redacted(text)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("headers: {'Authorization': 'Bearer abc.def'}", "headers: {'Authorization': 'Bearer REDACTED'}"),
        ("Authorization: Basic YWJj", "Authorization: Basic REDACTED"),
        ("RAY_AUTH_TOKEN=0f3a in the environment", "RAY_AUTH_TOKEN=REDACTED in the environment"),
        ("s3://me:a/b/c@bucket/7.wav", "s3://REDACTED@bucket/7.wav"),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aZ+/9==;EndpointSuffix=core.windows.net",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=REDACTED",
        ),
        ("AccountKey=aZ+/9==", "AccountKey=REDACTED"),
        ("{'connection_string': 'AccountKey=aZ'}", "{'connection_string': 'REDACTED'}"),
        ('{"account_key": "aZ"}', '{"account_key": "REDACTED"}'),
        ('{"SecretAccessKey":"aZ"}', '{"SecretAccessKey":"REDACTED"}'),
        ("https://h/7.wav?hdnts=exp=9~acl=/*~hmac=0f3a", "https://h/7.wav?hdnts=exp=9~acl=/*~hmac=REDACTED"),
        ("https://h/7.wav?%58-Amz-%53ignature=0f3a", "https://h/7.wav?%58-Amz-%53ignature=REDACTED"),
        ("https://me:pa@ss@host/x", "https://REDACTED@host/x"),
        ("https://me:pass@host:80/x?sig=1#token=2", "https://REDACTED@host:80/x?sig=REDACTED#token=REDACTED"),
    ],
)
def test_other_forms(text: str, kept: str) -> None:
    assert redacted(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/token=5/signature=a/7.wav: there is no such file",
        "/data/password=1/7.wav",
        "~/hmac/7=1.wav",
        "https://host/7.wav?%58-Amz-Date=1&account=2&connection=3",
        "hf://datasets/user/corpus@main/7.wav",
        "abfs://container@account.dfs.core.windows.net/7.wav",
        "http://host:8080/mail@firm/7.wav",
        "https://[fd00::1]:8080/a@b/7.wav?versionId=3&part=2",
        "set RAY_AUTH_MODE=token with RAY_AUTH_TOKEN, see --root and --allow-http",
        "calls.csv, line 7, column 'start', value '-1': is negative",
        "speaker@firm.example said: the token is in the file",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text
    assert not holds_secret(text)


@pytest.mark.parametrize(
    "piece",
    [
        *("a", "a:", "a://", "a://:", "a://b@", "://", "?", "?token", "sig=", "?sig=:", "&", '"key"', "'key': '", "\\"),
        *("authorization:", " token", "REDACTED@", "a://REDACTED@", "é", "a.", "_-", " \n"),
        *("~", "~hmac", "%58", "?%58", "%73", "~%", "?%73ig", "token%2d", "access_", " %74oken"),
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (32_768 // len(piece))
    begin = time.process_time()
    redacted(text)
    holds_secret(text)
    assert time.process_time() - begin < 2


def test_errors_hold_none() -> None:
    url = "https://me:pass@host/7.wav?sig=abc"
    for error in (ManifestError(f"{url}: is empty"), AudioError(AudioErrorType.EMPTY, f"{url}: is empty")):
        for same in (error, pickle.loads(pickle.dumps(error))):
            assert str(same) == "https://REDACTED@host/7.wav?sig=REDACTED: is empty"
            assert "pass" not in repr(same)
