"""Two daemons on one host: neither opens, breaks or deletes what is the other's."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.machine import Machine, fetch, wait_for

_BRIDGE = "lab-bridge"


def _manifest(name: str, subnet: str, port: int, *, bridge: str = "") -> str:
    network = {"subnets": [subnet], **({"bridgeName": bridge} if bridge else {})}
    web = {
        "rootfs": "",
        "command": ["httpd", "-f", "-p", "80", "-h", "/www"],
        "networks": [name],
        "ports": [f"{port}:80"],
    }
    items = [
        {"kind": "Network", "metadata": {"name": name}, "spec": network},
        {"kind": "Container", "metadata": {"name": name}, "spec": web},
    ]
    return json.dumps({"kind": "List", "items": items})


@pytest.fixture(scope="module")
def lab(machine: Machine) -> Iterator[Machine]:
    """A second daemon on the machine, of the instance `lab`."""
    resolv_path = str(machine.scratch_path / "resolv.conf")
    second = Machine(
        machine.scratch_path / "lab", options=["--instance", "lab", "--resolv-conf", resolv_path]
    )
    second.scratch_path.mkdir()
    second.start_daemon()
    yield second
    second.purge()
    # What a stopped daemon leaves in force would never come back when another test flushes it.
    subprocess.run(["nft", "flush", "ruleset"], check=True)


def _declare(machine: Machine, text: str) -> None:
    image_path = str(machine.make_image_root())
    machine.succeed("apply", "-f", "-", stdin=text.replace('"rootfs": ""', f'"rootfs": "{image_path}"'))
    machine.succeed("wait", "--for=condition=Ready", "--all")


def _reaches(machine: Machine, name: str, target: str) -> bool:
    answer = machine.hold("exec", name, "timeout", "1", "wget", "-qO-", f"http://{target}/")
    return "hello from a container" in answer.stdout


def _list_foreign_marks(instance: str) -> list[str]:
    """Return everything on the host that bears the other instance's marks, as text to compare."""
    links = subprocess.run(["ip", "-d", "link"], check=True, capture_output=True, text=True).stdout
    rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
    marks = re.findall(rf"alias (hold:{instance}:\S+)", links)
    return sorted([*marks, *(line for line in rules.splitlines() if f'"hold:{instance}"' in line)])


@pytest.mark.timeout(180)
def test_two_daemons_keep_apart(machine: Machine, lab: Machine) -> None:
    _declare(machine, _manifest("ours", "10.83.0.0/24", 8096))
    _declare(lab, _manifest("theirs", "10.84.0.0/24", 8097, bridge=_BRIDGE))
    addresses = {
        owner: owner.read_status(name)["networks"][0]["ipv4"]
        for owner, name in ((machine, "ours"), (lab, "theirs"))
    }

    def check() -> None:
        wait_for(lambda: fetch(8096) and fetch(8097), "both ports")
        assert not _reaches(machine, "ours", addresses[lab])
        assert not _reaches(lab, "theirs", addresses[machine])
        wait_for(lambda: _reaches(machine, "ours", "10.83.0.1:8097"), "their port")
        wait_for(lambda: _reaches(lab, "theirs", "10.84.0.1:8096"), "our port")

    check()
    subprocess.run(["iptables", "-F", "FORWARD"], check=True)
    subprocess.run(["iptables", "-t", "nat", "-F", "PREROUTING"], check=True)
    check()
    lab_before, pid = _list_foreign_marks("lab"), lab.read_pid("theirs")
    machine.kill_daemon()
    machine.start_daemon()
    machine.succeed("delete", "container", "ours", "--grace-period", "0")
    machine.succeed("delete", "network", "ours")
    wait_for(lambda: not fetch(8096), "the end of the first port")
    assert fetch(8097)
    assert (_list_foreign_marks("lab"), lab.read_pid("theirs")) == (lab_before, pid)
