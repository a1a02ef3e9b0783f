"""Names are rendered again only where something changed, and come to the same as if all were rendered anew."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from controller.model.attachments import AssignedAttachment
from controller.model.container import Container, ContainerAssigned, ContainerSpec
from controller.model.network import Network, NetworkAssigned, NetworkSpec
from controller.model.resource import Metadata
from controller.model.wants import NamesWant
from controller.plan.names import Group, NamesRenderer
from controller.plan.oci.defaults import ContainerDefaults

COUNT = 20
DEFAULTS = ContainerDefaults()


def make_network(*, bridge: str = "br0") -> Network:
    """Return the network n."""
    assigned = NetworkAssigned(subnet="10.77.0.0/16", gateway="10.77.0.1", bridge=bridge)
    return Network(metadata=Metadata(name="n", uid="a" * 32), spec=NetworkSpec(), assigned=assigned)


def make_group(number: int, *, address: str = "", alias: str = "www") -> Group:
    """Return a container on the network n, in a group of its own."""
    place = AssignedAttachment(ipv4=address or f"10.77.1.{number}", mac=f"02:00:00:00:00:{number:02x}")
    spec = ContainerSpec.model_validate({"image": "web:1", "networks": [{"name": "n", "aliases": [alias]}]})
    metadata = Metadata(name=f"c{number}", uid=f"{number:032x}")
    assigned = ContainerAssigned(networks={"n": place})
    return (Container(metadata=metadata, spec=spec, assigned=assigned),)


def render(renderer: NamesRenderer, groups: Iterable[Group], *, bridge: str = "br0") -> NamesWant:
    """Render the names on one network."""
    return renderer.render([make_network(bridge=bridge)], groups, DEFAULTS)


def test_what_is_as_before_is_not_made_again() -> None:
    renderer = NamesRenderer()
    containers = [make_group(number) for number in range(1, COUNT)]
    before = render(renderer, containers)
    containers[3] = make_group(4, address="10.77.2.4")
    after = render(renderer, [*containers, make_group(COUNT)])
    kept = {id(host) for host in before.zones[0].hosts} & {id(host) for host in after.zones[0].hosts}
    assert len(kept) == COUNT - 2
    assert after == render(NamesRenderer(), [*containers, make_group(COUNT)])
    assert before.digest != after.digest


@pytest.mark.parametrize("bridge", ["br0", ""])
def test_what_containers_share_counts_for_all(bridge: str) -> None:
    renderer, containers = NamesRenderer(), [make_group(number) for number in range(1, COUNT)]
    before = render(renderer, containers)
    assert render(renderer, containers, bridge=bridge) == render(NamesRenderer(), containers, bridge=bridge)
    asking = replace(DEFAULTS, dns=("192.0.2.53",))
    network = make_network(bridge=bridge)
    again = renderer.render([network], containers, asking)
    assert again == NamesRenderer().render([network], containers, asking)
    assert {host.upstreams for host in again.zones[0].hosts} == {("192.0.2.53",)}
    assert before == render(NamesRenderer(), containers)


def test_the_order_makes_no_difference_and_what_is_gone_is_gone() -> None:
    renderer, containers = NamesRenderer(), [make_group(number) for number in range(1, COUNT)]
    want = render(renderer, containers)
    assert render(renderer, reversed(containers)) == want
    fewer = render(renderer, containers[1:])
    assert fewer == render(NamesRenderer(), containers[1:])
    assert render(renderer, containers) == want
    together = tuple(each for group in containers for each in group)
    assert render(renderer, [together]) == want
