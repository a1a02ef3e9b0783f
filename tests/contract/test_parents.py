"""What every adapter of Parents promises."""

from dataclasses import replace

import pytest

from controller.errors import Conflict, NotFound
from controller.model.facts import ParentFacts
from controller.model.ids import Uid
from controller.model.network_drivers import Vlan
from controller.model.wants import ParentWant
from controller.plan.parents import is_parent
from tests.contract.network import NetworkPorts
from tests.contract.sublinks import LAN, PARENT, require_links

OTHER = Uid("6" * 32)
TAGGED = ParentWant(network=LAN, name=f"{PARENT}.50", vlan=Vlan(lower=PARENT, id=50))
DUMMY = ParentWant(network=LAN, name="hold-5555555555")


@pytest.fixture
async def host(network: NetworkPorts) -> NetworkPorts:
    """A link that VLANs can be of."""
    require_links(network, ["vlan", "dummy"])
    network.add_parent(PARENT)
    return network


async def find(host: NetworkPorts, name: str) -> ParentFacts | None:
    return {facts.name: facts for facts in await host.parents.list()}.get(name)


@pytest.mark.parametrize(
    "want", [TAGGED, DUMMY, replace(DUMMY, mtu=9000)], ids=["vlan", "dummy", "large dummy"]
)
async def test_one_that_was_made_is_as_wanted(host: NetworkPorts, want: ParentWant) -> None:
    await host.parents.ensure(want)
    before = await find(host, want.name)
    assert before is not None
    assert before.network == LAN
    assert is_parent(want, before)
    await host.parents.ensure(want)
    assert await find(host, want.name) == before


async def test_links_of_others_are_told_without_a_network(host: NetworkPorts) -> None:
    facts = await find(host, PARENT)
    assert facts is not None
    assert facts.up
    assert facts.network is None


async def test_a_vlan_needs_the_link_that_it_is_of(host: NetworkPorts) -> None:
    with pytest.raises(NotFound, match="lan9"):
        await host.parents.ensure(ParentWant(network=LAN, name="lan9.50", vlan=Vlan(lower="lan9", id=50)))


async def test_a_link_of_others_is_left_alone(host: NetworkPorts) -> None:
    host.add_parent(TAGGED.name)
    before = await find(host, TAGGED.name)
    with pytest.raises(Conflict):
        await host.parents.ensure(TAGGED)
    await host.parents.delete(LAN, TAGGED.name)
    assert await find(host, TAGGED.name) == before


async def test_one_can_be_left_to_another_network(host: NetworkPorts) -> None:
    await host.parents.ensure(TAGGED)
    await host.parents.ensure(replace(TAGGED, network=OTHER))
    await host.parents.delete(OTHER, TAGGED.name)
    await host.parents.delete(LAN, TAGGED.name, heir=OTHER)
    facts = await find(host, TAGGED.name)
    assert facts is not None
    assert facts.network == OTHER
    await host.parents.delete(OTHER, TAGGED.name)
    assert await find(host, TAGGED.name) is None


async def test_deleting_what_is_missing_succeeds(host: NetworkPorts) -> None:
    await host.parents.delete(LAN, TAGGED.name)
    await host.parents.ensure(TAGGED)
    host.delete_link(PARENT)
    assert await find(host, TAGGED.name) is None
    await host.parents.delete(LAN, TAGGED.name)
