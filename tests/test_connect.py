"""The address of a cluster is looked at before any work."""

import socket

import pytest

from cluster.connect import refuse_unreachable
from emoboost.errors import UsageError


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_nothing_listens(form: str) -> None:
    address = form.format(closed_port())
    with pytest.raises(UsageError, match=rf"no Ray cluster answers at {address} \(.*refused\); check --ray-address"):
        refuse_unreachable(address)


@pytest.mark.parametrize("address", ["no-such-host.invalid:6379", "127.0.0.1:99999"])
def test_nowhere(address: str) -> None:
    with pytest.raises(UsageError, match=f"no Ray cluster answers at {address}"):
        refuse_unreachable(address)


def test_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port()}")
    with pytest.raises(UsageError, match="no Ray cluster answers at 127"):
        refuse_unreachable(None)


def test_somebody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        refuse_unreachable(f"127.0.0.1:{server.getsockname()[1]}")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for address in (None, "auto", "local"):
        refuse_unreachable(address)
