"""What every adapter of Attachments promises of links below a parent."""

from dataclasses import replace

import pytest

from controller.errors import NotFound
from controller.model.facts import AttachmentFacts
from controller.model.network_drivers import Sublink
from controller.model.wants import IPV6_ON_LINK, ON_LINK, AttachmentWant
from controller.plan.container.links import is_attached
from tests.contract.network import DB, WEB, NetworkPorts
from tests.contract.sublinks import PARENT, derive_want, require_links

MACVLAN = Sublink(kind="macvlan", parent=PARENT, mode="bridge")
IPVLAN = Sublink(kind="ipvlan", parent=PARENT, mode="l2", flag="bridge")
SUBLINKS = [
    MACVLAN,
    replace(MACVLAN, mode="private"),
    replace(MACVLAN, mode="vepa"),
    replace(MACVLAN, mode="passthru"),
    IPVLAN,
    replace(IPVLAN, mode="l3"),
    replace(IPVLAN, mode="l3s", flag="private"),
    replace(IPVLAN, flag="vepa"),
]
WANT = derive_want(WEB, MACVLAN, "10.90.0.2/24")


@pytest.fixture
async def host(network: NetworkPorts) -> NetworkPorts:
    """A parent and two namespaces."""
    require_links(network, ["macvlan"])
    network.add_parent(PARENT)
    await network.namespaces.ensure(WEB)
    await network.namespaces.ensure(DB)
    return network


async def read_one(host: NetworkPorts) -> AttachmentFacts:
    (facts,) = await host.attachments.read(WEB)
    return facts


@pytest.mark.parametrize("sublink", SUBLINKS, ids=lambda each: f"{each.kind}-{each.mode}-{each.flag}")
async def test_one_that_was_made_is_as_wanted(host: NetworkPorts, sublink: Sublink) -> None:
    require_links(host, [sublink.kind])
    want = derive_want(WEB, sublink, "10.90.0.2/24")
    await host.attachments.ensure(want)
    assert is_attached(want, await read_one(host))
    assert await host.attachments.list() == await host.attachments.read(WEB)


async def test_making_one_again_changes_nothing(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    before = await read_one(host)
    await host.attachments.ensure(WANT)
    assert await read_one(host) == before


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(replace(WANT, address="10.90.0.77/24"), id="address"),
        pytest.param(replace(WANT, gateway="10.90.0.1"), id="gateway"),
        pytest.param(replace(WANT, ipv6_address="fd00:90::2/64", ipv6_gateway="fd00:90::1"), id="IPv6"),
        pytest.param(replace(WANT, address="", ipv6_address="fd00:90::2/64"), id="IPv6 alone"),
        pytest.param(replace(WANT, inside="lan0"), id="name"),
        pytest.param(replace(WANT, mac="02:00:00:00:00:77"), id="mac"),
        pytest.param(replace(WANT, mtu=1400), id="mtu"),
        pytest.param(replace(WANT, sublink=replace(MACVLAN, mode="private")), id="mode"),
        pytest.param(replace(WANT, sublink=IPVLAN, mac=""), id="kind"),
    ],
)
async def test_what_differs_is_mended(host: NetworkPorts, want: AttachmentWant) -> None:
    require_links(host, [want.sublink.kind] if want.sublink is not None else [])
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(want)
    assert is_attached(want, await read_one(host))
    await host.attachments.ensure(WANT)
    assert is_attached(WANT, await read_one(host))


async def test_a_default_route_can_lead_out_by_the_link_alone(host: NetworkPorts) -> None:
    require_links(host, ["ipvlan"])
    sublink = replace(IPVLAN, mode="l3")
    want = replace(
        derive_want(WEB, sublink, "10.90.0.2/24"),
        gateway=ON_LINK,
        ipv6_address="fd00:90::2/64",
        ipv6_gateway=IPV6_ON_LINK,
    )
    await host.attachments.ensure(want)
    assert is_attached(want, await read_one(host))
    without = replace(want, gateway="", ipv6_gateway="")
    await host.attachments.ensure(without)
    assert is_attached(without, await read_one(host))


async def test_each_container_has_its_own(host: NetworkPorts) -> None:
    other = derive_want(DB, MACVLAN, "10.90.0.3/24")
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(other)
    await host.attachments.delete(WEB, WANT.host_link)
    assert await host.attachments.read(WEB) == ()
    (facts,) = await host.attachments.list()
    assert is_attached(other, facts)


async def test_without_a_parent_there_is_none(host: NetworkPorts) -> None:
    lost = derive_want(WEB, replace(MACVLAN, parent="lan9"), "10.90.0.2/24")
    with pytest.raises(NotFound, match="lan9"):
        await host.attachments.ensure(lost)
    await host.attachments.ensure(WANT)
    host.delete_link(PARENT)
    assert await host.attachments.read(WEB) == ()
    host.add_parent(PARENT)
    await host.attachments.ensure(WANT)
    assert is_attached(WANT, await read_one(host))


async def test_deleting_what_is_missing_succeeds(host: NetworkPorts) -> None:
    await host.attachments.delete(WEB, WANT.host_link)
    await host.attachments.ensure(WANT)
    await host.namespaces.delete(WEB)
    await host.attachments.delete(WEB, WANT.host_link)
    assert await host.attachments.read(WEB) == ()
