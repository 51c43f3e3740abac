"""Keeping passwords, tokens and signatures out of everything that is shown or stored."""

import re

REPLACEMENT = "REDACTED"
EXACT_NAMES = ("sig", "auth", "api_key", "jwt", "hmac", "passwd", "pwd", "googleaccessid")
"""Parameters whose value is secret, whatever their case, with or without what joins the words; `sig` is Azure's."""
NAME_ENDINGS = (
    *("signature", "credential", "token", "secret", "password", "secret_key", "access_key", "access_key_id"),
    *("account_key", "connection_string"),
)
"""So is that of every parameter whose name ends so: `X-Amz-Signature`, `SecretAccessKey`, `access_token`, …"""


def _spelled(name: str) -> str:
    """A pattern for a name, each of whose letters may be percent-encoded, as a server reads it."""
    joint = "(?:[_-]|%5f|%2d)?"
    return "".join(joint if a == "_" else f"(?:{a}|%{ord(a):02x}|%{ord(a.upper()):02x})" for a in name)


# Text comes from strangers, too: nothing here takes more than linear time, but for the bounded length of a password.
_BEGINNING = r"(?:[\w.-]|%[0-9a-f]{2})*"
_NAME = rf"(?:{'|'.join(map(_spelled, EXACT_NAMES))}|{_BEGINNING}(?:{'|'.join(map(_spelled, NAME_ENDINGS))}))"
_VALUE = rf"(?!{REPLACEMENT}(?![\w%.~+/-]))[^&#\s\"'<>]*[^&#\s\"'<>:]"
# `~` is what parts of one signed parameter have between them: hdnts=exp=…~acl=…~hmac=…
_QUERY = re.compile(rf"([?&;#~]{_NAME}=){_VALUE}", re.IGNORECASE)
_ASSIGNED = re.compile(rf"((?:^|(?<=[\s\"'(\[{{,])){_NAME}=){_VALUE}", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(rf"((?P<q>[\"'])(?:key|{_NAME})(?P=q)\s*:\s*(?P<v>[\"']))(?:\\.|(?!(?P=v)).)*", re.IGNORECASE)
_HEADER = re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)[^\s\"',;]+", re.IGNORECASE)
# A password may hold slashes that should have been encoded; a number before the first slash is a port.
_PASSWORD = re.compile(
    r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://)(?!\[)[^\s/?#:]*:(?!\d{1,5}[/?#])[^\s@\"<>]{0,4096}@", re.IGNORECASE
)
# Up to the last @ before the path, as browsers read it. Azure writes the name of a container where others write a user:
# abfs://container@account.dfs.core.windows.net/…
_USER = re.compile(
    r"((?<![a-z0-9+.-])(?!abfss?:|az:)[a-z][a-z0-9+.-]*://)"
    rf"(?!{REPLACEMENT}@[^\s/?#@\"<>]*(?:[\s/?#\"<>]|$))[^\s/?#\"<>]+@",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Text with every password, token and signature replaced; what has none is returned as it is.

    Found are user-info in URLs, parameters of URLs and assignments by name (`EXACT_NAMES`, `NAME_ENDINGS`), the same
    names as keys of JSON or of a Python dictionary, and headers called Authorization. A secret that nothing names, such
    as a path that only its owner knows, cannot be found.

    >>> redacted("https://me:pass@host/7.wav?X-Amz-Signature=1f&versionId=2: there is no such file")
    'https://REDACTED@host/7.wav?X-Amz-Signature=REDACTED&versionId=2: there is no such file'

    Args:
        text: a URL, a message, a traceback, of any length.
    """
    for pattern in (_PASSWORD, _USER):
        text = pattern.sub(rf"\g<1>{REPLACEMENT}@", text)
    for pattern in (_QUERY, _ASSIGNED, _QUOTED, _HEADER):
        text = pattern.sub(rf"\g<1>{REPLACEMENT}", text)
    return text


def holds_secret(uri: str) -> bool:
    """Whether a path or URL has user-info that is secret, or a secret parameter in its query.

    >>> holds_secret("https://host/7.wav?token=abc"), holds_secret("s3://bucket/token=5/7.wav")
    (True, False)
    """
    return any(pattern.search(uri) for pattern in (_PASSWORD, _USER, _QUERY))
