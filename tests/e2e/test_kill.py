"""The daemon is killed over and over, at any moment: what was declared comes about, nothing else is left, nobody notices."""

import collections
import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import Machine, NotInTime, fetch, wait_for
from tests.testhost.inventory import read_inventory

_ROUNDS_S = 20.0
_NAMES = [f"kill{index}" for index in range(20)]
_PORT = 9000

_BYSTANDERS = f"""
kind: Network
metadata: {{name: aside}}
---
kind: Volume
metadata: {{name: aside}}
---
kind: Container
metadata: {{name: aside-web}}
spec:
  image: "{IMAGE}"
  command: [httpd, -f, -p, "80", -h, /www]
  networks: [aside]
  mounts: ["aside:/data"]
  ports: ["8999:80"]
  restart: always
---
kind: Container
metadata: {{name: aside-paused}}
spec: {{image: "{IMAGE}", command: [sleep, "100000"], desired: paused}}
"""


def _declare(names: list[str], *, generation: int) -> str:
    """Return containers with a port and a volume each; another generation is another process."""
    items: list[dict[str, object]] = []
    for name in names:
        spec = {
            "image": IMAGE,
            "command": ["sleep", "100000"],
            "environment": {"GENERATION": str(generation)},
            "ports": [f"{_PORT + _NAMES.index(name)}:80"],
            "mounts": [f"{name}:/data"],
        }
        items.append({"kind": "Volume", "metadata": {"name": name}})
        items.append({"kind": "Container", "metadata": {"name": name}, "spec": spec})
    return json.dumps({"kind": "List", "items": items})


def _kill_after(machine: Machine, delay_s: float) -> threading.Thread:
    """Kill the daemon in a thread of its own, which is returned."""

    def kill() -> None:
        time.sleep(delay_s)
        machine.kill_daemon()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def _read_start(pid: int) -> tuple[int, str]:
    """Return a process' pid and start time, empty when there is none."""
    try:
        return pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        return pid, ""


def _find_processes(machine: Machine, name: str) -> list[tuple[int, str]]:
    """Return the container's own process and its monitor."""
    container = machine.get("container", name)
    monitor_path = machine.run_path / "containers" / container["metadata"]["uid"] / "conmon.pid"
    return [_read_start(container["status"]["pid"]), _read_start(int(monitor_path.read_text()))]


def _list_everything(machine: Machine) -> collections.Counter[str]:
    """Return all that a host can have of ours, on disk too; processes by what they run, since the daemon comes anew."""
    found = read_inventory()
    lines = [f"process {line.partition(' ')[2]}" for line in found.processes]
    for aspect in ("links", "addresses", "routes", "firewall", "namespaces", "mounts", "cgroups"):
        # Links get addresses of their own some time after they were made.
        lines += [f"{aspect} {line}" for line in getattr(found, aspect) if "fe80::" not in line]
    for top, folders in (
        (machine.root_path, ("containers", "volumes", "images/uploads")),
        (machine.run_path, ("containers", "exits", "netns", "rootfs", "runtime", "prefill")),
    ):
        for folder in folders:
            lines += [f"{folder} {path.name}" for path in (top / folder).glob("*")]
    return collections.Counter(lines)


@pytest.fixture
def bystanders(machine: Machine) -> Iterator[Machine]:
    """The machine with containers that nobody touches any more."""
    machine.succeed("apply", "-f", "-", stdin=_BYSTANDERS)
    machine.succeed("wait", "--for=condition=Ready", "container/aside-web")
    wait_for(lambda: machine.read_status("aside-paused").get("phase") == "Paused", "the pause")
    yield machine
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=_BYSTANDERS)


def _play_round(machine: Machine, chance: random.Random, generation: int) -> None:
    """Ask for something, kill the daemon meanwhile, perhaps the next one while it starts, and start one that stays."""
    names = chance.sample(_NAMES, chance.randint(5, 20))
    text = _declare(names, generation=generation)
    killer = _kill_after(machine, chance.uniform(0.02, 0.9))
    if chance.random() < 0.6:
        machine.hold("apply", "-f", "-", stdin=text)
    else:
        machine.hold("delete", "-f", "-", "--grace-period", "0", "--wait=false", stdin=text)
    killer.join()
    if chance.random() < 0.4:
        machine.spawn_daemon()
        _kill_after(machine, chance.uniform(0.3, 1.0)).join()
    machine.start_daemon()


@pytest.mark.timeout(240)
def test_killed_over_and_over(bystanders: Machine) -> None:
    machine = bystanders
    chance = random.Random()
    before = {name: _find_processes(machine, name) for name in ("aside-web", "aside-paused")}
    everything = _list_everything(machine)
    rounds, until = 0, time.monotonic() + _ROUNDS_S
    while time.monotonic() < until:
        rounds += 1
        _play_round(machine, chance, rounds)
        assert {name: _find_processes(machine, name) for name in before} == before, f"in round {rounds}"

    machine.succeed("apply", "-f", "-", stdin=_declare(_NAMES, generation=0))
    machine.succeed(
        "wait", "--for=condition=Ready", *(f"container/{name}" for name in _NAMES), "--timeout=90s"
    )
    processes = [_find_processes(machine, name) for name in _NAMES]
    assert all(start for each in processes for _, start in each)
    assert _count_monitors(machine) == len(_NAMES) + len(before)
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=_declare(_NAMES, generation=0))
    with contextlib.suppress(NotInTime):
        wait_for(lambda: _list_everything(machine) == everything, "a host as before", deadline_s=20)
    after = _list_everything(machine)
    assert (after - everything, everything - after) == ({}, {}), f"after {rounds} rounds"
    assert {name: _find_processes(machine, name) for name in before} == before
    assert fetch(8999) == "hello from a container\n"


def _count_monitors(machine: Machine) -> int:
    """Return how many monitors of this daemon run."""
    lines = read_inventory().processes
    return sum("conmon" in line and str(machine.run_path) in line for line in lines)
