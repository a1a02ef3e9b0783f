"""Which links a container gets: their names inside, and which one carries the default route."""

from dataclasses import replace

import pytest

from controller.model.container import Container, ContainerSpec
from controller.model.facts import AttachmentFacts
from controller.model.ids import Key
from controller.model.layout import Layout
from controller.model.network import Network, NetworkStatus
from controller.model.ports import PortMapping
from controller.plan.conditions import Reason, make_condition
from controller.plan.container.actions import Attach
from controller.plan.container.inputs import ContainerDesired, gather_container
from controller.plan.container.links import list_link_actions, list_wants
from controller.plan.exposure import bind_ports, find_way_out

LAYOUT = Layout(root_path="/r", run_path="/x", instance="test")


def make_network(name: str, number: int, **spec: object) -> Network:
    assigned = {"subnet": f"10.{number}.0.0/24", "gateway": f"10.{number}.0.1", "bridge": f"hold-{name}"}
    return Network.model_validate(
        {"metadata": {"name": name, "uid": str(number) * 32}, "spec": spec, "assigned": assigned}
    )


FRONT = make_network("front", 1)
BACK = make_network("back", 2, interfacePrefix="lan")
CLOSED = make_network("closed", 3, internal=True)


def gather(*attachments: object) -> ContainerDesired:
    spec = ContainerSpec.model_validate({"image": "a:1", "networks": list(attachments)})
    networks = {each.name: {"ipv4": "10.0.0.2", "mac": "02:00:00:00:00:01"} for each in spec.networks}
    container = Container.model_validate(
        {"metadata": {"name": "web", "uid": "f" * 32}, "spec": spec, "assigned": {"networks": networks}}
    )
    snapshot = {Key("Network", each.metadata.name): each for each in (FRONT, BACK, CLOSED)}
    return gather_container(snapshot, container, LAYOUT)


@pytest.mark.parametrize(
    ("attachments", "carrier"),
    [
        (["front", "back"], "front"),
        (["closed", "back"], "back"),
        (["front", {"name": "back", "gatewayPriority": 1}], "back"),
        ([{"name": "front", "gatewayPriority": -1}, "back"], "back"),
        ([{"name": "closed", "gatewayPriority": 9}, "front"], "front"),
        (["closed"], None),
    ],
)
def test_one_network_carries_the_default_route(attachments: list[object], carrier: str | None) -> None:
    desired = gather(*attachments)
    wants = list_wants(desired, ())
    assert [each.network_name for each in wants if each.want.gateway] == ([carrier] if carrier else [])
    way_out = find_way_out(desired.container.spec, desired.networks, family=4)
    assert (way_out.metadata.name if way_out else None) == carrier


@pytest.mark.parametrize(
    ("router", "gateway"), [("10.1.0.9", "10.1.0.9"), ("10.0.0.2", "10.1.0.1"), (None, "10.1.0.1")]
)
def test_default_routes_go_by_the_router_but_that_of_the_router_itself(
    router: str | None, gateway: str
) -> None:
    desired = gather("front")
    spec = FRONT.spec.model_copy(update={"default_gateway": router})
    routed = replace(desired, networks={"front": FRONT.model_copy(update={"spec": spec})})
    assert [each.want.gateway for each in list_wants(routed, ())] == [gateway]


def test_names_inside_follow_the_prefix_and_stay() -> None:
    first = list_wants(gather("front", "back"), ())
    assert [each.want.inside for each in first] == ["eth0", "lan0"]
    kept = AttachmentFacts(
        container=first[0].want.container,
        host_link=first[0].want.host_link,
        bridge="hold-front",
        host_up=True,
        inside="eth4",
    )
    again = list_wants(gather("back", "front"), (kept,))
    assert [each.want.inside for each in again] == ["lan0", "eth4"]


def test_a_name_that_is_asked_for_goes_before_others() -> None:
    wants = list_wants(gather("front", {"name": "back", "interfaceName": "eth0"}), ())
    assert [each.want.inside for each in wants] == ["eth1", "eth0"]
    had = AttachmentFacts(
        container=wants[0].want.container,
        host_link=wants[0].want.host_link,
        bridge="hold-front",
        host_up=True,
        inside="eth0",
    )
    desired = gather({"name": "back", "interfaceName": "eth0"}, "front")
    again = list_wants(desired, (had,))
    assert [each.want.inside for each in again] == ["eth0", "eth1"]
    is_up = NetworkStatus(conditions=(make_condition("Ready", Reason.PRESENT, holds=True),))
    ready = {name: each.model_copy(update={"status": is_up}) for name, each in desired.networks.items()}
    actions = list_link_actions(again, (had,), ready)
    assert [each.want.inside for each in actions if isinstance(each, Attach)] == ["eth1", "eth0"]


def test_ports_without_an_address_take_the_binding_of_the_network() -> None:
    bound = make_network("bound", 4, hostBinding="127.0.0.1")
    plain = PortMapping(host_port=80, container_port=80)
    named = PortMapping(host_ip="192.0.2.1", host_port=81, container_port=80)
    assert [each.host_ip for each in bind_ports((plain, named), bound)] == ["127.0.0.1", "192.0.2.1"]
    assert bind_ports((plain, named), FRONT) == (plain, named)
