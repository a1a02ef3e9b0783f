"""Networks as containers see them: the addresses of one family that are to be had there."""

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from controller.model.ids import Key, Uid
from controller.model.network import Family, Network, NetworkAssigned, NetworkSpec
from controller.plan.addresses import IpAddress, IpNetwork, list_free
from controller.plan.admission.references import World
from controller.plan.admission.subnets import find_subnet


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A network's addresses of one family, the free ones in order."""

    network: str
    subnet: IpNetwork
    range_name: str
    gateway: IpAddress
    default_gateway: str
    reserved: Mapping[IpAddress, str]
    free: Iterator[IpAddress]

    def is_special(self, address: IpAddress) -> bool:
        """Tell whether the address is a gateway's or somebody else's; who routes for others has to name its own."""
        is_gateway = address == self.gateway or str(address) == self.default_gateway
        return is_gateway or address in self.reserved

    def find_fault(self, address: IpAddress) -> str:
        """Return why no container can have the address, empty when one can."""
        ends = (self.subnet[0], self.subnet[-1]) if self.subnet.version == 4 else (self.subnet[0],)
        if address not in self.subnet:
            return f"{address} is outside the subnet {self.subnet} of Network/{self.network}"
        if address in ends:
            return f"{address} is reserved: it is the first or last address of {self.subnet}"
        if address == self.gateway:
            return f"{address} is reserved: it is the gateway of Network/{self.network}"
        if address in self.reserved:
            return f"{address} is reserved for {self.reserved[address]!r} by Network/{self.network}"
        return ""


def find_network(world: World, name: str) -> tuple[Uid, NetworkSpec, NetworkAssigned] | None:
    """Return a network as the batch leaves it; None while it is not there or has been given nothing."""
    key = Key("Network", name)
    intent, stored = world.intents.get(key), world.snapshot.get(key)
    if intent is not None:
        spec, assigned, uid = intent.spec, intent.assigned, intent.uid
    elif isinstance(stored, Network) and stored.metadata.uid:
        spec, assigned, uid = stored.spec, stored.assigned, Uid(stored.metadata.uid)
    else:
        return None
    if not isinstance(spec, NetworkSpec) or not isinstance(assigned, NetworkAssigned):
        return None
    return uid, spec, assigned


def find_place(world: World, name: str, family: Family, taken: Collection[int]) -> Place | None:
    """Return what a network has of a family; `taken` are numbers of addresses, looked at when one is asked for."""
    found = find_network(world, name)
    if found is None:
        return None
    _, spec, assigned = found
    subnet = find_subnet(assigned, family)
    if subnet is None:
        return None
    part = spec.ip_range if family == 4 else spec.ipv6_range
    within = ipaddress.ip_network(part) if part is not None else None
    return Place(
        network=name,
        subnet=subnet,
        range_name=f"subnet {subnet}" if within is None else f"{_name_range(family)} {within}",
        gateway=ipaddress.ip_address(assigned.gateway if family == 4 else assigned.ipv6_gateway),
        default_gateway=spec.find_default_gateway(family),
        reserved={
            ipaddress.ip_address(address): holder for holder, address in spec.reserved_addresses.items()
        },
        free=list_free(subnet, taken, within=within),
    )


def _name_range(family: Family) -> str:
    return "ipRange" if family == 4 else "ipv6Range"
