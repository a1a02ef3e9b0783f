"""A daemon that is told to end leaves everything as it is; one that is killed is in `test_kill`."""

import json

from tests.e2e.conftest import IMAGE
from tests.machine import Machine


def _read_processes(machine: Machine) -> dict[str, tuple[int, str]]:
    """Return pid and start time by name of every container that runs."""
    items = json.loads(machine.succeed("get", "containers", "-o", "json"))["items"]
    return {
        item["metadata"]["name"]: (item["status"]["pid"], item["status"]["startedAt"])
        for item in items
        if item["status"].get("pid")
    }


def test_stopping_the_daemon_leaves_containers_running(machine: Machine) -> None:
    machine.succeed("run", "-d", "--name", "steady", IMAGE, "sleep", "100000")
    machine.succeed("wait", "--for=condition=Ready", "container/steady")
    before = _read_processes(machine)
    assert machine.stop_daemon() == 0
    machine.start_daemon()
    machine.succeed("wait", "--for=condition=Ready", "container/steady")
    assert _read_processes(machine) == before
    machine.succeed("rm", "-f", "steady")
