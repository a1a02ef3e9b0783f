"""What others break comes back by itself."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import Machine, fetch, wait_for

_MANIFEST = """
apiVersion: hold/v1
kind: Network
metadata: {name: fragile}
spec: {subnets: [10.79.0.0/24], bridgeName: hold-fragile}
---
apiVersion: hold/v1
kind: Container
metadata: {name: server}
spec:
  image: box:1
  command: [httpd, -f, -p, "80", -h, /www]
  networks: [{name: fragile, ipv4: 10.79.0.9}]
  ports: ["8082:80"]
  restart: always
  resources: {memory: 64MiB, pids: 64}
"""


@pytest.fixture
def server(machine: Machine) -> Iterator[Machine]:
    """The machine with one web server, serving."""
    machine.succeed("apply", "-f", "-", stdin=_MANIFEST)
    machine.succeed("wait", "--for=condition=Ready", "--all", "--timeout=60s")
    wait_for(_serves, "the server")
    yield machine
    wait_for(_serves, "the server after the repair")
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=_MANIFEST)


def _serves() -> bool:
    return fetch(8082) != ""


def _run(*arguments: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def _inside(machine: Machine, *arguments: str) -> str:
    """Run a program of the host in the container's network."""
    return _run("nsenter", "-t", str(machine.read_pid("server")), "-n", *arguments)


def _find_link() -> str:
    ports = _run("ip", "-o", "link", "show", "master", "hold-fragile")
    found = re.search(r"^\d+: (hv[0-9a-f]+)@", ports, re.MULTILINE)
    return found[1] if found else ""


def test_a_killed_process_runs_again(server: Machine) -> None:
    pid = server.read_pid("server")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: server.read_pid("server") not in (0, pid), "a new process")
    status = server.read_status("server")
    assert (status["phase"], status["restarts"]) == ("Running", 1)


def test_a_deleted_veth_comes_back(server: Machine) -> None:
    link, pid, networks = _find_link(), server.read_pid("server"), server.read_status("server")["networks"]
    _run("ip", "link", "del", link)
    wait_for(_serves, "the server")
    assert _find_link() == link
    assert server.read_pid("server") == pid
    assert server.read_status("server")["networks"] == networks


def test_a_deleted_bridge_comes_back(server: Machine) -> None:
    pid = server.read_pid("server")
    _run("ip", "link", "del", "hold-fragile")
    wait_for(_serves, "the server")
    assert _find_link()
    assert server.read_pid("server") == pid


@pytest.mark.parametrize(
    "change",
    [
        ("address", "flush", "dev", "eth0"),
        ("route", "del", "default"),
        ("link", "set", "eth0", "down"),
    ],
    ids=" ".join,
)
def test_what_is_changed_inside_comes_back(server: Machine, change: tuple[str, ...]) -> None:
    _inside(server, "ip", *change)
    wait_for(lambda: "10.79.0.9/24" in _inside(server, "ip", "-o", "address"), "the address")
    wait_for(lambda: "default via 10.79.0.1" in _inside(server, "ip", "route"), "the route")


@pytest.mark.parametrize(
    "change",
    [
        ("address", "flush", "dev", "hold-fragile"),
        ("link", "set", "hold-fragile", "down"),
    ],
    ids=" ".join,
)
def test_what_is_changed_of_the_bridge_comes_back(server: Machine, change: tuple[str, ...]) -> None:
    _run("ip", *change)
    wait_for(lambda: "10.79.0.1/24" in _run("ip", "-o", "address", "show", "hold-fragile"), "the address")
    wait_for(_serves, "the server")
    assert server.read_status("server")["phase"] == "Running"


@pytest.mark.parametrize(
    "commands",
    [
        ["iptables -F", "iptables -t nat -F", "iptables -X"],
        ["iptables -t nat -F", "iptables -t nat -X"],
        ["nft flush ruleset"],
    ],
    ids=lambda commands: commands[0],
)
def test_flushed_rules_come_back(server: Machine, commands: list[str]) -> None:
    before = _list_rules()
    for command in commands:
        subprocess.run(command.split(), check=False, capture_output=True)  # -X may race with the repair
    wait_for(lambda: _list_rules() == before, "the rules")
    assert server.read_status("server")["phase"] == "Running"


def _list_rules() -> list[str]:
    lines = (_run("iptables-save") + _run("ip6tables-save")).splitlines()
    return sorted(line for line in lines if line.startswith("-A"))


def test_an_edited_limit_comes_back(server: Machine) -> None:
    line = next(
        line
        for line in Path(f"/proc/{server.read_pid('server')}/cgroup").read_text().splitlines()
        if ":pids:" in line or line.startswith("0::")
    )
    folder = "/sys/fs/cgroup/pids" if ":pids:" in line else "/sys/fs/cgroup"
    limit = Path(folder + line.split(":")[2], "pids.max")
    assert limit.read_text() == "64\n"
    limit.write_text("7")
    wait_for(lambda: limit.read_text() == "64\n", "the limit")
    assert server.read_status("server")["phase"] == "Running"


def test_a_root_unmounted_under_a_stopped_container_comes_back_with_its_files(server: Machine) -> None:
    server.succeed("exec", "server", "sh", "-c", "echo kept > /note")
    server.succeed("stop", "-t", "0", "server")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - overlay " in line:
            subprocess.run(["umount", line.split()[4]], check=True)
    server.succeed("start", "server")
    wait_for(_serves, "the server")
    assert server.succeed("exec", "server", "cat", "/note") == "kept\n"
