"""What every adapter of NameServer promises."""

from controller.model.facts import NamesFacts
from controller.model.wants import NamesWant, Zone
from tests.contract.network import BACK, SHOP, WEB, NetworkPorts

ZONE = Zone(
    network=SHOP,
    network_name="shop",
    bridge="hold-shop",
    gateway="10.77.0.1",
    names=(("web", ("10.77.0.2",)),),
    hosts=((WEB, "10.77.0.2", ("web",)),),
)
OTHER = Zone(network=BACK, network_name="back", bridge="hold-back", gateway="10.78.0.1")


async def test_a_fresh_host_serves_nothing(network: NetworkPorts) -> None:
    assert await network.names.read() == NamesFacts(digest="", serving=False)


async def test_what_was_published_is_served(network: NetworkPorts) -> None:
    for want in (
        NamesWant(digest="one", zones=(ZONE,)),
        NamesWant(digest="two", zones=(ZONE, OTHER)),
        NamesWant(digest="two", zones=(ZONE, OTHER)),
        NamesWant(digest="three", zones=(OTHER,)),
    ):
        await network.names.publish(want)
        assert await network.names.read() == NamesFacts(digest=want.digest, serving=True)


async def test_no_server_runs_without_zones(network: NetworkPorts) -> None:
    await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
    await network.names.publish(NamesWant(digest="none"))
    assert await network.names.read() == NamesFacts(digest="none", serving=False)
    await network.names.publish(NamesWant(digest="one", zones=(ZONE,)))
    assert await network.names.read() == NamesFacts(digest="one", serving=True)
