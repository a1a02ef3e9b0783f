"""Parents of networks: what is made, what is only waited for."""

from datetime import UTC, datetime

import pytest

from controller.model.facts import BridgeFacts, ParentFacts
from controller.model.ids import Uid
from controller.model.kinds import key_of
from controller.model.network import Network, NetworkAssigned, NetworkSpec
from controller.model.network_drivers import Vlan
from controller.model.resource import Metadata, find_condition, is_ready
from controller.plan.network import NetworkDesired, NetworkObserved, plan_network
from controller.plan.parents import find_heirs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UID, OTHER = Uid("1" * 32), Uid("2" * 32)
ETH0 = ParentFacts(name="eth0", up=True)
TAGGED = ParentFacts(name="eth0.50", up=True, network=UID, vlan=Vlan(lower="eth0", id=50))
DUMMY = ParentFacts(name="hold-1111111111", up=True, network=UID)


def make_network(parent: str = "", *, uid: Uid = UID, name: str = "lan", mtu: int | None = None) -> Network:
    options = {"parent": parent} if parent else {}
    return Network(
        metadata=Metadata(name=name, uid=uid, generation=1),
        spec=NetworkSpec(driver="macvlan", driver_options=options, mtu=mtu),
        assigned=NetworkAssigned(
            subnet="10.90.0.0/24", gateway="10.90.0.1", bridge="", parent=parent or DUMMY.name
        ),
    )


def describe(network: Network, *present: ParentFacts, bridges: tuple[BridgeFacts, ...] = ()) -> list[str]:
    plan = plan_network(
        NetworkDesired(network=network), NetworkObserved(parents=present, bridges=bridges), NOW
    )
    return [action.describe() for action in plan.actions]


@pytest.mark.parametrize(
    ("network", "present", "steps"),
    [
        (make_network("eth0"), [ETH0], []),
        (make_network("eth0"), [], []),
        (make_network("eth0.50"), [ETH0], ["make link eth0.50 for VLAN 50 of eth0"]),
        (make_network("eth0.50"), [ETH0, TAGGED], []),
        (make_network("eth0.50"), [], []),
        (make_network("eth0.50"), [ParentFacts(name="eth0.50", up=False)], []),
        (
            make_network("eth0.50"),
            [ETH0, ParentFacts(name="eth0.50", up=False, network=UID, vlan=TAGGED.vlan)],
            ["make link eth0.50 for VLAN 50 of eth0"],
        ),
        (make_network(), [], ["make dummy link hold-1111111111"]),
        (make_network(), [DUMMY], []),
        (make_network(mtu=9000), [DUMMY], ["make dummy link hold-1111111111"]),
        (make_network("eth0"), [ETH0, DUMMY], ["delete link hold-1111111111"]),
    ],
)
def test_only_links_of_its_own_are_made(
    network: Network, present: list[ParentFacts], steps: list[str]
) -> None:
    assert describe(network, *present) == steps


def test_a_bridge_from_before_goes() -> None:
    bridge = BridgeFacts(network=UID, name="hold-1111111111", up=True)
    assert describe(make_network("eth0"), ETH0, bridges=(bridge,)) == ["delete bridge hold-1111111111"]


@pytest.mark.parametrize(
    ("parent", "present", "ready", "message"),
    [
        ("eth0", [ETH0], True, ""),
        ("eth0", [], False, "the host has no link eth0: containers wait until it is there"),
        ("eth0.50", [], False, "the host has no link eth0 for VLAN 50"),
        ("eth0", [ParentFacts(name="eth0", up=False)], True, "link eth0 is down"),
    ],
)
def test_a_parent_that_is_missing_is_told(
    parent: str, present: list[ParentFacts], *, ready: bool, message: str
) -> None:
    observed = NetworkObserved(parents=tuple(present))
    status = plan_network(NetworkDesired(network=make_network(parent)), observed, NOW).status
    condition = find_condition(status, "Ready")
    assert condition is not None
    assert is_ready(status) is ready
    assert condition.message.startswith(message)
    assert status.parent == parent


def test_a_vlan_outlives_one_of_two_networks() -> None:
    lan, wan = make_network("eth0.50"), make_network("eth0.50", uid=OTHER, name="wan")
    heirs = find_heirs({key_of(lan): lan, key_of(wan): wan}, lan)
    assert heirs == {"eth0.50": OTHER}
    gone = lan.model_copy(update={"metadata": lan.metadata.model_copy(update={"deleted_at": NOW})})
    observed = NetworkObserved(parents=(TAGGED,))
    plan = plan_network(NetworkDesired(network=gone, heirs=heirs), observed, NOW)
    assert [action.describe() for action in plan.actions] == ["leave link eth0.50 to another network"]
    plan = plan_network(NetworkDesired(network=gone), observed, NOW)
    assert [action.describe() for action in plan.actions] == ["delete link eth0.50"]
