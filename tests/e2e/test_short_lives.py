"""Containers that come and go leave nothing: everything that can be counted is as it was."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import DEADLINE_S, Machine, NotInTime
from tests.testhost.counters import Counters, read_counters

LIVES, WIDTH, FIRST_PORT = 50, 6, 15000
MOST_GROWTH_BYTES = 24 << 20
"""Caches fill for some hundred lives. `make bench` looks closer: at a thousand."""


def live_with_port(machine: Machine, number: int) -> None:
    machine.succeed("run", "--rm", "-p", f"{FIRST_PORT + number}:80", IMAGE, "true")


def live_with_volume(machine: Machine, number: int) -> None:
    script = f"echo {number} > /data/number; exit 3"
    answer = machine.hold("run", "--rm", "-v", "/data", "--network", "none", IMAGE, "sh", "-c", script)
    assert answer.returncode == 3, answer


def live_checked(machine: Machine, number: int) -> None:
    name = f"checked{number}"
    flags = ("--health-cmd", "true", "--health-interval", "100ms", "--restart", "always")
    machine.succeed("run", "-d", "--name", name, *flags, IMAGE, "sleep", "1000")
    assert machine.succeed("exec", name, "echo", "here") == "here\n"
    machine.succeed("rm", "-f", "-v", name)


def never_live(machine: Machine, number: int) -> None:
    answer = machine.hold("run", "--rm", "--label", f"number={number}", IMAGE, "nothing-here")
    assert answer.returncode == 127, answer


def live_fed(machine: Machine, number: int) -> None:
    answer = machine.succeed(
        "run", "-i", "--rm", "-m", "64m", "--tmpfs", "/t", IMAGE, "cat", stdin=f"{number}"
    )
    assert answer == f"{number}"


LIFE: tuple[Callable[[Machine, int], None], ...] = (
    live_with_port,
    live_with_volume,
    live_checked,
    never_live,
    live_fed,
)


def live(machine: Machine, lives: int) -> None:
    """Let containers live, some at a time, in turn of each kind."""
    kinds = itertools.cycle(LIFE)
    with ThreadPoolExecutor(max_workers=WIDTH) as pool:
        for future in [pool.submit(next(kinds), machine, number) for number in range(lives)]:
            future.result()


def count(machine: Machine) -> Counters:
    return read_counters(machine.daemon_pid, machine.root_path, machine.run_path)


def find_grown(before: Counters, after: Counters) -> dict[str, tuple[int, int]]:
    """Return what is more than before, and both numbers; memory is apart."""
    names = (name for name in after if name != "memory" and after[name] > before[name])
    return {name: (before[name], after[name]) for name in names}


@pytest.mark.timeout(300)
def test_many_lives_leave_nothing(machine: Machine) -> None:
    """The first ones start helpers and fill caches; what is unmounted or reaped late is waited for."""
    live(machine, 2 * len(LIFE))
    before = count(machine)
    live(machine, LIVES)
    until = time.monotonic() + DEADLINE_S
    while grown := find_grown(before, after := count(machine)):
        if time.monotonic() > until:
            raise NotInTime(f"counted before and after: {grown}")
        time.sleep(0.1)
    assert after["memory"] - before["memory"] < MOST_GROWTH_BYTES
