"""What a failing store means: said by a real S3 server, by a network that breaks, and by other kinds of stores."""

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fault_proxy import FaultProxy, fault_proxy, lost_answer, reset, reset_in_body, status, truncated
from s3_server import LIMITED_KEY, LIMITED_SECRET, LIMITED_TO, S3, options_for_server

from emoboost.access import Access
from emoboost.errors import StorageStop
from emoboost.patience import OutOfPatienceError
from emoboost.patient_store import PatientStore
from emoboost.storage_errors import Trouble, passes, reason_of, trouble_of

KEY, BUCKET_URL = "there.bin", "s3://errors-tests"
CONTENT = bytes(range(256)) * 40
NO_ADDRESS = "http://no-such-host.invalid"


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    url = s3.make_bucket("errors-tests")
    store, path = at(f"{url}/{KEY}", s3.options)
    store.write(path, CONTENT)
    return url


@pytest.fixture
def proxy(s3: S3, bucket: str) -> Iterator[FaultProxy]:
    with fault_proxy(s3.endpoint) as running:
        yield running


def at(url: str, options: dict[str, object], seconds: float = 0.0) -> tuple[PatientStore, str]:
    return PatientStore.at(url, Access(storage_options=options, retry_seconds=seconds).of_named)


def failure(act: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
        act()
    return caught.value


REQUESTS = {
    "info": lambda store, path: store.info(path),
    "read": lambda store, path: store.read(path),
    "range": lambda store, path: store.ask(path, lambda: store.filesystem.cat_file(path, start=0, end=4)),
}
LISTING = {"ls": lambda store, path: store.ls(path.rsplit("/", 1)[0])}
WRITING = {
    "write": lambda store, path: store.write(path + ".new", b"1"),
    "create": lambda store, path: store.create(path + ".new", b"1"),
}


def options_of(s3: S3, **changes: str) -> dict[str, object]:
    return {**s3.options, **changes}


class TestSetUp:
    @pytest.mark.parametrize("request_", [*REQUESTS, *LISTING, *WRITING])
    @pytest.mark.parametrize(
        ("changes", "code", "fix"),
        [
            ({"key": "nobody"}, "InvalidAccessKeyId", "check the credentials"),
            ({"secret": "wrong"}, "SignatureDoesNotMatch", "check the credentials"),
        ],
    )
    def test_wrong_credentials(
        self, s3: S3, bucket: str, request_: str, changes: dict[str, str], code: str, fix: str
    ) -> None:
        """HEAD answers 403 without a reason, which alone would be this one object's."""
        store, path = at(f"{bucket}/{KEY}", options_of(s3, **changes), seconds=60)
        stopped = failure(lambda: {**REQUESTS, **LISTING, **WRITING}[request_](store, path))
        assert isinstance(stopped, StorageStop)
        assert str(stopped).startswith(f"{bucket}/{KEY}: the store cannot be used ({code}: ")
        assert fix in str(stopped)
        assert "wrong" not in str(stopped)

    @pytest.mark.parametrize("request_", [*REQUESTS, *LISTING])
    def test_no_such_bucket(self, s3: S3, request_: str) -> None:
        store, path = at("s3://never-made/a.wav", s3.options)
        stopped = failure(lambda: {**REQUESTS, **LISTING}[request_](store, path))
        assert isinstance(stopped, StorageStop)
        assert "NoSuchBucket" in str(stopped)
        assert "make the bucket" in str(stopped)

    def test_the_bucket_itself(self, s3: S3) -> None:
        store, path = at("s3://never-made", s3.options)
        assert isinstance(failure(lambda: store.info(path)), StorageStop)
        assert isinstance(failure(lambda: store.isdir(path)), StorageStop)

    @pytest.mark.parametrize(
        "code", ["ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed", "RequestTimeTooSkewed"]
    )
    def test_codes_that_this_server_does_not_give(self, code: str) -> None:
        from botocore.exceptions import ClientError
        from s3fs.errors import translate_boto_error

        said = ClientError({"Error": {"Code": code, "Message": "as it said"}}, "GetObject")
        error = translate_boto_error(said)
        assert trouble_of(error) is Trouble.SETUP
        assert reason_of(error) == f"{code}: as it said"

    def test_no_credentials_at_all(self, bucket: str, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in s3.environment:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        options = {key: value for key, value in s3.options.items() if key not in ("key", "secret")}
        store, path = at(f"{bucket}/{KEY}", options)
        stopped = failure(lambda: store.info(path))
        assert isinstance(stopped, StorageStop)
        assert "check the credentials" in str(stopped)

    def test_a_certificate_that_nobody_trusts(self) -> None:
        assert trouble_of(ssl.SSLCertVerificationError("self-signed certificate")) is Trouble.SETUP


class TestOneObject:
    @pytest.mark.parametrize("request_", REQUESTS)
    def test_missing(self, s3: S3, bucket: str, request_: str) -> None:
        store, path = at(f"{bucket}/nothing.wav", s3.options, seconds=60)
        error = failure(lambda: REQUESTS[request_](store, path))
        assert isinstance(error, FileNotFoundError)
        assert trouble_of(error) is Trouble.MISSING

    @pytest.mark.parametrize("request_", REQUESTS)
    def test_denied(self, s3: S3, request_: str) -> None:
        """Beside an object that the same identity may read."""
        url = s3.make_bucket(LIMITED_TO) if request_ == "info" else f"s3://{LIMITED_TO}"
        ours, root = at(url, s3.options)
        for name in ("open/a.wav", "closed/a.wav"):
            ours.write(f"{root}/{name}", CONTENT)
        store, _ = at(url, options_for_server(s3.endpoint, LIMITED_KEY, LIMITED_SECRET), seconds=60)
        REQUESTS[request_](store, f"{root}/open/a.wav")
        error = failure(lambda: REQUESTS[request_](store, f"{root}/closed/a.wav"))
        assert isinstance(error, PermissionError)
        assert trouble_of(error) is Trouble.DENIED
        assert reason_of(error).startswith("AccessDenied: ")


class TestPassing:
    @pytest.mark.parametrize("request_", [*REQUESTS, *LISTING, *WRITING])
    @pytest.mark.parametrize(
        "fault",
        [status(429), status(500), status(503), status(504), reset(), lost_answer()],
        ids=lambda fault: fault.name,
    )
    def test_answers_and_connections(self, proxy: FaultProxy, request_: str, fault: Any) -> None:
        store, path = at(f"{BUCKET_URL}/{KEY}", options_for_server(proxy.endpoint))
        path += request_ + fault.name.replace(" ", "") if request_ in WRITING else ""
        proxy.add(fault)
        error = failure(lambda: {**REQUESTS, **LISTING, **WRITING}[request_](store, path))
        assert isinstance(error, OutOfPatienceError)
        assert trouble_of(error) is Trouble.TRANSIENT
        assert reason_of(error).startswith("1 attempt in ")

    @pytest.mark.parametrize("fault", [truncated(), reset_in_body(), truncated(0.0)], ids=lambda fault: fault.name)
    def test_bodies(self, proxy: FaultProxy, fault: Any) -> None:
        store, path = at(f"{BUCKET_URL}/{KEY}", options_for_server(proxy.endpoint))
        proxy.add(fault, method="GET")
        error = failure(lambda: store.read(path))
        assert isinstance(error, OutOfPatienceError)
        assert trouble_of(error) is Trouble.TRANSIENT

    @pytest.mark.parametrize(("fault", "requests"), [(status(503), 1), (truncated(), 1), (reset(), 2)])
    def test_each_attempt_is_one_request(self, proxy: FaultProxy, fault: Any, requests: int) -> None:
        """The retries of botocore and of s3fs would make 25 of it; aiohttp's one, for a closed connection, stays."""
        store, path = at(f"{BUCKET_URL}/{KEY}", options_for_server(proxy.endpoint))
        proxy.add(fault)
        failure(lambda: REQUESTS["range"](store, path))
        assert proxy.requests() == requests

    def test_it_goes_on(self, proxy: FaultProxy) -> None:
        store, path = at(f"{BUCKET_URL}/{KEY}", options_for_server(proxy.endpoint), seconds=30)
        for fault in (status(503), reset(), truncated()):
            proxy.add(fault, method="GET", times=1)
        assert store.read(path) == CONTENT
        assert proxy.requests("GET") == 4

    def test_a_store_that_comes_back(self, proxy: FaultProxy) -> None:
        store, path = at(f"{BUCKET_URL}/{KEY}", options_for_server(proxy.endpoint), seconds=0.3)
        assert store.read(path) == CONTENT
        proxy.down()
        stopped = failure(lambda: store.read(path))
        assert isinstance(stopped, StorageStop)
        assert "check the network" in str(stopped)
        proxy.up()
        assert store.read(path) == CONTENT

    def test_a_connection_that_hangs(self) -> None:
        options: dict[str, Any] = {"config_kwargs": {"read_timeout": 0.3}}
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"http://127.0.0.1:{server.getsockname()[1]}"
            store, path = at("s3://any/a.wav", {**options_for_server(address), **options})
            error = failure(lambda: store.read(path))
        assert isinstance(error, OutOfPatienceError)
        assert trouble_of(error) is Trouble.TRANSIENT


class TestUnreachable:
    @pytest.mark.parametrize("request_", [*REQUESTS, *LISTING, *WRITING])
    @pytest.mark.parametrize("address", [NO_ADDRESS, "closed port"])
    def test_s3(self, request_: str, address: str) -> None:
        if address == "closed port":
            with socket.create_server(("127.0.0.1", 0)) as server:
                address = f"http://127.0.0.1:{server.getsockname()[1]}"
        store, path = at("s3://any/a.wav", options_for_server(address), seconds=0.1)
        stopped = failure(lambda: {**REQUESTS, **LISTING, **WRITING}[request_](store, path))
        assert isinstance(stopped, StorageStop)
        assert str(stopped).startswith("s3://any/a.wav: the store cannot be used (")
        assert " attempt" in str(stopped)
        assert "check the network and the store's address" in str(stopped)
        assert stopped.__cause__ is not None
        assert passes(stopped.__cause__)


class TestOtherStores:
    def test_memory(self) -> None:
        store, path = at("memory://errors/nothing.wav", {})
        assert trouble_of(failure(lambda: store.read(path))) is Trouble.MISSING
        assert isinstance(failure(lambda: store.info(path)), FileNotFoundError)

    def test_local_files(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"1")
        local = fsspec.filesystem("file")
        assert trouble_of(failure(lambda: local.cat_file(str(tmp_path / "none")))) is Trouble.MISSING
        assert trouble_of(failure(lambda: local.cat_file(str(tmp_path / "file/below")))) is Trouble.MISSING
        assert trouble_of(failure(lambda: local.cat_file(str(tmp_path)))) is Trouble.OTHER

    @pytest.mark.parametrize(
        ("number", "trouble"),
        [
            *((number, Trouble.TRANSIENT) for number in (408, 429, 500, 502, 503)),
            *((401, Trouble.DENIED), (403, Trouble.DENIED), (404, Trouble.MISSING), (410, Trouble.MISSING)),
            *((400, Trouble.OTHER), (501, Trouble.OTHER)),
        ],
    )
    def test_a_web_server(self, proxy: FaultProxy, number: int, trouble: Trouble) -> None:
        proxy.add(status(number))
        store, path = at(f"{proxy.endpoint}/a.wav", {})
        for request in (lambda: store.info(path), lambda: store.read(path)):
            assert trouble_of(failure(request)) is trouble

    def test_a_web_server_that_is_not_there(self) -> None:
        store, path = at(f"{NO_ADDRESS}/a.wav", {})
        assert isinstance(failure(lambda: store.info(path)), StorageStop)
        assert isinstance(failure(lambda: store.read(path)), StorageStop)

    @pytest.mark.parametrize(
        ("error", "trouble"),
        [
            (TimeoutError(), Trouble.TRANSIENT),
            (ConnectionResetError(errno.ECONNRESET, "reset"), Trouble.TRANSIENT),
            (ConnectionRefusedError(), Trouble.UNREACHABLE),
            (socket.gaierror(-3, "no answer"), Trouble.UNREACHABLE),
            (ValueError("else"), Trouble.OTHER),
        ],
    )
    def test_the_operating_system(self, error: Exception, trouble: Trouble) -> None:
        assert trouble_of(error) is trouble
