"""Logs as a user has them: floods, followers, drivers."""

import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import psutil
import pytest

from controller.api.v1 import system_pb2
from controller.cli.transport import Channel
from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine, wait_for

_FLOOD = f"yes {'x' * 99} | head -c 200000000"
_MOST_GROWTH_BYTES = 48 << 20
_MOST_LOG_BYTES = 160 << 20
_MOST_LATENCY_S = 0.5
_NOWHERE = ("--network", "none", IMAGE, "sh", "-c")


class Observer:
    """Looks at a machine now and then: how quickly it answers, how large its daemon and its logs are."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._daemon = psutil.Process(machine.daemon_pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.latencies_s: list[float] = []
        self.daemon_bytes = [self._daemon.memory_info().rss]
        self.log_bytes: list[int] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        request, response = system_pb2.GetVersionRequest(), system_pb2.GetVersionResponse
        with Channel(self._machine.environment["HOLD_HOST"]) as channel:
            while not self._ended.wait(0.02):
                begin = time.monotonic()
                channel.unary("SystemService/GetVersion", request, response)
                self.latencies_s.append(time.monotonic() - begin)
                self.daemon_bytes.append(self._daemon.memory_info().rss)
                files = self._machine.root_path.glob("containers/*/log/*")
                self.log_bytes.append(sum(map(_read_size, files)))


def _read_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_flood_of_output_neither_blocks_the_daemon_nor_makes_it_grow(machine: Machine) -> None:
    machine.succeed("create", "--name", "flood", *_NOWHERE, _FLOOD)
    with Observer(machine) as seen:
        machine.succeed("start", "flood")
        # One who follows and does not read what it is told.
        with subprocess.Popen(
            [PROGRAM, "logs", "-f", "flood"], env=machine.environment, stdout=subprocess.PIPE
        ) as idle:
            wait_for(lambda: machine.read_status("flood")["phase"] == "Exited", "the end of the flood")
            idle.kill()
    assert statistics.median(seen.latencies_s) < _MOST_LATENCY_S
    assert max(seen.daemon_bytes) - seen.daemon_bytes[0] < _MOST_GROWTH_BYTES
    assert max(seen.log_bytes) < _MOST_LOG_BYTES
    assert machine.succeed("logs", "-n", "1", "flood") == "x" * 99 + "\n"
    machine.succeed("rm", "flood")


def test_who_follows_sees_every_run_once_and_is_let_go(machine: Machine) -> None:
    name = "$(cat /proc/sys/kernel/random/uuid)"
    script = f"n={name}; i=0; while [ $i -lt 3000 ]; do echo $n $i; i=$((i+1)); done; exit 4"
    options = ("--restart", "on-failure:2", "--log-driver", "local", "--log-opt", "max-size=32k")
    machine.succeed("create", "--name", "thrice", *options, "--log-opt", "max-file=99", *_NOWHERE, script)
    machine.succeed("start", "thrice")
    followed = machine.hold("logs", "-f", "thrice")
    assert followed.returncode == 0
    lines = followed.stdout.splitlines()
    assert [int(line.split()[1]) for line in lines] == [*range(3000)] * 3
    assert len(set(lines)) == len(lines)
    status = machine.read_status("thrice")
    assert (status["phase"], status["restarts"]) == ("Exited", 2)
    assert machine.succeed("logs", "thrice") == followed.stdout
    assert machine.succeed("logs", "-f", "-n", "2", "thrice").splitlines() == lines[-2:]
    assert machine.succeed("logs", "--previous", "thrice").splitlines() == lines[3000:6000]
    stamped = machine.succeed("logs", "-t", "--since", "1h", "--until", "0s", "-n", "1", "thrice").split()
    assert stamped[1:] == lines[-1].split()
    assert machine.hold("logs", "--until", "1h", "thrice").stdout == ""
    machine.succeed("rm", "thrice")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--log-driver", "syslog"], "no log driver is named 'syslog'"),
        (["--log-driver", "local", "--log-opt", "tag=x"], "tag: is no option of local"),
        (["--log-driver", "journald"], "no journal runs on this host"),
    ],
)
def test_what_can_not_be_logged_is_told(machine: Machine, flags: list[str], told: str) -> None:
    answer = machine.hold("run", "--rm", *flags, *_NOWHERE, "true")
    assert (answer.returncode, told in answer.stderr) == (125, True), answer.stderr


def test_none_is_shown_and_not_kept(machine: Machine) -> None:
    flags = ("--name", "mute", "--log-driver", "none", "--label", "a=1")
    assert machine.succeed("run", *flags, *_NOWHERE, "echo out") == "out\n"
    refused = machine.hold("logs", "mute")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "does not support reading" in refused.stderr
    machine.succeed("rm", "mute")
