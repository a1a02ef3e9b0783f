"""Networks below a parent on a fake machine: whole lives, and parents that come and go."""

from pathlib import Path

from controller.model.container import Container
from controller.model.ids import Key
from controller.model.network import NetworkSpec
from controller.model.resource import find_condition, is_ready
from tests.fakes.simulation import Simulation, draft_container, draft_shop, make_draft, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually

LAN, WAN = Key("Network", "lan"), Key("Network", "wan")


def _below(parent: str, **options: str) -> NetworkSpec:
    told = {"driver": "macvlan", "driverOptions": {"parent": parent, **options}}
    return NetworkSpec.model_validate(told)


async def _start(sim: Simulation, *, parent: str = "eth0") -> None:
    """Bring up a container on lan."""
    sim.world.plug_parent("eth0")
    sim.boot()
    drafts = (*draft_shop(), make_draft(LAN, _below(parent)))
    await sim.apply(*drafts, draft_container("web", networks=["lan"]))
    await sim.settle()
    assert sim.faults() == []


def _find_message(container: Container, kind: str) -> str:
    condition = find_condition(container.status, kind)
    return condition.message if condition is not None else ""


def test_a_parent_that_went_is_waited_for(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim, parent="eth0.50")
            assert "eth0.50" in sim.world.parents
            pid = sim.container("web").status.pid
            sim.world.lose_parent("eth0")
            await sim.settle()
            assert not is_ready(sim.store.snapshot()[LAN].status)
            assert not is_ready(sim.container("web").status)
            assert "the host has no link eth0" in _find_message(sim.container("web"), "NetworksAttached")
            sim.world.plug_parent("eth0")
            await sim.settle(1.0)
            assert sim.faults() == []
            assert sim.container("web").status.pid == pid

    run_virtually(main)


def test_a_link_that_was_deleted_comes_back(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim)
            sim.world.lose_links(sim.uid(Key("Container", "web")))
            await sim.settle(1.0)
            assert sim.faults() == []

    run_virtually(main)


def test_networks_come_and_go_while_a_container_runs(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim)
            pid = sim.container("web").status.pid
            tagged = make_draft(WAN, _below("eth0.7", macvlan_mode="private"))
            await sim.apply(tagged, draft_container("web", networks=["lan", "wan", "shop"]))
            await sim.settle()
            assert sim.faults() == []
            assert sim.container("web").status.pid == pid
            assert len(sim.container("web").status.networks) == 3
            await sim.apply(draft_container("web", networks=["shop"]))
            await sim.delete(LAN, WAN)
            await sim.settle()
            assert sim.faults() == []
            assert list(sim.world.parents) == ["eth0"]
            assert sim.container("web").status.pid == pid

    run_virtually(main)


def test_ports_of_containers_with_addresses_outside_are_not_published(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim)
            await sim.apply(draft_container("web", networks=["lan"], ports=["8080:80"]))
            await sim.settle()
            web = sim.container("web")
            assert is_ready(web.status)
            assert web.status.ports == ()
            assert "no port of the host leads to network lan" in _find_message(web, "PortsPublished")
            assert sim.world.firewall is not None
            assert "8080" not in sim.world.firewall.text

    run_virtually(main)


def test_ports_of_containers_on_internal_networks_are_told(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim)
            closed = make_draft(Key("Network", "closed"), NetworkSpec(internal=True))
            await sim.apply(closed, draft_container("web", networks=["closed"], ports=["8080:80"]))
            await sim.settle()
            web = sim.container("web")
            assert (is_ready(web.status), web.status.ports) == (True, ())
            assert "no port of the host leads to internal networks (closed)" in _find_message(
                web, "PortsPublished"
            )
            await sim.apply(draft_container("web", networks=["closed", "shop"], ports=["8080:80"]))
            await sim.settle()
            assert [port.host_port for port in sim.container("web").status.ports] == [8080]
            assert _find_message(sim.container("web"), "PortsPublished") == ""

    run_virtually(main)


def test_a_vlan_is_left_to_the_network_that_stays(tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            await _start(sim, parent="eth0.50")
            await sim.apply(make_draft(WAN, _below("eth0.50")), draft_container("db", networks=["wan"]))
            await sim.settle()
            link = sim.world.links.copy()
            await sim.delete(Key("Container", "web"), LAN)
            await sim.settle()
            assert sim.faults() == []
            db = sim.uid(Key("Container", "db"))
            assert {key: each for key, each in link.items() if key[0] == db} == sim.world.links
            assert sim.world.parents["eth0.50"].network == sim.uid(WAN)

    run_virtually(main)
