"""Who reaches whom by links below a parent: containers one another, and machines on the parent's wire."""

import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.kernel.threads import run_in_netns
from controller.model.ids import Uid
from controller.model.network_drivers import Sublink, Vlan
from controller.model.wants import ON_LINK, ParentWant
from tests.contract.network import DB, WEB, LinuxPorts, linux_network
from tests.contract.sublinks import LAN, derive_want, require_links
from tests.testhost.peer import Peer

DUMMY = ParentWant(network=LAN, name="hold-5555555555")
MACVLAN = Sublink(kind="macvlan", parent=DUMMY.name, mode="bridge")
IPVLAN = Sublink(kind="ipvlan", parent=DUMMY.name, mode="l2", flag="bridge")


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LinuxPorts]:
    """Two namespaces."""
    async with linux_network(tmp_path) as ports:
        for uid in (WEB, DB):
            await ports.namespaces.ensure(uid)
        yield ports


def reaches(host: LinuxPorts, container: Uid, address: str) -> bool:
    """Tell whether an answer comes; with patience where one is awaited, for links that settle."""
    command = ["ping", "-c", "1", "-W", "2", address]
    attempt = lambda: subprocess.run(command, check=False, capture_output=True)  # noqa: E731 - run elsewhere
    return run_in_netns(host.layout.netns_path(container), attempt).returncode == 0


async def join(host: LinuxPorts, sublink: Sublink, *addresses: str) -> None:
    """Put WEB and DB below the parent."""
    for uid, address in zip((WEB, DB), addresses, strict=True):
        want = derive_want(uid, sublink, address)
        gateway = ON_LINK if sublink.routes_by_link else ""
        await host.attachments.ensure(replace(want, gateway=gateway))


@pytest.mark.parametrize(
    ("sublink", "addresses", "reached"),
    [
        (MACVLAN, ("10.90.0.2/24", "10.90.0.3/24"), True),
        (replace(MACVLAN, mode="private"), ("10.90.0.2/24", "10.90.0.3/24"), False),
        (IPVLAN, ("10.90.0.2/24", "10.90.0.3/24"), True),
        (replace(IPVLAN, flag="private"), ("10.90.0.2/24", "10.90.0.3/24"), False),
        (replace(IPVLAN, mode="l3"), ("10.90.1.2/24", "10.90.2.3/24"), True),
    ],
    ids=lambda each: f"{each.kind}-{each.mode}-{each.flag}" if isinstance(each, Sublink) else "",
)
async def test_modes_decide_whether_containers_reach_one_another(
    host: LinuxPorts, sublink: Sublink, addresses: tuple[str, str], *, reached: bool
) -> None:
    require_links(host, ["dummy", sublink.kind])
    await host.parents.ensure(DUMMY)
    await join(host, sublink, *addresses)
    assert reaches(host, WEB, addresses[1].partition("/")[0]) is reached


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan"])
async def test_a_machine_on_the_wire_is_reached(host: LinuxPorts, peer: Peer, kind: str) -> None:
    require_links(host, [kind])
    sublink = replace(MACVLAN if kind == "macvlan" else IPVLAN, parent=peer.host_link)
    await join(host, sublink, "192.0.2.8/24", "192.0.2.9/24")
    assert reaches(host, WEB, peer.address)
    assert peer.run("ping", "-c", "1", "-W", "2", "192.0.2.9").returncode == 0
    assert not reaches(host, WEB, peer.host_address)


async def test_a_vlan_leads_to_its_own_machines_alone(host: LinuxPorts, peer: Peer) -> None:
    require_links(host, ["vlan", "macvlan"])
    name = f"{peer.host_link}.50"
    for command in (
        ["link", "add", "link", "eth0", "name", "eth0.50", "type", "vlan", "id", "50"],
        ["address", "add", "203.0.113.1/24", "dev", "eth0.50"],
        ["link", "set", "eth0.50", "up"],
    ):
        peer.run("ip", *command)
    await host.parents.ensure(ParentWant(network=LAN, name=name, vlan=Vlan(lower=peer.host_link, id=50)))
    await join(host, replace(MACVLAN, parent=name), "203.0.113.8/24", "203.0.113.9/24")
    assert reaches(host, WEB, "203.0.113.1")
    assert reaches(host, WEB, "203.0.113.9")
    assert not reaches(host, WEB, peer.address)
