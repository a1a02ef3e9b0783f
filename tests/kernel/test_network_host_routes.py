"""Which routes of others admission hears of: all but the default one and those to nowhere."""

import subprocess
from collections.abc import Iterator

import pytest

from controller.kernel.host_view import KernelHostView
from tests.kernel.network_host import SHOP, NetworkHost

FOREIGN_LINK, FOREIGN_SUBNET, FOREIGN_ROUTE = "others0", "10.99.0.0/24", "10.98.0.0/16"


def ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


@pytest.fixture
def foreign_bridge() -> Iterator[None]:
    """A bridge of another program, with its subnet and one further route behind it."""
    ip(f"link add {FOREIGN_LINK} type bridge")
    try:
        ip(f"address add 10.99.0.1/24 dev {FOREIGN_LINK}")
        ip(f"link set {FOREIGN_LINK} up")
        ip(f"route add {FOREIGN_ROUTE} via 10.99.0.2")
        ip("route add blackhole 10.97.0.0/16")
        yield
    finally:
        ip("route del blackhole 10.97.0.0/16")
        ip(f"link del {FOREIGN_LINK}")


@pytest.mark.usefixtures("foreign_bridge")
async def test_routes_and_links_of_others_are_seen_and_own_ones_are_not(network: NetworkHost) -> None:
    facts = await KernelHostView(layout=network.layout).read(networks=True)
    assert set(facts.routes) == {FOREIGN_SUBNET, FOREIGN_ROUTE}
    assert FOREIGN_LINK in facts.link_names
    assert SHOP.name not in facts.link_names


@pytest.mark.usefixtures("foreign_bridge")
async def test_a_default_route_takes_no_subnet(network: NetworkHost) -> None:
    ip("route add default via 10.99.0.2")
    facts = await KernelHostView(layout=network.layout).read(networks=True)
    assert set(facts.routes) == {FOREIGN_SUBNET, FOREIGN_ROUTE}


@pytest.mark.usefixtures("foreign_bridge")
async def test_routes_of_every_make_are_seen(network: NetworkHost) -> None:
    """Over several links, by a next hop object, of IPv6; those of other tables and link-local ones are not."""
    ip("route add 10.96.0.0/16 nexthop via 10.99.0.2 nexthop via 10.99.0.3")
    ip(f"nexthop add id 7 via 10.99.0.4 dev {FOREIGN_LINK}")
    ip("route add 10.95.0.0/16 nhid 7")
    ip(f"address add fd00:99::1/64 dev {FOREIGN_LINK} nodad")
    ip("route add 10.94.0.0/16 via 10.99.0.2 table 7")
    facts = await KernelHostView(layout=network.layout).read(networks=True)
    assert {FOREIGN_SUBNET, FOREIGN_ROUTE, "10.96.0.0/16", "10.95.0.0/16", "fd00:99::/64"} == set(
        facts.routes
    )
