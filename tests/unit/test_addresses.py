"""Subnets and addresses: free ones only, the lowest first, and a clear refusal when there is none."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import Exhausted
from controller.plan.addresses import AddressPool, choose_address, choose_subnet, list_free, overlaps_any

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
