"""Networks with more containers than a bridge has ports."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.names import derive_mac
from controller.model.wants import AttachmentWant, FirewallNetwork
from controller.plan.container.links import is_attached
from controller.plan.firewall import render_firewall
from tests.contract.network import INSTANCE, SHOP_BRIDGE, LinuxPorts, derive_want, linux_network
from tests.kernel.network_host import run

_MOST_PORTS = 1023
_FOREIGN = _MOST_PORTS - 2
WANTS = [
    derive_want(Uid(digit * 32), SHOP_BRIDGE, f"10.77.0.{number}/24")
    for number, digit in enumerate("4567", start=4)
]


@pytest.fixture
def foreign_links() -> Iterator[list[str]]:
    """Links of others, to fill a bridge with."""
    pairs = [(f"d{number}a", f"d{number}b") for number in range(_FOREIGN // 2 + 1)]
    _run_batch(f"link add {one} type veth peer name {other}" for one, other in pairs)
    yield [name for pair in pairs for name in pair][:_FOREIGN]
    _run_batch(f"link del {one}" for one, _ in pairs)


def _run_batch(lines: Iterator[str]) -> None:
    text = "\n".join(lines) + "\n"
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)


async def _attach(ports: LinuxPorts, want: AttachmentWant) -> None:
    await ports.namespaces.ensure(want.container)
    await ports.attachments.ensure(want)


async def _read(ports: LinuxPorts) -> dict[Uid, AttachmentFacts]:
    return {facts.container: facts for facts in await ports.attachments.list()}


def _reaches(ports: LinuxPorts, uid: Uid, address: str) -> bool:
    ping = ["nsenter", f"--net={ports.layout.netns_path(uid)}", "ping", "-c1", "-q"]
    wait = ["-W0.4"] if address.startswith("!") else ["-W20"]
    return (
        subprocess.run([*ping, *wait, address.lstrip("!")], capture_output=True, check=False).returncode == 0
    )


def _find_gateway_mac(ports: LinuxPorts, uid: Uid) -> str:
    """Return the hardware address that a container, asking now, is given for its gateway."""
    enter = ["nsenter", f"--net={ports.layout.netns_path(uid)}"]
    subprocess.run([*enter, "ip", "neigh", "flush", "all"], check=True)
    assert _reaches(ports, uid, "10.77.0.1")
    command = [*enter, "ip", "neigh", "show", "10.77.0.1"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return answer[answer.index("lladdr") + 1]


def _list_further() -> list[str]:
    answer = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [name for line in answer.splitlines() if (name := line.split(": ")[1]).startswith(("hx", "hj"))]


async def test_what_has_no_room_gets_a_further_bridge(
    foreign_links: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with linux_network(tmp_path_factory.mktemp("crowd")) as ports:
        await ports.bridges.ensure(SHOP_BRIDGE)
        _run_batch(f"link set {name} master {SHOP_BRIDGE.name}" for name in foreign_links)
        rules = FirewallNetwork(
            bridge=SHOP_BRIDGE.name, subnet="10.77.0.0/24", gateway="10.77.0.1", crowded=True
        )
        await ports.firewall.replace(render_firewall([rules], [], instance=INSTANCE))
        for want in WANTS:
            await _attach(ports, want)
        facts = await _read(ports)
        assert all(is_attached(want, facts.get(want.container)) for want in WANTS)
        assert len(_list_further()) == 3
        for want in WANTS:
            addresses = ["10.77.0.1", *(each.address.partition("/")[0] for each in WANTS if each is not want)]
            assert [each for each in addresses if not _reaches(ports, want.container, each)] == []
            assert _find_gateway_mac(ports, want.container) == derive_mac(
                SHOP_BRIDGE.network, SHOP_BRIDGE.network
            )

        near = next(name for name in _list_further() if name.split("@")[0].endswith("a")).split("@")[0]
        run("ip", "link", "del", near)
        (bridge,) = await ports.bridges.list()
        assert not bridge.sound
        await ports.bridges.ensure(SHOP_BRIDGE)
        (bridge,) = await ports.bridges.list()
        assert bridge.sound
        assert _reaches(ports, WANTS[0].container, "10.77.0.7")

        apart = replace(rules, inter_container=False)
        await ports.firewall.replace(render_firewall([apart], [], instance=INSTANCE))
        for want in WANTS:
            await ports.attachments.ensure(replace(want, isolated=True))
        for want in WANTS:
            others = [each.address.partition("/")[0] for each in WANTS if each is not want]
            assert _reaches(ports, want.container, "10.77.0.1")
            assert [each for each in others if _reaches(ports, want.container, f"!{each}")] == []

        await ports.bridges.delete(SHOP_BRIDGE.network)
        assert _list_further() == []
