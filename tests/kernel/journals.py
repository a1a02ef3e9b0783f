"""A systemd journal of a test host's own."""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.kernel.logs.journal import SOCKET_PATH, find_journal_error
from tests.contract.containers import DEADLINE_S

_JOURNALD = "/lib/systemd/systemd-journald"


class Journal:
    """The journal, in memory."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it take nothing in for a while; goes on afterwards, whatever happens."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.go_on()

    def go_on(self) -> None:
        """Let it take in what waits."""
        self._process.send_signal(signal.SIGCONT)

    def read_first(self, match: str) -> dict[str, str]:
        """Return the fields of the first entry that matches."""
        command = ["journalctl", "-o", "json", "--all", "--no-tail", match]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        entry: dict[str, str] = json.loads(lines[0])
        return entry


@contextlib.contextmanager
def running_journal() -> Iterator[Journal]:
    """Run a journal; skips where systemd is missing."""
    if not Path(_JOURNALD).exists():
        pytest.skip("systemd-journald is missing: apt install systemd")
    Path(SOCKET_PATH).parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([_JOURNALD], stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + DEADLINE_S
        while find_journal_error() and time.monotonic() < until:
            time.sleep(0.005)
        yield Journal(process)
        process.terminate()
    for path in (Path(SOCKET_PATH).parent, Path("/run/log/journal")):
        shutil.rmtree(path)
