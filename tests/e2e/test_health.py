"""Health checks and limits as a user has them: flags, manifests, changes in place, what is shown, daemons that restart."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.machine import Machine, wait_for


def read_health(machine: Machine, name: str) -> dict[str, Any]:
    health: dict[str, Any] = machine.read_status(name).get("health", {})
    return health


def wait_for_state(machine: Machine, name: str, state: str) -> None:
    wait_for(lambda: read_health(machine, name).get("state") == state, f"{name} to be {state}")


def find_condition(machine: Machine, name: str, kind: str) -> dict[str, Any]:
    conditions = machine.read_status(name).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def test_a_checked_container(machine: Machine) -> None:
    flags = ["--health-cmd", "cat /state", "--health-interval", "200ms", "--health-retries", "2"]
    machine.succeed("run", "-d", "--name", "checked", *flags, "box:1", "sleep", "1000")
    wait_for_state(machine, "checked", "unhealthy")
    assert "(unhealthy)" in machine.succeed("ps", "--filter", "name=checked")
    assert "can't open '/state'" in read_health(machine, "checked")["log"][-1]["output"]
    machine.succeed("exec", "checked", "sh", "-c", "echo fine > /state")
    machine.succeed("wait", "--for=condition=Healthy", "container/checked", "--timeout=60s")
    assert "(healthy)" in machine.succeed("ps", "--filter", "name=checked")
    described = machine.succeed("describe", "container", "checked")
    assert "Unhealthy" in described
    assert "the health check passes" in described
    assert machine.succeed("inspect", "-f", "{{.status.health.state}}", "checked") == "healthy\n"
    pid = machine.read_pid("checked")
    machine.kill_daemon()
    machine.start_daemon()
    assert read_health(machine, "checked")["state"] == "healthy"
    machine.succeed("exec", "checked", "rm", "/state")
    wait_for_state(machine, "checked", "unhealthy")
    assert machine.read_pid("checked") == pid
    machine.succeed("rm", "-f", "checked")


def test_probes_restart_and_dependants(machine: Machine) -> None:
    """A probe by HTTP looks from inside a network of its own; the unhealthy one is restarted; another waits for it."""
    server = {
        "image": "box:1",
        "command": ["sh", "-c", "mkdir -p /srv; httpd -p 127.0.0.1:80 -h /srv; exec sleep 1000"],
        "networkMode": "none",
        "stopGracePeriod": 0,
        "healthcheck": {
            "http": {"port": 80, "path": "/ok"},
            "interval": "300ms",
            "retries": 3,
            "restart": True,
        },
    }
    waiting = {"image": "box:1", "command": ["true"], "dependsOn": {"server": {"condition": "healthy"}}}
    items = [
        {"apiVersion": "hold/v1", "kind": "Container", "metadata": {"name": name}, "spec": spec}
        for name, spec in (("server", server), ("waiting", waiting))
    ]
    machine.succeed("apply", "-f", "-", stdin=json.dumps({"kind": "List", "items": items}))
    wait_for(lambda: machine.read_status("server").get("restarts", 0) >= 1, "a restart of the unhealthy")
    assert find_condition(machine, "waiting", "DependenciesMet")["message"] == "not yet: server healthy"
    wait_for(lambda: put_page(machine), "the server to have the page")
    wait_for_state(machine, "server", "healthy")
    assert read_health(machine, "server")["log"][-1]["output"].startswith("200 OK")
    wait_for(lambda: machine.read_status("waiting").get("phase") == "Exited", "the dependant's turn")
    pid = machine.read_pid("server")
    server["healthcheck"] = {"tcp": {"port": 81}, "interval": "200ms", "retries": 1}
    machine.succeed("apply", "-f", "-", stdin=json.dumps(items[0]))
    wait_for_state(machine, "server", "unhealthy")
    assert read_health(machine, "server")["log"][-1]["output"] == "port 81: connection refused"
    assert machine.read_pid("server") == pid
    machine.succeed("rm", "-f", "waiting", "server")


def put_page(machine: Machine) -> bool:
    """The page lies in the container's own layer, which restarts keep."""
    return machine.hold("exec", "server", "sh", "-c", "echo yes > /srv/ok").returncode == 0


def read_cgroup(pid: int, controller: str, name: str) -> str:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    place = next(line.split(":", 2)[2] for line in lines if line.split(":")[1] == controller)
    return Path(f"/sys/fs/cgroup/{controller}{place}/{name}").read_text().strip()


@pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="reads the files of cgroup v1")
def test_limits_are_set_changed_and_repaired(machine: Machine) -> None:
    flags = [
        "-m",
        "64m",
        "--memory-swap",
        "96m",
        "--cpus",
        "0.5",
        "-c",
        "512",
        "--cpuset-cpus",
        "0",
        "--pids-limit",
        "50",
    ]
    flags += ["--ulimit", "nofile=100:200", "--oom-score-adj", "300", "--memory-swappiness", "7"]
    machine.succeed("run", "-d", "--name", "limited", *flags, "box:1", "sleep", "1000")
    pid = machine.read_pid("limited")
    assert read_cgroup(pid, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert read_cgroup(pid, "memory", "memory.memsw.limit_in_bytes") == str(96 << 20)
    assert read_cgroup(pid, "memory", "memory.swappiness") == "7"
    assert read_cgroup(pid, "cpu", "cpu.shares") == "512"
    assert read_cgroup(pid, "cpuset", "cpuset.cpus") == "0"
    assert machine.succeed("exec", "limited", "sh", "-c", "ulimit -n; ulimit -Hn") == "100\n200\n"
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "300\n"
    assert find_condition(machine, "limited", "LimitsEnforced")["status"] == "True"
    machine.succeed(
        "update", "-m", "128m", "--memory-swap", "-1", "--cpus", "1.5", "--cpuset-cpus", "0-1", "limited"
    )
    wait_for(
        lambda: (
            read_cgroup(pid, "cpuset", "cpuset.cpus") == "0-1"
            and read_cgroup(pid, "memory", "memory.limit_in_bytes") == str(128 << 20)
        ),
        "the new limits",
    )
    for controller, name, wrong, right in (
        ("cpu", "cpu.shares", "77", "512"),
        ("memory", "memory.swappiness", "90", "7"),
        ("pids", "pids.max", "max", "50"),
    ):
        write_cgroup(pid, controller, name, wrong)
        wait_for(partial(reads, pid, controller, name, right), f"{name} to be repaired")
    assert machine.read_pid("limited") == pid
    machine.succeed("rm", "-f", "limited")


def reads(pid: int, controller: str, name: str, text: str) -> bool:
    return read_cgroup(pid, controller, name) == text


def write_cgroup(pid: int, controller: str, name: str, text: str) -> None:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    place = next(line.split(":", 2)[2] for line in lines if line.split(":")[1] == controller)
    Path(f"/sys/fs/cgroup/{controller}{place}/{name}").write_text(text)


def test_what_can_not_be_limited_is_told(machine: Machine) -> None:
    answer = machine.hold(
        "run", "-d", "--name", "bad", "--device-read-bps", "/dev/nothing:1mb", "box:1", "true"
    )
    assert (answer.returncode, "block device /dev/nothing is not there" in answer.stderr) == (125, True), (
        answer
    )
    machine.succeed("rm", "-f", "bad")
    answer = machine.hold("run", "--name", "bad", "--cpuset-cpus", "4000", "box:1", "true")
    assert answer.returncode == 125, answer
    machine.succeed("rm", "-f", "bad")
    machine.succeed("run", "-d", "--name", "cut", "--ulimit", "nofile=999999999", "box:1", "sleep", "1000")
    condition = find_condition(machine, "cut", "LimitsEnforced")
    assert (condition["status"], "ulimit nofile 999999999 is cut to" in condition["message"]) == (
        "False",
        True,
    )
    machine.succeed("rm", "-f", "cut")
    grow = "x=a; while :; do x=$x$x; done"
    flags = ["--name", "grown", "-m", "8m", "--memory-swap", "8m"]
    answer = machine.hold("run", *flags, "box:1", "sh", "-c", grow)
    assert answer.returncode == 137
    assert machine.read_status("grown")["oomKilled"] is True
    assert "OutOfMemory" in machine.succeed("describe", "container", "grown")
    machine.succeed("rm", "-f", "grown")
