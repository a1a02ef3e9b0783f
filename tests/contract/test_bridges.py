"""What every adapter of Bridges promises."""

from dataclasses import replace

import pytest

from controller.errors import Conflict
from controller.model.wants import BridgeWant
from controller.plan.network import is_bridge
from tests.contract.network import BACK, BACK_BRIDGE, SHOP, SHOP_BRIDGE, NetworkPorts


async def test_one_that_was_made_is_as_wanted(network: NetworkPorts) -> None:
    await network.bridges.ensure(SHOP_BRIDGE)
    (facts,) = await network.bridges.list()
    assert is_bridge(SHOP_BRIDGE, facts)
    assert await network.bridges.read(SHOP, SHOP_BRIDGE.name) == facts
    assert await network.bridges.read(SHOP, "hold-other") is None
    assert await network.bridges.read(BACK, SHOP_BRIDGE.name) is None


async def test_making_one_again_changes_nothing(network: NetworkPorts) -> None:
    await network.bridges.ensure(SHOP_BRIDGE)
    before = await network.bridges.list()
    await network.bridges.ensure(SHOP_BRIDGE)
    assert await network.bridges.list() == before


async def test_each_network_has_its_own(network: NetworkPorts) -> None:
    await network.bridges.ensure(SHOP_BRIDGE)
    await network.bridges.ensure(BACK_BRIDGE)
    await network.bridges.delete(SHOP)
    assert [facts.network for facts in await network.bridges.list()] == [BACK]


@pytest.mark.parametrize(
    "want",
    [
        pytest.param(replace(SHOP_BRIDGE, address="10.79.0.1/16"), id="address"),
        pytest.param(replace(SHOP_BRIDGE, mtu=1400), id="mtu"),
        pytest.param(replace(SHOP_BRIDGE, ipv6_address="fd00:77::1/64"), id="ipv6"),
        pytest.param(replace(SHOP_BRIDGE, address="", ipv6_address="fd00:77::1/64"), id="ipv6 alone"),
    ],
)
async def test_what_differs_is_mended(network: NetworkPorts, want: BridgeWant) -> None:
    await network.bridges.ensure(SHOP_BRIDGE)
    await network.bridges.ensure(want)
    (facts,) = await network.bridges.list()
    assert is_bridge(want, facts)
    await network.bridges.ensure(replace(SHOP_BRIDGE, mtu=want.mtu))
    (facts,) = await network.bridges.list()
    assert is_bridge(replace(SHOP_BRIDGE, mtu=want.mtu), facts)


async def test_another_name_takes_the_place_of_the_one_before(network: NetworkPorts) -> None:
    await network.bridges.ensure(SHOP_BRIDGE)
    await network.bridges.ensure(replace(SHOP_BRIDGE, name="hold-renamed"))
    assert [facts.name for facts in await network.bridges.list()] == ["hold-renamed"]


async def test_a_link_of_others_is_left_alone(network: NetworkPorts) -> None:
    network.add_foreign_link(SHOP_BRIDGE.name)
    with pytest.raises(Conflict):
        await network.bridges.ensure(SHOP_BRIDGE)
    assert await network.bridges.list() == ()
    await network.bridges.delete(SHOP)


async def test_deleting_what_is_missing_succeeds(network: NetworkPorts) -> None:
    await network.bridges.delete(SHOP)
    await network.bridges.ensure(SHOP_BRIDGE)
    await network.bridges.delete(SHOP)
    await network.bridges.delete(SHOP)
    assert await network.bridges.list() == ()
