"""What a run opens to the network, and who may use it.

All of it is on the loopback interface: gRPC ports of gcs_server (1), raylet (2), the driver and each worker (1 each),
which ask for the session's token, and the HTTP port of ray::RuntimeEnvAgent, which answers 401 without it. There is no
dashboard. Everything is on a random port and ends with the run.
"""

import ipaddress
import re
import subprocess
import sys

from pipeline.conftest import Terminated
from pipeline.shell import Shell

ROLES = re.compile(r"emoboost-batch|gcs_server|raylet|ray::RuntimeEnvAgent|ray::[\w.(): ]+")


def test_what_listens(terminated: Terminated) -> None:
    assert terminated.ports
    for port in sorted(terminated.ports, key=lambda port: port.process):
        print(f"{port.process:<50} {port.address}:{port.port} {port.http_answer or 'gRPC'}")
    unknown = [port.process for port in terminated.ports if not ROLES.fullmatch(port.process)]
    assert not unknown
    assert {"gcs_server", "raylet", "emoboost-batch"} <= {port.process for port in terminated.ports}


def test_nothing_can_be_reached_from_another_machine(terminated: Terminated) -> None:
    addresses = {ipaddress.ip_address(port.address) for port in terminated.ports}
    assert [str(each) for each in addresses if not (getattr(each, "ipv4_mapped", None) or each).is_loopback] == []


def test_no_dashboard(terminated: Terminated) -> None:
    assert 8265 not in {port.port for port in terminated.ports}
    assert not [port for port in terminated.ports if "dashboard" in port.process.lower()]


def test_http_asks_for_the_token(terminated: Terminated) -> None:
    answers = {port.process: port.http_answer for port in terminated.ports if port.http_answer}
    assert answers == {"ray::RuntimeEnvAgent": "HTTP/1.1 401 Unauthorized"}


def test_a_second_driver_needs_the_token(terminated: Terminated) -> None:
    """The one with the token shows that the others were refused for want of it."""
    code, output = terminated.drivers["right"]
    assert code == 0, output
    assert "CONNECTED 1" in output
    for name in ("none", "wrong"):
        code, output = terminated.drivers[name]
        assert code == 1, (name, output)
        assert "CONNECTED" not in output
        assert re.search(r"ConnectionError|[Aa]uthentication|[Uu]nauthenticated", output), output


def test_no_process_shows_the_token_on_its_command_line(terminated: Terminated) -> None:
    assert not [name for name in terminated.names if "TOKEN" in name.upper()]


def test_other_users_cannot_enter_the_folder_of_a_run(terminated: Terminated) -> None:
    assert terminated.modes
    assert set(terminated.modes) == {"drwx------"}


TWICE = """
import signal
from cluster.connect import connected
def before(number, frame): ...
signal.signal(signal.SIGTERM, before)
for _ in range(2):
    with connected(None) as cluster:
        print(cluster.describe())
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before, "Ray has a handler of its own"
"""


def test_one_process_may_have_a_private_ray_after_another(shell: Shell) -> None:
    result = subprocess.run(
        [sys.executable, "-c", TWICE], env=shell.environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"^this machine \(private Ray\): 1 node", result.stdout, re.MULTILINE)) == 2
