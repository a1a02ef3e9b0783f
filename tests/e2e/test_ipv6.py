"""IPv6 as a user has it: networks of both families and of one, names, ports, repair, beside a default bridge that has it."""

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import IMAGE, running_machine
from tests.machine import Machine, fetch, wait_for
from tests.testhost.peer import Peer, connected_peer

_MANIFEST = """
apiVersion: hold/v1
kind: Network
metadata: {name: dual}
spec: {subnets: [10.77.0.0/24, "fd00:77::/64"], bridgeName: hold-dual}
---
apiVersion: hold/v1
kind: Network
metadata: {name: six}
spec: {enableIPv4: false, enableIPv6: true}
---
apiVersion: hold/v1
kind: Container
metadata: {name: web}
spec:
  image: box:1
  command: [httpd, -f, -p, "[::]:80", -h, /www]
  networks: [{name: dual, ipv6: "fd00:77::9", aliases: [www]}]
  ports: ["8090:80", "[::]:8091:80"]
---
apiVersion: hold/v1
kind: Container
metadata: {name: client}
spec: {image: box:1, command: [sleep, "1000"], networks: [dual, six]}
---
apiVersion: hold/v1
kind: Container
metadata: {name: lone}
spec:
  image: box:1
  command: [httpd, -f, -p, "[::]:80", -h, /www]
  networks: [six]
  ports: ["8092:80"]
"""
_OPTIONS = ("--ipv6", "true", "--bip", "172.30.0.1/24", "--fixed-cidr-v6", "fd00:30::/64")


@pytest.fixture(scope="module")
def dual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose default bridge has IPv6, with the containers of the manifest."""
    with running_machine(tmp_path_factory.mktemp("dual"), *_OPTIONS) as machine:
        machine.succeed("apply", "-f", "-", stdin=_MANIFEST)
        machine.succeed("wait", "--for=condition=Ready", "--all", "--timeout=60s")
        wait_for(lambda: _serves("fd00:77::1", 8090), "the server")
        yield machine


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Peer]:
    """Another machine."""
    with connected_peer() as machine:
        yield machine


def _serves(host: str, port: int) -> bool:
    return fetch(port, host) != ""


def _run(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


def _visit(peer: Peer, host: str, port: int, path: str = "/") -> str:
    """Return what an HTTP server answers to another machine, empty while nothing does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with peer.socket(family=family) as client, contextlib.suppress(OSError):
        client.settimeout(20)
        client.connect((host, port))
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return client.makefile(encoding="utf-8").read()
    return ""


def test_what_containers_have_is_told(dual: Machine) -> None:
    networks: list[dict[str, Any]] = dual.read_status("client")["networks"]
    places = {each["name"]: each for each in networks}
    assert places["dual"]["ipv4"].startswith("10.77.0.")
    assert places["dual"]["ipv6"].startswith("fd00:77::")
    assert places["dual"]["ipv6Gateway"] == "fd00:77::1"
    assert "ipv4" not in places["six"]
    assert dual.read_status("web")["networks"][0]["ipv6"] == "fd00:77::9"
    assert "0.0.0.0:8090->80/tcp, [::]:8090->80/tcp, [::]:8091->80/tcp" in dual.succeed("ps")
    assert dual.succeed("port", "web", "80").splitlines() == ["0.0.0.0:8090", "[::]:8090", "[::]:8091"]
    inspected = json.loads(dual.succeed("network", "inspect", "dual"))[0]
    assert inspected["status"]["ipv6Subnet"] == "fd00:77::/64"
    assert "fd00:77::9" in json.dumps(inspected)
    assert "10.77.0.0/24,fd00:77::/64" in dual.succeed("network", "ls")


def test_containers_reach_one_another(dual: Machine) -> None:
    dual.succeed("exec", "client", "ping", "-6", "-c", "1", "-W", "20", "www")
    dual.succeed("exec", "client", "ping", "-6", "-c", "1", "-W", "20", "lone")
    answer = dual.succeed("exec", "-i", "client", "nc", "fd00:77::9", "80", stdin="GET / HTTP/1.0\r\n\r\n")
    assert "hello" in answer
    assert "fd00:77::9" in dual.succeed("exec", "client", "nslookup", "-type=aaaa", "web")
    assert "web" in dual.succeed("exec", "client", "nslookup", "fd00:77::9")
    assert "::1" in dual.succeed("exec", "lone", "cat", "/etc/hosts")
    assert dual.succeed("exec", "lone", "cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra").strip() == "0"


def test_published_ports_are_reached_by_either_family(dual: Machine, neighbour: Peer) -> None:
    del dual
    host, host_ipv6 = neighbour.host_address, neighbour.host_ipv6_address
    assert neighbour.ipv6_address in _visit(neighbour, host_ipv6, 8090, "/cgi-bin/who")
    assert neighbour.address in _visit(neighbour, host, 8090, "/cgi-bin/who")
    assert neighbour.ipv6_address in _visit(neighbour, host_ipv6, 8091, "/cgi-bin/who")
    assert "hello" in _visit(neighbour, host_ipv6, 8092)
    assert _visit(neighbour, host, 8091) == ""
    assert _serves("127.0.0.1", 8090)
    assert not _serves("::1", 8090)


def test_a_running_container_is_connected_with_an_address(dual: Machine) -> None:
    before = dual.read_pid("lone")
    dual.succeed("network", "connect", "--ip6", "fd00:77::33", "dual", "lone")
    wait_for(lambda: _serves("fd00:77::33", 80), "the new address")
    assert dual.read_pid("lone") == before
    dual.succeed("network", "disconnect", "dual", "lone")
    wait_for(lambda: not _serves("fd00:77::33", 80), "the end of it")
    assert "fd00:77::1" not in dual.succeed("exec", "lone", "ip", "-6", "route")
    refused = dual.hold("run", "-d", "--network", "dual", "--ip6", "fd00:77::9", IMAGE, "true")
    assert "fd00:77::9 is taken by Container/web" in refused.stderr


def test_what_others_break_comes_back(dual: Machine) -> None:
    pid = dual.read_pid("web")
    for damage in (
        "ip6tables -F; ip6tables -t nat -F",
        "ip -6 address flush dev hold-dual scope global",
        "ip link set hold-dual down",
        f"nsenter -t {pid} -n ip -6 address flush dev eth0 scope global",
        f"nsenter -t {pid} -n ip -6 route flush dev eth0",
        f"nsenter -t {pid} -n sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6'",
    ):
        _run(damage)
        wait_for(lambda: _serves("fd00:77::1", 8090), f"the server after {damage}")
    assert dual.read_pid("web") == pid


def test_the_default_bridge_is_as_the_settings_say(dual: Machine) -> None:
    dual.succeed("run", "-d", "--name", "plain", IMAGE, "sleep", "1000")
    (place,) = dual.read_status("plain")["networks"]
    assert (place["gateway"], place["ipv6Gateway"]) == ("172.30.0.1", "fd00:30::1")
    assert place["ipv6"].startswith("fd00:30::")


def test_a_mistake_is_told_before_anything_starts(dual: Machine) -> None:
    dual.succeed("network", "create", "four")
    refused = dual.hold("run", "-d", "--network", "four", "-p", "[::]:8099:80", IMAGE, "true")
    assert "none of the container's networks has IPv6" in refused.stderr
    refused = dual.hold("network", "create", "--subnet", "fd00:77::/72", "again")
    assert "overlaps fd00:77::/64 of Network/dual" in refused.stderr
    plan = dual.succeed("plan", "-f", "-", stdin=_MANIFEST.replace('"fd00:77::9"', '"fd00:77::8"'))
    assert "fd00:77::8" in plan
