"""Pools of addresses for tests."""

from controller.plan.addresses import AddressPool, AddressPools


def make_pools(
    network: str = "10.192.0.0/12", *, prefix: int = 24, ipv6: str = "fd00:192::/48"
) -> AddressPools:
    """Return pools of one network for each family."""
    return AddressPools(
        ipv4=AddressPool(networks=(network,), prefix=prefix), ipv6=AddressPool(networks=(ipv6,), prefix=64)
    )
