"""Processes for work that may end them: how each end is told, and that nothing is left."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from emoboost.alarm import alarm
from emoboost.child import Child, ChildEndedError
from emoboost.errors import AudioErrorType, StorageStop


@pytest.fixture
def child() -> Iterator[Child]:
    with Child(20) as child:
        yield child


def crash() -> None:
    ctypes.string_at(0)


def take_memory(bytes_: int) -> int:
    return len(bytearray(bytes_))


def stop() -> None:
    raise StorageStop("s3://b", "no such bucket", "make it")


class TestChild:
    def test_answers_from_another_process(self, child: Child) -> None:
        assert child.ask(os.getpid) != os.getpid()
        assert child.ask(os.getpid) == child.ask(os.getpid)
        assert child.ask(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]

    def test_tells_a_crash_and_starts_anew(self, child: Child) -> None:
        first = child.ask(os.getpid)
        with pytest.raises(ChildEndedError) as caught:
            child.ask(crash)
        assert caught.value.type is AudioErrorType.DECODER_CRASH
        assert "SIGSEGV" in caught.value.found
        assert child.ask(os.getpid) != first

    @pytest.mark.parametrize(
        ("number", "error_type"),
        [(signal.SIGKILL, AudioErrorType.OUT_OF_MEMORY), (signal.SIGABRT, AudioErrorType.DECODER_CRASH)],
    )
    def test_tells_signals_from_each_other(
        self, child: Child, number: signal.Signals, error_type: AudioErrorType
    ) -> None:
        with pytest.raises(ChildEndedError) as caught:
            child.ask(signal.raise_signal, number)
        assert caught.value.type is error_type

    def test_tells_an_exit(self, child: Child) -> None:
        with pytest.raises(ChildEndedError, match=r"exit code 7"):
            child.ask(os._exit, 7)

    def test_ends_what_takes_too_long(self) -> None:
        with Child(0.5) as child:
            process = psutil.Process(child.ask(os.getpid))
            begin = time.monotonic()
            with pytest.raises(ChildEndedError, match=r"longer than 0\.5 s") as caught:
                child.ask(time.sleep, 60)
            assert time.monotonic() - begin < 10
            assert caught.value.type is AudioErrorType.TIMEOUT
            assert not process.is_running()
            assert child.ask(len, "abc") == 3

    def test_limits_memory(self) -> None:
        with Child(20, memory=2**30) as child:
            assert child.ask(take_memory, 2**20) == 2**20
            with pytest.raises(MemoryError):
                child.ask(take_memory, 2**31)
            assert child.ask(len, "abc") == 3

    def test_passes_on_what_a_function_raises(self, child: Child) -> None:
        with pytest.raises(StorageStop, match="no such bucket"):
            child.ask(stop)
        with pytest.raises(ZeroDivisionError):
            child.ask(divmod, 1, 0)

    def test_says_when_it_cannot_be_started(self, child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(ChildProcessError, match="could not be started"):
            child.ask(os.getpid)

    def test_is_gone_at_the_end(self) -> None:
        with Child(20) as child:
            process = psutil.Process(child.ask(os.getpid))
        assert not process.is_running()

    def test_dies_with_its_parent(self) -> None:
        program = (
            "import os, time; from emoboost.child import Child; child = Child(60);"
            "print(child.ask(os.getpid), flush=True); child.ask(time.sleep, 60)"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            process = psutil.Process(int(parent.stdout.readline()))
            parent.kill()
        process.wait(timeout=10)


class TestAlarm:
    def run(self, body: str) -> int:
        program = f"import time\nfrom emoboost.alarm import alarm\nwith alarm(0.3) as restart:\n    {body}"
        return subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode

    def test_ends_a_process_that_holds_the_interpreter(self) -> None:
        """A native call that does not let other threads run: PyDLL keeps the lock."""
        assert self.run("restart(); import ctypes; ctypes.PyDLL(None).sleep(20)") == -signal.SIGALRM

    def test_counts_from_each_start(self) -> None:
        assert self.run("[(restart(), time.sleep(0.1)) for _ in range(6)]") == 0

    def test_is_over_with_its_context(self) -> None:
        assert self.run("restart()\ntime.sleep(0.6)") == 0

    def test_gives_back_another_alarm(self) -> None:
        before = signal.getitimer(signal.ITIMER_REAL)
        with alarm(60) as restart:
            restart()
            assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= before[0] or before[0] == 0
