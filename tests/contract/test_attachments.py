"""What every adapter of Attachments promises."""

from dataclasses import replace

import pytest

from controller.errors import NotFound
from controller.model.facts import AttachmentFacts
from controller.model.wants import AttachmentWant
from controller.plan.container.links import is_attached
from tests.contract.network import BACK_BRIDGE, DB, SHOP, SHOP_BRIDGE, WEB, NetworkPorts, derive_want

WANT = derive_want(WEB, SHOP_BRIDGE, "10.77.0.2/24")
DUAL = replace(WANT, ipv6_address="fd00:77::2/64", ipv6_gateway="fd00:77::1")
OTHER_NETWORK = replace(derive_want(WEB, BACK_BRIDGE, "10.78.0.2/24", inside="eth1"), gateway="")


@pytest.fixture
async def host(network: NetworkPorts) -> NetworkPorts:
    """Two bridges, one namespace."""
    await network.bridges.ensure(replace(SHOP_BRIDGE, ipv6_address="fd00:77::1/64"))
    await network.bridges.ensure(BACK_BRIDGE)
    await network.namespaces.ensure(WEB)
    return network


async def read_one(host: NetworkPorts) -> AttachmentFacts:
    (facts,) = await host.attachments.read(WEB)
    return facts


async def test_one_that_was_made_is_as_wanted(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    assert is_attached(WANT, await read_one(host))
    assert await host.attachments.list() == await host.attachments.read(WEB)


async def test_making_one_again_changes_nothing(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    before = await read_one(host)
    await host.attachments.ensure(WANT)
    assert await read_one(host) == before


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(replace(WANT, address="10.77.0.9/24"), id="address"),
        pytest.param(replace(WANT, gateway=""), id="no default route"),
        pytest.param(replace(WANT, mac="02:00:00:00:00:07"), id="mac"),
        pytest.param(replace(WANT, inside="eth3"), id="name"),
        pytest.param(replace(WANT, isolated=True), id="isolated"),
        pytest.param(replace(WANT, mtu=1300), id="mtu"),
        pytest.param(replace(WANT, ipv6_address="fd00:77::2/64"), id="ipv6"),
        pytest.param(replace(WANT, link_local=("169.254.7.7/16", "169.254.7.8/16")), id="link-local"),
        pytest.param(replace(WANT, address="", gateway="", ipv6_address="fd00:77::2/64"), id="ipv6 alone"),
        pytest.param(replace(WANT, bridge=BACK_BRIDGE.name, address="10.78.0.7/24", gateway="10.78.0.1"), id="bridge"),
    ],
)  # fmt: skip
async def test_what_differs_is_mended(host: NetworkPorts, want: AttachmentWant) -> None:
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(want)
    assert is_attached(want, await read_one(host))
    await host.attachments.ensure(replace(WANT, mtu=want.mtu))
    assert is_attached(replace(WANT, mtu=want.mtu), await read_one(host))


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(replace(DUAL, ipv6_address="fd00:77::9/64"), id="address"),
        pytest.param(replace(DUAL, ipv6_gateway=""), id="no default route"),
        pytest.param(replace(DUAL, mac="02:00:00:00:00:07"), id="mac"),
        pytest.param(replace(DUAL, inside="eth3"), id="name"),
        pytest.param(replace(DUAL, mtu=1300), id="mtu"),
        pytest.param(replace(DUAL, ipv6_address="", ipv6_gateway=""), id="no ipv6"),
        pytest.param(replace(DUAL, link_local=("169.254.7.7/16", "fe80::7/64")), id="link-local"),
    ],
)
async def test_what_differs_is_mended_with_both_families(host: NetworkPorts, want: AttachmentWant) -> None:
    await host.attachments.ensure(DUAL)
    assert is_attached(DUAL, await read_one(host))
    await host.attachments.ensure(want)
    assert is_attached(want, await read_one(host))
    await host.attachments.ensure(replace(DUAL, mtu=want.mtu))
    assert is_attached(replace(DUAL, mtu=want.mtu), await read_one(host))


async def test_a_container_can_be_on_two_networks(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(OTHER_NETWORK)
    facts = {each.host_link: each for each in await host.attachments.read(WEB)}
    assert is_attached(WANT, facts[WANT.host_link])
    assert is_attached(OTHER_NETWORK, facts[OTHER_NETWORK.host_link])
    await host.attachments.delete(WEB, WANT.host_link)
    (left,) = await host.attachments.read(WEB)
    assert is_attached(OTHER_NETWORK, left)


async def test_links_can_have_link_local_addresses_alike(host: NetworkPorts) -> None:
    first = replace(DUAL, link_local=("169.254.7.7/16", "fe80::7/64"))
    second = replace(OTHER_NETWORK, link_local=("169.254.7.7/16",))
    for want in (first, second, first):
        await host.attachments.ensure(want)
    facts = {each.host_link: each for each in await host.attachments.read(WEB)}
    assert is_attached(first, facts[first.host_link])
    assert is_attached(second, facts[second.host_link])
    one_less = replace(first, link_local=("fe80::7/64",))
    await host.attachments.ensure(one_less)
    facts = {each.host_link: each for each in await host.attachments.read(WEB)}
    assert is_attached(one_less, facts[first.host_link])
    assert not is_attached(first, facts[first.host_link])


async def test_links_can_swap_their_names(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(OTHER_NETWORK)
    swapped = (replace(OTHER_NETWORK, inside=WANT.inside), replace(WANT, inside=OTHER_NETWORK.inside))
    for want in swapped:
        await host.attachments.ensure(want)
    facts = {each.host_link: each for each in await host.attachments.read(WEB)}
    assert all(is_attached(want, facts[want.host_link]) for want in swapped)


async def test_the_default_route_can_move(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(OTHER_NETWORK)
    await host.attachments.ensure(replace(WANT, gateway=""))
    moved = replace(OTHER_NETWORK, gateway="10.78.0.1")
    await host.attachments.ensure(moved)
    facts = {each.host_link: each for each in await host.attachments.read(WEB)}
    assert is_attached(moved, facts[moved.host_link])
    assert facts[WANT.host_link].gateway == ""


async def test_containers_are_told_apart(host: NetworkPorts) -> None:
    await host.namespaces.ensure(DB)
    await host.attachments.ensure(WANT)
    await host.attachments.ensure(derive_want(DB, SHOP_BRIDGE, "10.77.0.3/24"))
    assert {facts.container for facts in await host.attachments.list()} == {WEB, DB}
    assert [facts.container for facts in await host.attachments.read(DB)] == [DB]


async def test_without_a_namespace_it_is_not_found(network: NetworkPorts) -> None:
    await network.bridges.ensure(SHOP_BRIDGE)
    with pytest.raises(NotFound):
        await network.attachments.ensure(WANT)
    assert await network.attachments.list() == ()


async def test_without_a_bridge_it_is_not_found(network: NetworkPorts) -> None:
    await network.namespaces.ensure(WEB)
    with pytest.raises(NotFound):
        await network.attachments.ensure(WANT)
    assert await network.attachments.list() == ()


async def test_a_port_outlives_its_bridge(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    await host.bridges.delete(SHOP)
    assert (await read_one(host)).bridge == ""
    await host.bridges.ensure(SHOP_BRIDGE)
    await host.attachments.ensure(WANT)
    assert is_attached(WANT, await read_one(host))


async def test_nothing_is_inside_a_dropped_namespace(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    await host.namespaces.delete(WEB)
    assert all(facts.inside == "" for facts in await host.attachments.list())
    await host.attachments.delete(WEB, WANT.host_link)
    assert await host.attachments.list() == ()


async def test_one_can_be_made_again_at_once_after_its_namespace_was_dropped(host: NetworkPorts) -> None:
    await host.attachments.ensure(WANT)
    await host.namespaces.delete(WEB)
    await host.namespaces.ensure(WEB)
    await host.attachments.ensure(WANT)
    assert is_attached(WANT, await read_one(host))


async def test_deleting_what_is_missing_succeeds(host: NetworkPorts) -> None:
    await host.attachments.delete(WEB, WANT.host_link)
    await host.attachments.ensure(WANT)
    await host.attachments.delete(WEB, WANT.host_link)
    await host.attachments.delete(WEB, WANT.host_link)
    assert await host.attachments.read(WEB) == ()
