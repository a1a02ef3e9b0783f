"""Parents of networks at the gate: which links there have to be, and who may share one."""

import pytest

from controller.errors import AlreadyExists, HoldError, InUse, Invalid
from controller.model.changes import Draft
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.network import Network, NetworkAssigned
from tests.unit.admission_scenario import State, apply, container, image, make_context, network

HOST = HostFacts(
    routes=("192.168.0.0/16",), link_names=frozenset({"lo", "eth0", "eth1"}), listeners=frozenset()
)
CONTEXT = make_context(host=HOST)


def below(name: str, parent: str = "eth0", *, driver: str = "macvlan", **options: str) -> Draft:
    """Return a network below a parent; option `mode` is the driver's."""
    told = {f"{driver}_{option}": value for option, value in options.items()}
    return network(name, driver=driver, driverOptions={"parent": parent, **told} if parent else told)


def find_assigned(state: State, name: str) -> NetworkAssigned:
    resource = state[Key("Network", name)]
    assert isinstance(resource, Network)
    assert resource.assigned is not None
    return resource.assigned


def test_a_network_below_a_parent_has_no_bridge() -> None:
    state = apply({}, network("lan", driver="macvlan", subnets=["192.168.7.0/24"]), context=CONTEXT)
    dummy = find_assigned(state, "lan").parent
    assert dummy.startswith("hold-")
    state = apply(state, below("wan"), below("tagged", "eth1.50"), context=CONTEXT)
    places = {name: find_assigned(state, name) for name in ("lan", "wan", "tagged")}
    assert {each.bridge for each in places.values()} == {""}
    assert (places["wan"].parent, places["tagged"].parent) == ("eth0", "eth1.50")
    assert places["lan"].gateway == "192.168.7.1"


@pytest.mark.parametrize(
    ("drafts", "error", "message"),
    [
        ([below("lan", "eth7")], Invalid, "the host has no link eth7; did you mean eth"),
        ([below("lan", "wlp3s0")], Invalid, "the host has no link wlp3s0; it has eth0, eth1, lo"),
        ([below("lan", "eth7.50")], Invalid, "the host has no link eth7"),
        ([below("lan", "eth0.4095")], Invalid, "the number after the dot has to be 1 to 4094"),
        ([below("lan"), below("wan", driver="ipvlan")], AlreadyExists, "can't carry ipvlan too"),
        (
            [below("lan", mode="passthru"), below("wan")],
            AlreadyExists,
            "passthru shares its parent with nobody",
        ),
        (
            [below("lan", driver="ipvlan", mode="l3"), below("wan", driver="ipvlan")],
            AlreadyExists,
            "in mode l3 bridge, and all links below one parent have the same",
        ),
    ],
)
def test_what_the_kernel_would_refuse_is_refused(
    drafts: list[Draft], error: type[HoldError], message: str
) -> None:
    with pytest.raises(error) as caught:
        apply({}, *drafts, context=CONTEXT)
    assert message in str(caught.value)
    stored = apply({}, *drafts[:-1], context=CONTEXT) if drafts[:-1] else {}
    with pytest.raises(error):
        apply(stored, drafts[-1], context=CONTEXT)


def test_networks_of_one_sort_share_a_parent() -> None:
    state = apply({}, below("lan"), below("wan", mode="private"), context=CONTEXT)
    assert find_assigned(state, "lan").parent == find_assigned(state, "wan").parent


def test_a_parent_that_is_gone_is_no_reason_to_refuse_what_is_stored() -> None:
    state = apply({}, below("lan"), context=CONTEXT)
    again = apply(state, below("lan", mode="vepa"), context=make_context(host=HostFacts()))
    assert find_assigned(again, "lan").parent == "eth0"


def test_a_parent_does_not_change_under_containers() -> None:
    state = apply({}, image(), below("lan"), container("web", networks=["lan"]), context=CONTEXT)
    for change in (below("lan", "eth1"), network("lan")):
        with pytest.raises(InUse, match=r"can't (become eth1|change) while Container/web use"):
            apply(state, change, context=CONTEXT)


@pytest.mark.parametrize(
    ("network", "named"),
    [(below("lan", driver="ipvlan"), "ipvlan"), (below("lan", mode="passthru"), "passthru")],
)
def test_a_mac_can_not_be_named_where_the_parents_is_shared(network: Draft, named: str) -> None:
    attachment = {"name": "lan", "mac": "02:00:00:00:00:09"}
    with pytest.raises(Invalid, match=f"{named}.* have the parent's MAC"):
        apply({}, image(), network, container("web", networks=[attachment]), context=CONTEXT)


def test_passthru_is_for_one_container() -> None:
    drafts = [image(), below("lan", mode="passthru"), container("web", networks=["lan"])]
    state = apply({}, *drafts, context=CONTEXT)
    with pytest.raises(InUse, match="passthru gives eth0 to one container, and Container/web has it"):
        apply(state, container("db", networks=["lan"]), context=CONTEXT)
    with pytest.raises(InUse):
        apply({}, *drafts, container("db", networks=["lan"]), context=CONTEXT)
