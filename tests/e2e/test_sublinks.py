"""Containers with addresses of their own in the network of the host's link: macvlan, and ipvlan where the kernel has it."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.machine import Machine, wait_for
from tests.testhost.peer import Peer, connected_peer

_KINDS = ("macvlan", "ipvlan")
_FOUND = b"hello from a container"


@pytest.fixture
def lan() -> Iterator[Peer]:
    """A machine at 198.51.100.2 on the host's link lan-cable."""
    with connected_peer("lan", subnet="198.51.100.0/24", routed=False) as machine:
        yield machine


def _ip(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


def _require(kind: str) -> None:
    probe = ["link", "add", "link", "lan-cable", "name", "probe", "type", kind]
    if _ip(*probe, check=False).returncode != 0:
        pytest.skip(f"this kernel has no {kind} links: run `make test-vm`")
    _ip("link", "delete", "probe")


def _tell(machine: Machine, kind: str, name: str, condition: str = "Ready") -> dict[str, str]:
    conditions = machine.get(kind, name).get("status", {}).get("conditions", [])
    found: dict[str, str] = next((each for each in conditions if each["type"] == condition), {})
    return found


def _is_ready(machine: Machine, kind: str, name: str) -> Callable[[], bool]:
    return lambda: _tell(machine, kind, name).get("status") == "True"


def _check_names(machine: Machine) -> None:
    """Names are served inside the namespace: no address of the host's is in reach there."""
    run = ["run", "-d", "--name", "db", "--network", "wire", "--ip", "198.51.100.8", "box:1", "sleep", "1000"]
    machine.succeed(*run)
    assert machine.succeed("exec", "web", "cat", "/etc/resolv.conf").count("nameserver 127.0.0.11") == 1

    def finds_db() -> bool:
        answer = machine.hold("exec", "web", "nslookup", "db")
        return "198.51.100.8" in answer.stdout

    wait_for(finds_db, "the other container's name")
    server = Path(machine.run_path, "dns/server.pid")
    os.kill(int(server.read_text()), signal.SIGKILL)
    wait_for(finds_db, "the other container's name after the name server's death")
    machine.succeed("restart", "-t", "0", "db")
    wait_for(finds_db, "the other container's name after a restart")
    own = machine.hold("exec", "db", "nslookup", "web").stdout
    assert "198.51.100.9" in own
    machine.succeed("delete", "container", "db", "--grace-period", "0")


@pytest.mark.parametrize("kind", _KINDS)
def test_a_container_is_a_machine_on_the_wire(machine: Machine, lan: Peer, kind: str) -> None:
    _require(kind)
    create = ["network", "create", "-d", kind, "--subnet", "198.51.100.0/24", "--gateway", lan.address]
    create += ["--aux-address", f"host={lan.host_address}"]
    refused = machine.hold(*create, "-o", "parent=lan-cabel", "wire")
    assert "the host has no link lan-cabel; did you mean lan-cable?" in refused.stderr
    machine.succeed(*create, "-o", "parent=lan-cable", "wire")
    serve = ["httpd", "-f", "-p", "80", "-h", "/www"]
    machine.succeed(
        "run", "-d", "--name", "web", "--network", "wire", "--ip", "198.51.100.9", "-p", "8080:80", "box:1", *serve
    )  # fmt: skip
    wait_for(_is_ready(machine, "container", "web"), "the container")
    pid = machine.read_pid("web")

    def serves() -> bool:
        with lan.socket() as connection:
            connection.settimeout(1)
            try:
                connection.connect(("198.51.100.9", 80))
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = connection.makefile("rb").read()
            except OSError:
                return False
        return _FOUND in answer

    wait_for(serves, "the container on the wire")
    assert "own address" in _tell(machine, "container", "web", "PortsPublished")["message"]
    route = machine.succeed("exec", "web", "ip", "route")
    assert f"default via {lan.address} dev eth0" in route
    _check_names(machine)

    inside = ["nsenter", "-t", str(pid), "-n", "ip", "link", "delete", "eth0"]
    subprocess.run(inside, check=True)
    wait_for(serves, "the container after its link was deleted")

    _ip("link", "delete", "lan-cable")
    wait_for(lambda: not _is_ready(machine, "network", "wire")(), "the lost parent")
    assert "the host has no link lan-cable" in _tell(machine, "network", "wire")["message"]
    _ip("link", "add", "lan-cable", "up", "type", "veth", "peer", "name", "eth0", "netns", "lan")
    _ip("-n", "lan", "address", "add", f"{lan.address}/24", "dev", "eth0")
    _ip("-n", "lan", "link", "set", "eth0", "up")
    wait_for(serves, "the container after its parent came back")
    assert machine.read_pid("web") == pid

    machine.succeed("network", "create", "aside")
    machine.succeed("network", "connect", "aside", "web")
    machine.succeed("network", "disconnect", "wire", "web")
    wait_for(lambda: not serves(), "the container off the wire")
    machine.succeed("delete", "container", "web", "--grace-period", "0")
    machine.succeed("network", "rm", "wire", "aside")


def test_networks_that_hold_has_to_make_a_parent_for(machine: Machine, lan: Peer) -> None:
    for kind in ("vlan", "dummy"):
        made = ["link", "add", "link", "lan-cable", "name", "probe", "type", kind]
        if _ip(*made, *(["id", "9"] if kind == "vlan" else []), check=False).returncode != 0:
            pytest.skip(f"this kernel has no {kind} links: run `make test-vm`")
        _ip("link", "delete", "probe")
    _ip("-n", lan.name, "link", "add", "link", "eth0", "name", "eth0.50", "type", "vlan", "id", "50")
    _ip("-n", lan.name, "address", "add", "203.0.113.1/24", "dev", "eth0.50")
    _ip("-n", lan.name, "link", "set", "eth0.50", "up")
    options = ["-o", "parent=lan-cable.50"]
    machine.succeed("network", "create", "-d", "macvlan", "--subnet", "203.0.113.0/24", *options, "tagged")
    machine.succeed("network", "create", "-d", "macvlan", "--internal", "--subnet", "10.91.0.0/24", "alone")
    for name, address in (("one", "10.91.0.2"), ("two", "10.91.0.3")):
        machine.succeed(
            "run", "-d", "--name", name, "--network", "alone", "--ip", address, "box:1", "sleep", "1000"
        )
    machine.succeed("network", "connect", "tagged", "one")
    wait_for(_is_ready(machine, "container", "one"), "the first container")
    wait_for(_is_ready(machine, "container", "two"), "the second container")
    wait_for(
        lambda: machine.hold("exec", "one", "ping", "-c", "1", "-W", "1", "203.0.113.1").returncode == 0,
        "the machine in the VLAN",
    )
    machine.succeed("exec", "one", "ping", "-c", "1", "-W", "10", "10.91.0.3")
    machine.succeed("delete", "container", "one", "two", "--grace-period", "0")
    machine.succeed("network", "rm", "tagged", "alone")
    assert "lan-cable.50" not in _ip("-o", "link").stdout
