"""Which subnet a network gets, and which address a container."""

import ipaddress
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from controller.errors import Exhausted


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPool:
    """Where subnets come from: `network` (CIDR text) cut into subnets of `prefix` bits."""

    network: str
    prefix: int


def overlaps_any(subnet: IPv4Network, others: Iterable[IPv4Network]) -> bool:
    """Tell whether `subnet` shares an address with one of `others`; default routes don't count."""
    return any(other.prefixlen > 0 and subnet.overlaps(other) for other in others)


def choose_subnet(pool: AddressPool, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the pool's first subnet that overlaps none of `taken`; Exhausted when there is none."""
    used = sorted(
        (network for network in taken if network.prefixlen > 0), key=lambda network: network.network_address
    )
    for candidate in IPv4Network(pool.network).subnets(new_prefix=pool.prefix):
        if not overlaps_any(candidate, used):
            return candidate
    raise Exhausted(
        f"the address pool {pool.network} has no free subnet of /{pool.prefix}: "
        "name subnets in the network's spec, or enlarge addressPool"
    )


def list_free_ipv4(
    subnet: IPv4Network, taken: Container[int], *, within: IPv4Network | None = None
) -> Iterator[IPv4Address]:
    """Yield the subnet's host addresses whose numbers are not in `taken`, lowest first; only those in `within`."""
    part = within or subnet
    first = max(int(subnet.network_address) + 1, int(part.network_address))
    last = min(int(subnet.broadcast_address) - 1, int(part.broadcast_address))
    for number in range(first, last + 1):
        if number not in taken:
            yield ipaddress.IPv4Address(number)


def choose_ipv4(subnet: IPv4Network, taken: Container[int]) -> IPv4Address:
    """Return the subnet's lowest host address whose number is not in `taken`; Exhausted when it is full."""
    for address in list_free_ipv4(subnet, taken):
        return address
    raise Exhausted(f"subnet {subnet} has no free address")
