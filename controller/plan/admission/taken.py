"""Addresses, MACs and host ports that are spoken for, and by whom."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from controller.model.changes import Snapshot, gather
from controller.model.container import Container, ContainerAssigned
from controller.model.facts import HostFacts
from controller.model.ids import Key, Uid
from controller.model.network import Family, family_of
from controller.model.ports import ANY_IPV4, ANY_IPV6, PortMapping, Protocol
from controller.plan.addresses import find_number

RANDOM_PORTS = range(32768, 61000)
"""Where host ports that hold chooses come from: Linux's own range for ports nobody chose (ip(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has something; `leaving` tells that its deletion was asked for before."""

    key: Key
    leaving: bool = False

    def __str__(self) -> str:
        return f"{self.key}, which is being deleted," if self.leaving else str(self.key)


class Taken:
    """What containers have: addresses by network name and family, MACs, host ports. One host's scope.

    Objects of `without` have nothing. It is gathered when first asked for, as few batches ask for all of it.
    """

    def __init__(self, snapshot: Snapshot, *, without: Collection[Key]) -> None:
        self._snapshot = snapshot
        self._without = without
        self._addresses: dict[tuple[str, Family], dict[int, Key]] = {}
        self._macs: dict[str, Key] | None = None
        self._named_macs: set[str] = set()
        self._ports: dict[tuple[Protocol, int], list[tuple[str, Key]]] | None = None

    def list_addresses(self, network: str, family: Family) -> dict[int, Key]:
        """Return who has the addresses of a network, by number; it grows with what is taken."""
        found = self._addresses.get((network, family))
        if found is None:
            found = self._addresses[network, family] = self._gather_addresses(network, family)
        return found

    def find_address(self, network: str, address: str) -> Holder | None:
        """Return who has an address of a network."""
        return self._describe(self.list_addresses(network, family_of(address)).get(find_number(address)))

    def take_address(self, network: str, address: str, key: Key) -> None:
        """Take an address of a network."""
        self.list_addresses(network, family_of(address))[find_number(address)] = key

    def find_mac(self, mac: str) -> Holder | None:
        """Return who has a MAC."""
        return self._describe(self._list_macs().get(mac))

    def take_mac(self, mac: str, key: Key) -> None:
        """Take a MAC that a spec names."""
        self._list_macs()[mac] = key
        self._named_macs.add(mac)

    def is_named_mac(self, mac: str) -> bool:
        """Tell whether a spec names a MAC."""
        return mac in self._named_macs or any(
            mac in part for part in gather(self._snapshot, _list_named_macs)
        )

    def find_port(self, port: PortMapping) -> Holder | None:
        """Return who has the host port on an address in common with `port`'s; every address when it names none."""
        for host_ip, key in self._list_ports().get((port.protocol, port.host_port), ()):
            if shares_address(host_ip, port.host_ip):
                return self._describe(key)
        return None

    def take_port(self, port: PortMapping, key: Key) -> None:
        """Take a host port on its host address."""
        _add_port(self._list_ports(), port, key)

    def _gather_addresses(self, network: str, family: Family) -> dict[int, Key]:
        found: dict[int, Key] = {}
        for part in gather(self._snapshot, _list_addresses):
            found.update(part.get((network, family), ()))
        for key in self._without:
            container = self._snapshot.get(key)
            if isinstance(container, Container):
                for number in _list_addresses({key: container}).get((network, family), ()):
                    if found.get(number) == key:
                        del found[number]
        return found

    def _list_present(self) -> Iterator[tuple[Key, ContainerAssigned]]:
        for key, each in self._snapshot.items():
            if isinstance(each, Container) and each.assigned is not None and key not in self._without:
                yield key, each.assigned

    def _list_macs(self) -> dict[str, Key]:
        if self._macs is None:
            self._macs = {
                attachment.mac: key
                for key, assigned in self._list_present()
                for attachment in assigned.networks.values()
            }
        return self._macs

    def _list_ports(self) -> dict[tuple[Protocol, int], list[tuple[str, Key]]]:
        if self._ports is None:
            self._ports = {}
            for key, assigned in self._list_present():
                for port in assigned.ports:
                    _add_port(self._ports, port, key)
        return self._ports

    def _describe(self, key: Key | None) -> Holder | None:
        if key is None:
            return None
        present = self._snapshot.get(key) if key not in self._without else None
        return Holder(key=key, leaving=present is not None and present.metadata.deleted_at is not None)


def _list_named_macs(objects: Snapshot) -> frozenset[str]:
    return frozenset(
        attachment.mac
        for each in objects.values()
        if isinstance(each, Container)
        for attachment in each.spec.networks
        if attachment.mac is not None
    )


def _list_addresses(objects: Snapshot) -> dict[tuple[str, Family], dict[int, Key]]:
    """Return who has which addresses, by network and family."""
    found: dict[tuple[str, Family], dict[int, Key]] = {}
    for key, each in objects.items():
        if isinstance(each, Container) and each.assigned is not None:
            for network, attachment in each.assigned.networks.items():
                for address in (*attachment.addresses, *attachment.link_local_ips):
                    place = found.setdefault((network, family_of(address)), {})
                    place[find_number(address)] = key
    return found


def _add_port(ports: dict[tuple[Protocol, int], list[tuple[str, Key]]], port: PortMapping, key: Key) -> None:
    ports.setdefault((port.protocol, port.host_port), []).append((port.host_ip, key))


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
