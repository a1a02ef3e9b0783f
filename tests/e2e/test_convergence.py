"""What is declared comes to be, in all its parts."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine import Machine, fetch
from tests.resolver import resolver
from tests.testhost.peer import Peer

_MANIFEST = """
apiVersion: hold/v1
kind: Network
metadata: {name: front}
spec: {subnets: [10.77.0.0/24]}
---
apiVersion: hold/v1
kind: Network
metadata: {name: back}
spec: {subnets: [10.78.0.0/24]}
---
apiVersion: hold/v1
kind: Volume
metadata: {name: pages}
---
apiVersion: hold/v1
kind: Container
metadata: {name: web, labels: {app: site}}
spec:
  image: box:1
  command: [httpd, -f, -p, "80", -h, /www]
  networks: [{name: front, aliases: [www], ipv4: 10.77.0.9}]
  mounts: ["pages:/pages"]
  ports: ["8081:80"]
  resources: {memory: 64MiB, cpus: 0.5, pids: 64}
---
apiVersion: hold/v1
kind: Container
metadata: {name: client}
spec: {image: "box:1", command: [sleep, "100000"], networks: [front]}
---
apiVersion: hold/v1
kind: Container
metadata: {name: stranger}
spec: {image: "box:1", command: [sleep, "100000"], networks: [back]}
"""


@pytest.fixture(scope="module")
def site(machine: Machine) -> Iterator[Machine]:
    """The machine with the manifest above applied and ready."""
    machine.succeed("apply", "-f", "-", stdin=_MANIFEST)
    machine.succeed("wait", "--for=condition=Ready", "--all", "--timeout=60s")
    yield machine
    machine.succeed("delete", "-f", "-", stdin=_MANIFEST)


def test_each_container_has_namespaces_of_its_own(site: Machine) -> None:
    pids = {name: site.read_pid(name) for name in ("web", "client", "stranger")}
    for kind in ("pid", "mnt", "uts", "ipc", "net", "cgroup"):
        seen = {Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in [*pids.values(), os.getpid()]}
        assert len(seen) == 4, kind


def test_the_root_is_an_overlay(site: Machine) -> None:
    mounts = Path(f"/proc/{site.read_pid('web')}/mountinfo").read_text().splitlines()
    root = next(line for line in mounts if line.split()[4] == "/")
    assert " - overlay " in root


def test_limits_are_in_force(site: Machine) -> None:
    cgroup = next(
        line.split(":")[2]
        for line in Path(f"/proc/{site.read_pid('web')}/cgroup").read_text().splitlines()
        if ":memory:" in line or line.startswith("0::")
    )
    files = [
        Path("/sys/fs/cgroup/memory" + cgroup, "memory.limit_in_bytes"),
        Path("/sys/fs/cgroup" + cgroup, "memory.max"),
    ]
    limit = next(path for path in files if path.exists()).read_text().strip()
    assert int(limit) == 64 << 20


def test_the_address_is_the_one_declared(site: Machine) -> None:
    status = site.read_status("web")
    assert [(found["name"], found["ipv4"]) for found in status["networks"]] == [("front", "10.77.0.9")]
    inside = site.succeed("exec", "web", "ip", "-o", "-4", "address", "show", "dev", "eth0")
    assert "10.77.0.9/24" in inside
    assert "default via 10.77.0.1 dev eth0" in site.succeed("exec", "web", "ip", "route")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("host", ["127.0.0.1", "10.77.0.1"])
def test_the_port_is_reached_from_the_host(host: str) -> None:
    assert fetch(8081, host) == "hello from a container\n"


@pytest.mark.usefixtures("site")
def test_the_port_is_reached_from_another_machine_whose_address_is_seen(peer: Peer) -> None:
    url = f"http://{peer.host_address}:8081/cgi-bin/who"
    client = peer.run("busybox", "timeout", "10", "busybox", "wget", "-qO-", url).stdout.strip()
    assert client.strip("[]").removeprefix("::ffff:") == peer.address


def test_the_port_is_reached_from_the_same_bridge_by_the_host(site: Machine) -> None:
    page = site.succeed("exec", "client", "timeout", "10", "wget", "-qO-", "http://10.77.0.1:8081/")
    assert page == "hello from a container\n"
    page = site.succeed("exec", "web", "timeout", "10", "wget", "-qO-", "http://10.77.0.1:8081/")
    assert page == "hello from a container\n"


@pytest.mark.parametrize("name", ["web", "www"])
def test_names_and_aliases_resolve(site: Machine, name: str) -> None:
    assert (
        site.succeed("exec", "client", "timeout", "10", "wget", "-qO-", f"http://{name}/")
        == "hello from a container\n"
    )


def test_names_of_other_networks_do_not_resolve(site: Machine) -> None:
    assert site.hold("exec", "stranger", "nslookup", "web").returncode != 0


def test_networks_are_apart(site: Machine) -> None:
    answer = site.hold("exec", "stranger", "timeout", "2", "wget", "-qO-", "http://10.77.0.9/")
    assert answer.returncode != 0
    assert site.succeed("exec", "client", "timeout", "10", "wget", "-qO-", "http://10.77.0.9/") != ""


def test_a_published_port_is_reached_from_another_network(site: Machine) -> None:
    page = site.succeed("exec", "stranger", "timeout", "10", "wget", "-qO-", "http://10.78.0.1:8081/")
    assert page == "hello from a container\n"


def test_what_leaves_the_host_has_the_hosts_address(site: Machine, peer: Peer) -> None:
    with peer.socket() as server:
        server.bind((peer.address, 7001))
        server.listen(1)
        server.settimeout(20)
        site.succeed("exec", "-d", "client", "sh", "-c", f"echo hi | nc -w 10 {peer.address} 7001")
        connection, sender = server.accept()
        connection.close()
    assert sender[0] == peer.host_address


def test_outside_names_go_to_the_hosts_resolver(site: Machine) -> None:
    with resolver("127.0.0.53"):
        answer = site.succeed("exec", "client", "nslookup", "outside.example")
    assert "203.0.113.7" in answer


def test_macs_and_addresses_are_stable_over_a_restart(site: Machine) -> None:
    before: dict[str, Any] = site.read_status("client")
    site.succeed("restart", "-t", "0", "client")
    site.succeed("wait", "--for=condition=Ready", "container/client")
    after = site.read_status("client")
    assert after["networks"] == before["networks"]
    assert after["pid"] != before["pid"]


def test_labels_select(site: Machine) -> None:
    assert site.succeed("get", "containers", "-l", "app=site", "-o", "name").split() == ["container/web"]


@pytest.mark.usefixtures("site")
def test_nothing_listens_for_a_published_port() -> None:
    listeners = subprocess.run(["ss", "-Hltn"], check=True, capture_output=True, text=True).stdout
    assert ":8081 " not in listeners
