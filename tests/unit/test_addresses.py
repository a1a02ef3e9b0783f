"""Subnets and addresses: free ones only, the lowest first, and a clear refusal when there is none."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import Exhausted
from controller.plan.addresses import (
    AddressPool,
    IpNetwork,
    choose_address,
    choose_subnet,
    derive_unique_local,
    list_free,
    overlaps_any,
)

POOL = AddressPool(networks=("10.0.0.0/20",), prefix=24)

subnets = st.builds(
    lambda number, prefix: IPv4Network((int(IPv4Address("10.0.0.0")) + number, prefix), strict=False),
    st.integers(0, 2**13 - 1),
    st.integers(8, 32),
)


@given(st.lists(subnets, max_size=30))
def test_a_chosen_subnet_shares_no_address_with_others(taken: list[IPv4Network]) -> None:
    free = [
        each
        for each in IPv4Network(POOL.networks[0]).subnets(new_prefix=24)
        if not any(each.overlaps(other) for other in taken)
    ]
    if free:
        assert choose_subnet(POOL, taken) == free[0]
    else:
        with pytest.raises(Exhausted, match="addressPool"):
            choose_subnet(POOL, taken)


def test_a_default_route_takes_nothing() -> None:
    everything = IPv4Network("0.0.0.0/0")
    assert choose_subnet(POOL, [everything]) == IPv4Network("10.0.0.0/24")
    assert not overlaps_any(IPv4Network("10.0.0.0/24"), [everything])


def test_the_next_network_of_a_pool_is_taken_when_one_has_no_room() -> None:
    pool = AddressPool(networks=("10.0.0.0/23", "192.168.0.0/24"), prefix=24)
    taken = [IPv4Network("10.0.0.0/8")]
    assert choose_subnet(pool, taken) == IPv4Network("192.168.0.0/24")
    with pytest.raises(Exhausted, match=r"10\.0\.0\.0/23, 192\.168\.0\.0/24 has no free subnet of /24"):
        choose_subnet(pool, [*taken, IPv4Network("192.168.0.128/25")])


def test_families_are_not_in_each_others_way() -> None:
    taken: list[IpNetwork] = [IPv4Network("0.0.0.0/1"), IPv6Network("fd00:1::/63"), IPv6Network("::/0")]
    pool = AddressPool(networks=("fd00:1::/48",), prefix=64)
    assert choose_subnet(pool, taken) == IPv6Network("fd00:1:0:2::/64")
    with pytest.raises(Exhausted, match="addressPoolIPv6"):
        choose_subnet(pool, [IPv6Network("fd00::/8")])


@given(st.text())
def test_unique_local_addresses_depend_on_the_seed_alone(seed: str) -> None:
    network = IPv6Network(derive_unique_local(seed))
    assert network.prefixlen == 48
    assert network.subnet_of(IPv6Network("fd00::/8"))
    assert derive_unique_local(seed) == str(network)
    assert derive_unique_local(f"{seed}.") != str(network)


def test_addresses_of_ipv6_are_all_but_the_first() -> None:
    subnet = IPv6Network("fd00::/126")
    assert list(map(str, list_free(subnet, {int(subnet[2])}))) == ["fd00::1", "fd00::3"]
    assert str(choose_address(IPv6Network("fd00::/64"), set())) == "fd00::1"


@given(st.sets(st.integers(0, 15)))
def test_a_chosen_address_is_the_lowest_free_host(taken: set[int]) -> None:
    subnet = IPv4Network("10.0.0.0/28")
    numbers = {int(subnet[offset]) for offset in taken}
    free = [each for each in subnet.hosts() if int(each) not in numbers]
    if free:
        assert choose_address(subnet, numbers) == free[0]
    else:
        with pytest.raises(Exhausted, match=str(subnet)):
            choose_address(subnet, numbers)


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        ("10.0.0.0/29", ["10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]),
        ("10.0.0.0/31", ["10.0.0.1"]),
        ("10.0.0.6/31", ["10.0.0.6"]),
        ("10.0.0.2/32", []),
    ],
)
def test_free_addresses_are_hosts_of_the_subnet_within_a_range(within: str, expected: list[str]) -> None:
    taken = {int(IPv4Address("10.0.0.2"))}
    free = list_free(IPv4Network("10.0.0.0/29"), taken, within=IPv4Network(within))
    assert list(map(str, free)) == expected
