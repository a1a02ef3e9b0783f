"""What every adapter of NameServer promises."""

from dataclasses import replace

from controller.model.facts import NamesFacts
from controller.model.wants import NamedHost, NamesWant, Zone
from tests.contract.network import BACK, DB, SHOP, WEB, NetworkPorts

ZONE = Zone(
    network=SHOP,
    network_name="shop",
    gateways=("10.77.0.1",),
    hosts=(NamedHost(container=WEB, addresses=("10.77.0.2",), names=("web",)),),
)
OTHER = Zone(network=BACK, network_name="back", gateways=("10.78.0.1",))
FULLER = replace(OTHER, hosts=(*ZONE.hosts, NamedHost(container=DB, addresses=("10.78.0.3",), names=("db",))))


async def test_a_fresh_host_serves_nothing(network: NetworkPorts) -> None:
    assert await network.names.read() == NamesFacts(digest="", serving=False)


async def test_what_was_published_is_served(network: NetworkPorts) -> None:
    for want in (
        NamesWant(digest="one", zones=(ZONE,)),
        NamesWant(digest="two", zones=(ZONE, OTHER)),
        NamesWant(digest="two", zones=(ZONE, OTHER)),
        NamesWant(digest="three", zones=(ZONE, FULLER)),
        NamesWant(digest="four", zones=(OTHER,)),
    ):
        await network.names.publish(want)
        assert await network.names.read() == NamesFacts(digest=want.digest, serving=True)


async def test_no_server_runs_without_zones(network: NetworkPorts) -> None:
    await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
    await network.names.publish(NamesWant(digest="none"))
    assert await network.names.read() == NamesFacts(digest="none", serving=False)
    await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
    assert await network.names.read() == NamesFacts(digest="one", serving=True)
