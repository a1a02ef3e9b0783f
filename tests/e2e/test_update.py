"""What changes in place, what makes a new process, and that the plan says so beforehand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine import Machine, fetch, wait_for

_BASE: dict[str, Any] = {
    "image": "box:1",
    "command": ["httpd", "-f", "-p", "80", "-h", "/www"],
    "networks": [{"name": "update"}],
    "ports": ["8083:80"],
    "stopGracePeriod": "1s",
    "environment": {"MODE": "live"},
}
_NETWORK = {"apiVersion": "hold/v1", "kind": "Network", "metadata": {"name": "update"}}
_OTHER = {"apiVersion": "hold/v1", "kind": "Network", "metadata": {"name": "other"}}


def _container(**changes: object) -> str:
    labels = changes.pop("labels", {})
    container = {
        "apiVersion": "hold/v1",
        "kind": "Container",
        "metadata": {"name": "changing", "labels": labels},
        "spec": _BASE | changes,
    }
    return json.dumps({"kind": "List", "items": [_NETWORK, _OTHER, container]})


@pytest.fixture
def changing(machine: Machine) -> Iterator[Machine]:
    """The machine with the base container, serving."""
    machine.succeed("apply", "-f", "-", stdin=_container())
    machine.succeed("wait", "--for=condition=Ready", "--all", "--timeout=60s")
    yield machine
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=_container())


def _apply(machine: Machine, **changes: object) -> str:
    plan = machine.succeed("plan", "-f", "-", stdin=_container(**changes))
    machine.succeed("apply", "-f", "-", stdin=_container(**changes))
    wait_for(lambda: _is_settled(machine), "the change to be in force")
    return plan


def _is_settled(machine: Machine) -> bool:
    found = machine.get("container", "changing")
    ready = any(
        item["type"] == "Ready" and item["status"] == "True" for item in found["status"]["conditions"]
    )
    return ready and found["status"]["observedGeneration"] == found["metadata"]["generation"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"resources": {"memory": "32MiB", "pids": 50}}, "spec.resources.memory"),
        ({"restart": "always"}, "spec.restart"),
        ({"ports": ["8084:80"]}, "spec.ports"),
        ({"labels": {"tier": "web"}}, "metadata.labels"),
        ({"networks": [{"name": "update"}, {"name": "other"}]}, "spec.networks"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_in_place_keeps_the_process(changing: Machine, changes: dict[str, Any], field: str) -> None:
    pid = changing.read_pid("changing")
    plan = _apply(changing, **changes)
    assert changing.read_pid("changing") == pid
    assert field in plan
    assert "recreate" not in plan


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"command": ["httpd", "-f", "-p", "80", "-h", "/"]}, "spec.command"),
        ({"environment": {"MODE": "test"}}, "spec.environment"),
        ({"user": "root"}, "spec.user"),
        ({"mounts": [{"type": "tmpfs", "target": "/cache"}]}, "spec.mounts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_recreate_makes_a_new_process(changing: Machine, changes: dict[str, Any], field: str) -> None:
    before = changing.read_status("changing")
    plan = _apply(changing, **changes)
    after = changing.read_status("changing")
    assert after["pid"] not in (0, before["pid"])
    assert after["networks"] == before["networks"]
    assert "recreate" in plan
    assert field in plan


def test_limits_reach_the_cgroup(changing: Machine) -> None:
    _apply(changing, resources={"pids": 50})
    line = next(
        line
        for line in Path(f"/proc/{changing.read_pid('changing')}/cgroup").read_text().splitlines()
        if ":pids:" in line or line.startswith("0::")
    )
    folder = "/sys/fs/cgroup/pids" if ":pids:" in line else "/sys/fs/cgroup"
    assert Path(folder + line.split(":")[2], "pids.max").read_text() == "50\n"


def test_limits_that_can_not_be_had_change_nothing(changing: Machine) -> None:
    changing.succeed("update", "-m", "64m", "--pids-limit", "50", "changing")
    before, pid = changing.get("container", "changing")["spec"], changing.read_pid("changing")
    for flags, told in (
        (("--cpuset-cpus", "777", "--restart", "always"), "processors 777 are not there"),
        (("--device-read-bps", "/dev/nosuch:1mb"), "block device /dev/nosuch is not there"),
    ):
        answer = changing.hold("update", *flags, "changing")
        assert (answer.returncode, answer.stdout) == (1, ""), flags
        assert "changing is left as it was: " in answer.stderr
        assert told in answer.stderr
        assert answer.stderr.count("\n") == 1
        assert changing.get("container", "changing")["spec"] == before
    changing.succeed("wait", "--for=condition=Ready", "container/changing", "--timeout=60s")
    assert changing.read_pid("changing") == pid


def test_ports_move(changing: Machine) -> None:
    _apply(changing, ports=["8085:80"])
    wait_for(lambda: fetch(8085) != "", "the new port")
    assert fetch(8083) == ""


def test_a_network_joined_and_left(changing: Machine) -> None:
    _apply(changing, networks=[{"name": "update"}, {"name": "other"}])
    assert "eth1" in changing.succeed("exec", "changing", "ip", "-o", "link")
    _apply(changing)
    assert "eth1" not in changing.succeed("exec", "changing", "ip", "-o", "link")


def test_the_same_again_changes_nothing(changing: Machine) -> None:
    before = changing.get("container", "changing")["metadata"]["revision"]
    assert "unchanged" in changing.succeed("apply", "-f", "-", stdin=_container())
    assert changing.get("container", "changing")["metadata"]["revision"] == before
    assert changing.hold("diff", "-f", "-", stdin=_container()).returncode == 0


def test_diff_has_kubectls_exit_codes(changing: Machine) -> None:
    assert changing.hold("diff", "-f", "-", stdin=_container(restart="always")).returncode == 1
    assert changing.hold("diff", "-f", "-", stdin="kind: Nonsense").returncode > 1


def test_rollback_returns_to_the_spec_before(changing: Machine) -> None:
    _apply(changing, environment={"MODE": "test"})
    changing.succeed("rollback", "container/changing")
    wait_for(lambda: _is_settled(changing), "the rollback")
    assert changing.get("container", "changing")["spec"]["environment"] == {"MODE": "live"}
    assert "MODE=live" in changing.succeed("exec", "changing", "env")


def test_apply_makes_the_very_links_that_the_plan_named(machine: Machine) -> None:
    document = json.dumps(
        {
            "kind": "List",
            "items": [
                {"apiVersion": "hold/v1", "kind": "Network", "metadata": {"name": "foreseen"}},
                {
                    "apiVersion": "hold/v1",
                    "kind": "Container",
                    "metadata": {"name": "foreseen"},
                    "spec": {"image": "box:1", "command": ["sleep", "1000"], "networks": ["foreseen"]},
                },
            ],
        }
    )
    plan = machine.succeed("plan", "-f", "-", stdin=document)
    machine.succeed("apply", "-f", "-", stdin=document)
    machine.succeed("wait", "--for=condition=Ready", "container/foreseen", "--timeout=60s")
    attachment = machine.get("container", "foreseen")["status"]["networks"][0]
    assert machine.get("network", "foreseen")["status"]["bridge"] in plan
    assert attachment["mac"] in plan
    assert attachment["ipv4"] in plan
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=document)
