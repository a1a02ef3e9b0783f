"""The daemon is killed at random moments; nothing declared is lost, nothing else is left, nothing that runs is touched."""

import json
import random
import threading
import time

import pytest

from tests.e2e.conftest import IMAGE
from tests.machine import Machine, wait_for

_COUNT = 20
_ROUNDS = 4


def _manifest(names: list[str]) -> str:
    containers = [
        {
            "apiVersion": "hold/v1",
            "kind": "Container",
            "metadata": {"name": name},
            "spec": {"image": IMAGE, "command": ["sleep", "100000"], "ports": [f"{9000 + index}:80"]},
        }
        for index, name in enumerate(names)
    ]
    return json.dumps({"kind": "List", "items": containers})


def _kill_soon(machine: Machine, delay_s: float) -> threading.Thread:
    def body() -> None:
        time.sleep(delay_s)
        machine.kill_daemon()

    thread = threading.Thread(target=body)
    thread.start()
    return thread


def _read_processes(machine: Machine) -> dict[str, tuple[int, str]]:
    """Return pid and start time by name of every container that runs."""
    items = json.loads(machine.succeed("get", "containers", "-o", "json"))["items"]
    return {
        item["metadata"]["name"]: (item["status"]["pid"], item["status"]["startedAt"])
        for item in items
        if item["status"].get("pid")
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("round_number", range(_ROUNDS))
def test_killed_while_applying_and_deleting(machine: Machine, round_number: int) -> None:
    chance = random.Random(round_number)
    machine.succeed("run", "-d", "--name", "bystander", IMAGE, "sleep", "100000")
    machine.succeed("wait", "--for=condition=Ready", "container/bystander")
    bystander = _read_processes(machine)["bystander"]
    names = [f"crash{index}" for index in range(_COUNT)]

    killer = _kill_soon(machine, chance.uniform(0.05, 1.5))
    machine.hold("apply", "-f", "-", stdin=_manifest(names))
    killer.join()
    machine.start_daemon()
    machine.succeed("apply", "-f", "-", stdin=_manifest(names))
    machine.succeed("wait", "--for=condition=Ready", "--all", "--timeout=90s")
    assert set(_read_processes(machine)) == {"bystander", *names}

    killer = _kill_soon(machine, chance.uniform(0.05, 1.0))
    machine.hold("delete", "-f", "-", "--grace-period", "0", "--wait=false", stdin=_manifest(names))
    killer.join()
    machine.start_daemon()
    machine.hold("delete", "-f", "-", "--grace-period", "0", stdin=_manifest(names))
    wait_for(lambda: set(_read_processes(machine)) == {"bystander"}, "the deletions")
    assert _read_processes(machine)["bystander"] == bystander
    machine.succeed("rm", "-f", "bystander")


def test_stopping_the_daemon_leaves_containers_running(machine: Machine) -> None:
    machine.succeed("run", "-d", "--name", "steady", IMAGE, "sleep", "100000")
    machine.succeed("wait", "--for=condition=Ready", "container/steady")
    before = _read_processes(machine)
    assert machine.stop_daemon() == 0
    machine.start_daemon()
    machine.succeed("wait", "--for=condition=Ready", "container/steady")
    assert _read_processes(machine) == before
    machine.succeed("rm", "-f", "steady")
