"""What a failing store means: ask again, give up this object, or stop because the set-up is wrong.

Every fsspec file system has exceptions of its own, and most packages of stores are not installed. So this reads what
they say (codes, HTTP statuses, names of classes) along the chain of causes, and imports none of them.
"""

from collections.abc import Iterator
from enum import Enum, auto

from emoboost.errors import StorageStop
from emoboost.patience import OutOfPatienceError


class Trouble(Enum):
    """What to do about a failure."""

    TRANSIENT = auto()
    """Ask again: timeout, too many requests, an error of the server, a connection that broke."""
    UNREACHABLE = auto()
    """Ask again, then stop: the host has no address or takes no connection."""
    MISSING = auto()
    """This object is not there."""
    DENIED = auto()
    """This object may not be read or written."""
    SETUP = auto()
    """Nothing there will ever work: credentials, bucket, region or certificate."""
    OTHER = auto()


CREDENTIALS = "check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, your store's, or --storage-options)"
RENEW = "renew the credentials"
BUCKET = "make the bucket, or correct its name or the store's address"
REGION = "name the bucket's region: AWS_DEFAULT_REGION, or client_kwargs.region_name in --storage-options"
CLOCK = "set this machine's clock"
CERTIFICATE = "check the address and its certificate"
NETWORK = "check the network and the store's address (AWS_ENDPOINT_URL, or endpoint_url in --storage-options)"
RIGHTS = "let the job's user list, read and write there"
LATER = "wait until the store is well again"

_SETUP_FIXES = {
    **dict.fromkeys(("ExpiredToken", "TokenRefreshRequired", "RequestExpired", "ExpiredTokenException"), RENEW),
    **dict.fromkeys(("InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity"), CREDENTIALS),
    **dict.fromkeys(("UnrecognizedClientException", "InvalidClientTokenId", "NotSignedUp"), CREDENTIALS),
    **dict.fromkeys(("AuthenticationFailed", "InvalidAuthenticationInfo", "AccountProblem"), CREDENTIALS),
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName", "ContainerNotFound"), BUCKET),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"), REGION
    ),
    "RequestTimeTooSkewed": CLOCK,
}
"""Code that a store gives for a wrong set-up -> what to do."""

_BY_CODE = {
    **dict.fromkeys(_SETUP_FIXES, Trouble.SETUP),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion", "BlobNotFound"), Trouble.MISSING),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "InvalidObjectState"), Trouble.DENIED),
    **dict.fromkeys(("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"), Trouble.TRANSIENT),
    **dict.fromkeys(("IncompleteBody", "OperationAborted", "ConditionalRequestConflict"), Trouble.TRANSIENT),
    "XAmzContentSHA256Mismatch": Trouble.TRANSIENT,
    **dict.fromkeys(("Throttling", "RequestLimitExceeded", "ServerBusy", "OperationTimedOut"), Trouble.TRANSIENT),
}

_BY_STATUS = {
    **dict.fromkeys((408, 425, 429, *range(500, 600)), Trouble.TRANSIENT),
    **dict.fromkeys((404, 410), Trouble.MISSING),
    **dict.fromkeys((401, 403, 451), Trouble.DENIED),
    301: Trouble.SETUP,
    **dict.fromkeys((501, 505), Trouble.OTHER),
}

_SETUP_CLASSES = {
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"), CREDENTIALS),
    **dict.fromkeys(("TokenRetrievalError", "NoAuthTokenError", "ProfileNotFound"), CREDENTIALS),
    **dict.fromkeys(("DefaultCredentialsError", "RefreshError", "CredentialUnavailableError"), CREDENTIALS),
    **dict.fromkeys(("SSLCertVerificationError", "ClientConnectorCertificateError"), CERTIFICATE),
    "NoRegionError": REGION,
}

_BY_CLASS = (
    # A recording may not come from there, or a redirect leads nowhere, however often one asks.
    (Trouble.OTHER, {"RefusedAddressError", "RedirectClientError"}),
    (Trouble.SETUP, set(_SETUP_CLASSES)),
    # The first of these is a broken connection, which botocore raises as one that was never made.
    (Trouble.TRANSIENT, {"ConnectionResetError", "BrokenPipeError", "ServerDisconnectedError"}),
    (Trouble.UNREACHABLE, {"gaierror", "ConnectionRefusedError", "ClientConnectorError", "EndpointConnectionError"}),
    (Trouble.UNREACHABLE, {"ProxyConnectionError", "ConnectTimeoutError", "ConnectionTimeoutError", "SSLError"}),
    (Trouble.UNREACHABLE, {"ServiceRequestError"}),
    (Trouble.TRANSIENT, {"TimeoutError", "ConnectionError", "ClientConnectionError", "ClientPayloadError"}),
    (Trouble.TRANSIENT, {"HTTPClientError", "IncompleteReadError", "ResponseParserError"}),
    (Trouble.TRANSIENT, {"ServiceResponseError"}),
    (Trouble.MISSING, {"FileNotFoundError", "NotADirectoryError"}),
    (Trouble.DENIED, {"PermissionError"}),
)
"""In the order in which they are looked for, each along the whole chain."""

LONGEST_CHAIN = 10

AGAIN = (Trouble.TRANSIENT, Trouble.UNREACHABLE)


def trouble_of(error: BaseException) -> Trouble:
    """What a failure means, whichever file system raised it.

    >>> trouble_of(ConnectionRefusedError()), trouble_of(PermissionError("Access Denied"))
    (<Trouble.UNREACHABLE: 2>, <Trouble.DENIED: 4>)
    """
    return _decisive(error)[0]


def passes(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return trouble_of(error) in AGAIN


def is_silent(error: BaseException) -> bool:
    """Whether a store answered with a bare HTTP status: an answer to HEAD has no body that would give the reason."""
    codes = [code for each in _causes(error) if (code := _code(each))]
    return bool(codes) and codes[0].isdecimal() and int(codes[0]) < 500


def reason_of(error: BaseException) -> str:
    """What the store said, in one line, without the address that it was asked for where that is possible."""
    if isinstance(error, OutOfPatienceError):
        return f"{error}; the last: {reason_of(error.__cause__)}" if error.__cause__ else str(error)
    _, decisive = _decisive(error)
    code, status = _code(decisive), _status(decisive)
    if code and not code.isdecimal():
        return f"{code}: {_message(decisive)}"
    if status:
        return f"HTTP status {status} {_message(decisive)}".strip()
    return " ".join(f"{type(decisive).__name__}: {getattr(decisive, 'strerror', None) or decisive}".split())


def stop(place: str, error: Exception) -> StorageStop:
    """The end of a job whose store failed so."""
    fixes = [_SETUP_FIXES[code] for each in _causes(error) if (code := _code(each)) in _SETUP_FIXES]
    fixes += [fix for each in _chain(error) for name, fix in _SETUP_CLASSES.items() if name in _classes(each)]
    by_trouble = {Trouble.UNREACHABLE: NETWORK, Trouble.TRANSIENT: LATER, Trouble.SETUP: REGION}
    fix = fixes[0] if fixes else by_trouble.get(trouble_of(error), RIGHTS)
    return StorageStop(place, reason_of(error), fix)


def _decisive(error: BaseException) -> tuple[Trouble, BaseException]:
    """What a failure means, and which of the chain of causes says so."""
    for each in _causes(error):
        if said := _BY_CODE.get(_code(each)):
            return said, each
        if status := _status(each):
            return _BY_STATUS.get(status, Trouble.OTHER), each
    chain = list(_chain(error))
    for trouble, classes in _BY_CLASS:
        for each in chain:
            if classes & _classes(each):
                return trouble, each
    return Trouble.OTHER, error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was explicitly raised from."""
    seen: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """As `_causes`, with what was being handled: botocore tells no other way why there was no connection.

    What the store said to an earlier request is in there, too, so codes are not looked for in it.
    """
    seen: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _code(error: object) -> str:
    """The store's own word for it; botocore puts the HTTP status here when there is none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return str(getattr(error, "error_code", None) or "")


def _message(error: object) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Message", ""))
    return str(getattr(error, "message", ""))


def _status(error: object) -> int:
    """HTTP status; 0 when there is none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        # aiohttp, Azure, gcsfs; aiohttp's errors of other kinds have a code too, which is no answer's.
        names = ("status", "status_code", *(("code",) if type(error).__name__ == "HttpError" else ()))
        status = next((number for name in names if (number := getattr(error, name, None))), 0)
    return int(status) if str(status).isdecimal() and int(status) >= 300 else 0


def _classes(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
