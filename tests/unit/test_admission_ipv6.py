"""What networks and containers get of IPv6, and what is refused."""

import ipaddress
import itertools

import pytest

from controller.errors import AlreadyExists, HoldError, InUse, Invalid
from controller.model.changes import Draft
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.network import Network, NetworkAssigned
from controller.plan.admission import ApplyBatch, decide_apply
from tests.fakes.address_pools import make_pools
from tests.unit.admission_scenario import (
    State,
    apply,
    assigned_of,
    container,
    image,
    make_context,
    network,
)

DUAL = apply(
    {},
    image(),
    network("n", subnets=["10.77.0.0/29", "fd00:77::/125"]),
    network("auto", enableIPv6=True),
    network("six", enableIPv4=False, enableIPv6=True),
    network("four"),
    container("web", ports=["8080:80"]),
)


def network_of(state: State, name: str) -> NetworkAssigned:
    resource = state[Key("Network", name)]
    assert isinstance(resource, Network)
    assert resource.assigned is not None
    return resource.assigned


def test_networks_get_what_they_lack_from_the_pools() -> None:
    assert network_of(DUAL, "n").ipv6_gateway == "fd00:77::1"
    auto, six, four = (network_of(DUAL, name) for name in ("auto", "six", "four"))
    assert (auto.subnet, auto.ipv6_subnet) == ("10.192.0.0/22", "fd00:192::/64")
    assert (six.subnet, six.gateway) == ("", "")
    assert (six.ipv6_subnet, six.ipv6_gateway) == ("fd00:192:0:1::/64", "fd00:192:0:1::1")
    assert (four.ipv6_subnet, four.ipv6_gateway) == ("", "")


def test_containers_get_an_address_of_each_family_that_the_network_has() -> None:
    state = apply(DUAL, container("x", networks=["n", "six", "four"]))
    places = assigned_of(state, "x").networks
    assert (places["n"].ipv4, places["n"].ipv6) == ("10.77.0.3", "fd00:77::3")
    assert (places["six"].ipv4, places["six"].ipv6) == ("", "fd00:192:0:1::2")
    assert (places["four"].ipv4, places["four"].ipv6) == ("10.192.4.2", "")


def test_addresses_are_kept_and_can_be_named() -> None:
    named = [{"name": "n", "ipv6": "fd00:77:0:0::6"}]
    state = apply(DUAL, container("x", networks=named))
    assert assigned_of(state, "x").networks["n"].ipv6 == "fd00:77::6"
    again = apply(state, container("x"))
    assert assigned_of(again, "x").networks == assigned_of(state, "x").networks


def test_a_range_reserved_addresses_and_the_gateway_are_left_out() -> None:
    state = apply(
        {},
        image(),
        network(
            "n",
            subnets=["fd00:77::/64"],
            enableIPv4=False,
            ipv6Gateway="fd00:77::8:1",
            ipv6Range="fd00:77::8:0/126",
            reservedAddresses={"router": "fd00:77::8:2"},
        ),
        container("a"),
        container("b"),
    )
    addresses = {assigned_of(state, name).networks["n"].ipv6 for name in ("a", "b")}
    assert addresses == {"fd00:77::8:0", "fd00:77::8:3"}


@pytest.mark.parametrize(
    ("draft", "error", "told"),
    [
        (container("x", networks=[{"name": "n", "ipv6": "fd00:77::2"}]), AlreadyExists, "taken by Container/web"),
        (container("x", networks=[{"name": "n", "ipv6": "fd00:77::1"}]), Invalid, "is the gateway"),
        (container("x", networks=[{"name": "n", "ipv6": "fd00:77::"}]), Invalid, "first or last address"),
        (container("x", networks=[{"name": "n", "ipv6": "fd00:78::1"}]), Invalid, "outside the subnet"),
        (container("x", networks=[{"name": "four", "ipv6": "fd00::9"}]), Invalid, "Network/four has no IPv6"),
        (container("x", networks=[{"name": "six", "ipv4": "10.0.0.9"}]), Invalid, "Network/six has no IPv4"),
        (container("x", networks=["four"], ports=["[::]:80:80"]), Invalid, "none of the container's networks has IPv6"),
        (container("x", networks=["six"], ports=["0.0.0.0:80:80"]), Invalid, "none of the container's networks has IPv4"),
        (container("x", ports=["[::1]:80:80"]), Invalid, "::1 can't be led to a container"),
        (container("x", ports=["[::]:8080:80"]), AlreadyExists, r"\[::\]:8080/tcp is taken by Container/web"),
        (container("x", ports=["[2001:db8::1]:81:80", "[::]:81:80"]), Invalid, "published twice"),
        (container("x", ports=["[2001:db8::1]:22:80"]), AlreadyExists, "a process of the host"),
        (container("x", ports=["631:80"]), AlreadyExists, "a process of the host"),
        (network("x", subnets=["fd00:77::/64"]), AlreadyExists, "overlaps fd00:77::/125 of Network/n"),
        (network("x", subnets=["2001:db8::/64"]), AlreadyExists, "which the host has a route to"),
        (network("n", subnets=["10.77.0.0/29"]), InUse, "spec.enableIPv6: IPv6 can't be turned off while Container/web use the network: disconnect or remove"),
        (network("n", subnets=["fd00:77::/125"], enableIPv4=False), InUse, "spec.enableIPv4: IPv4 can't be turned off while"),
        (network("n", subnets=["10.77.0.0/29", "fd00:77::/125"], ipv6Gateway="fd00:77::5"), InUse, "spec.ipv6Gateway: fd00:77::1 can't become fd00:77::5 while"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused(draft: Draft, error: type[HoldError], told: str) -> None:
    host = HostFacts(
        routes=("::/0", "2001:db8::/48"),
        listeners=frozenset({("tcp", "2001:db8::1", 22), ("tcp", "::1", 631)}),
    )
    with pytest.raises(error, match=told):
        apply(DUAL, draft, context=make_context(host=host))


def test_ports_of_one_family_leave_the_other_alone() -> None:
    host = HostFacts(listeners=frozenset({("tcp", "::1", 631), ("tcp", "127.0.0.1", 632)}))
    drafts = [
        container("a", ports=["0.0.0.0:90:80", "0.0.0.0:631:80"]),
        container("b", ports=["[::]:90:80", "[::]:632:80"]),
    ]
    state = apply(DUAL, *drafts, context=make_context(host=host))
    assert [port.host_ip for port in assigned_of(state, "b").ports] == ["::", "::"]


def test_hundreds_of_networks_find_room_beside_the_routes_of_the_host() -> None:
    routes = ("10.192.0.0/14", "10.200.0.0/30", "fd00:192:0:7::/64", "fd00:192:0:100::/56")
    drafts = [network(f"n{number}", enableIPv6=True) for number in range(300)]
    context = make_context(host=HostFacts(routes=routes), pools=make_pools(prefix=22))
    state = apply({}, *drafts[:200], context=context)
    state = apply(state, *drafts[200:], context=context)
    assigned = [network_of(state, f"n{number}") for number in range(300)]
    subnets = [ipaddress.ip_network(text) for each in assigned for text in (each.subnet, each.ipv6_subnet)]
    taken = sorted(
        (net.version, int(net[0]), int(net[-1])) for net in [*subnets, *map(ipaddress.ip_network, routes)]
    )
    assert len(taken) == 604
    assert all(one[0] != two[0] or one[2] < two[1] for one, two in itertools.pairwise(taken))


def test_applying_again_is_unchanged() -> None:
    drafts = [
        network("n", subnets=["10.77.0.0/29", "fd00:77::/125"]),
        network("auto", enableIPv6=True),
        container("web", ports=["8080:80"]),
    ]
    assert decide_apply(DUAL, ApplyBatch(drafts=drafts), make_context("other")).writes == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"enableIPv6": True}, "Network/four: spec.enableIPv6: IPv6 can't be turned on while Container/x use the network"),
        ({"subnets": ["fd00:99::/64"]}, "Network/four: spec.subnets: IPv6 can't be turned on while Container/x use"),
    ],
)  # fmt: skip
def test_a_family_can_not_come_while_containers_are_there(change: dict[str, object], told: str) -> None:
    used = apply(DUAL, container("x", networks=["four"]))
    with pytest.raises(InUse, match=told):
        apply(used, network("four", **change))
    apply(DUAL, network("four", **change))
