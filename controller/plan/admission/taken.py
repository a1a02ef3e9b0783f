"""Addresses, MACs and host ports that are spoken for, and by whom."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from controller.model.container import Container, ContainerAssigned
from controller.model.facts import HostFacts
from controller.model.ids import Key, Uid
from controller.model.network import Family, family_of
from controller.model.ports import ANY_IPV4, ANY_IPV6, PortMapping, Protocol

RANDOM_PORTS = range(32768, 61000)
"""Where host ports that hold chooses come from: Linux's own range for ports nobody chose (ip(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has something; `leaving` tells that its deletion was asked for before."""

    key: Key
    leaving: bool = False

    def __str__(self) -> str:
        return f"{self.key}, which is being deleted," if self.leaving else str(self.key)


@dataclass(slots=True)
class Taken:
    """What containers have: addresses by network name and family, MACs, host ports. One host's scope."""

    addresses: dict[tuple[str, Family], dict[int, Holder]] = field(default_factory=dict)
    macs: dict[str, Holder] = field(default_factory=dict)
    ports: dict[tuple[Protocol, int], list[tuple[str, Holder]]] = field(default_factory=dict)

    def take_all(self, container: Container, holder: Holder) -> None:
        """Take everything that a stored container has."""
        assigned = container.assigned or ContainerAssigned()
        for network, attachment in assigned.networks.items():
            for address in (*attachment.addresses, *attachment.link_local_ips):
                self.take_address(network, address, holder)
            self.macs[attachment.mac] = holder
        for port in assigned.ports:
            self.take_port(port, holder)

    def take_address(self, network: str, address: str, holder: Holder) -> None:
        """Take an address of a network."""
        self.list_addresses(network, family_of(address))[int(ip_address(address))] = holder

    def list_addresses(self, network: str, family: Family) -> dict[int, Holder]:
        """Return who has the addresses of a network, by number; it grows with what is taken."""
        return self.addresses.setdefault((network, family), {})

    def take_port(self, port: PortMapping, holder: Holder) -> None:
        """Take a host port on its host address."""
        self.ports.setdefault((port.protocol, port.host_port), []).append((port.host_ip, holder))

    def find_port(self, port: PortMapping) -> Holder | None:
        """Return who has the host port on an address in common with `port`'s; every address when it names none."""
        for host_ip, holder in self.ports.get((port.protocol, port.host_port), ()):
            if shares_address(host_ip, port.host_ip):
                return holder
        return None


class Listeners:
    """Sockets of others that listen on the host."""

    def __init__(self, host: HostFacts) -> None:
        self._addresses: dict[tuple[str, int], set[str]] = {}
        for protocol, address, port in host.listeners:
            self._addresses.setdefault((protocol, port), set()).add(address)

    def is_heard(self, port: PortMapping, families: Collection[Family]) -> bool:
        """Tell whether publishing `port` on addresses of these families would take connections from a listener."""
        heard = self._addresses.get((port.protocol, port.host_port), ())
        return any(
            shares_address(address, port.host_ip)
            for address in heard
            if not address or family_of(address) in families
        )


def shares_address(one: str, other: str) -> bool:
    """Tell whether two host addresses, each maybe every one of all or of a family, have one in common."""
    if not one or not other or one == other:
        return True
    return family_of(one) == family_of(other) and bool({one, other} & {ANY_IPV4, ANY_IPV6})


def list_random_ports(uid: Uid, container_port: int) -> Iterator[int]:
    """Yield every port of RANDOM_PORTS, from a place that depends on the container: freed ones rest for a while."""
    start = int(hashlib.sha256(f"{uid}:{container_port}".encode()).hexdigest()[:8], 16) % len(RANDOM_PORTS)
    for offset in range(len(RANDOM_PORTS)):
        yield RANDOM_PORTS[(start + offset) % len(RANDOM_PORTS)]
