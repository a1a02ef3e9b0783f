"""What is served: names and addresses by network, changed container by container; small, for the name server's process.

A change is what the daemon sends (see `name_changes`): a mapping with `networks`, what is said of each or None for one
that is gone, and `hosts`, triples of a network, a container, and what it is called there or None.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.kernel.names import dns

Change = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A container on a network; addresses are packed."""

    container: str
    addresses: tuple[bytes, ...]
    names: tuple[str, ...]
    upstreams: tuple[str, ...]


class Entry:
    """The containers that have a name; each answer begins with another one."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self._records: dict[int, list[dns.Record]] = {}
        self._turns = {dns.TYPE_A: 0, dns.TYPE_AAAA: 0}

    def put(self, host: Host) -> None:
        """Let the name lead to a container."""
        self.hosts[host.container] = host
        self._records.clear()

    def drop(self, container: str) -> None:
        """Let the name not lead there any more."""
        self.hosts.pop(container, None)
        self._records.clear()

    def list_records(self, kind: int) -> list[dns.Record]:
        """Return records of one type, in an order of their addresses that begins one further each time."""
        if kind not in self._records:
            size = 4 if kind == dns.TYPE_A else 16
            found = {each for host in self.hosts.values() for each in host.addresses if len(each) == size}
            self._records[kind] = [(kind, address) for address in sorted(found)]
        records = self._records[kind]
        if len(records) < 2:
            return records
        turn = self._turns[kind] = (self._turns[kind] + 1) % len(records)
        return records[turn:] + records[:turn]


@dataclass(slots=True, kw_only=True)
class Network:
    """A network and what is on it: hosts by container and by address, entries by name in lower case."""

    name: str
    gateways: tuple[str, ...]
    internal: bool
    subnets: tuple[tuple[int, int, int], ...]
    """Size of its addresses in bytes, bits after the prefix, number before them."""
    hosts: dict[str, Host] = field(default_factory=dict)
    addresses: dict[bytes, Host] = field(default_factory=dict)
    names: dict[str, Entry] = field(default_factory=dict)

    def put(self, host: Host) -> None:
        """Take a container in, in place of what was known of it."""
        self.drop(host.container)
        self.hosts[host.container] = host
        for address in host.addresses:
            self.addresses[address] = host
        for name in host.names:
            self.names.setdefault(name.lower(), Entry()).put(host)

    def drop(self, container: str) -> None:
        """Forget a container."""
        host = self.hosts.pop(container, None)
        if host is None:
            return
        for address in host.addresses:
            if self.addresses.get(address) is host:
                del self.addresses[address]
        for name in map(str.lower, host.names):
            entry = self.names.get(name)
            if entry is not None:
                entry.drop(container)
                if not entry.hosts:
                    del self.names[name]

    def find(self, name: str) -> Entry | None:
        """Return who has a name here; the network's own name may follow it."""
        return self.names.get(name) or self.names.get(name.removesuffix(f".{self.name.lower()}"))

    def has(self, address: bytes) -> bool:
        """Tell whether an address belongs to the network, whoever has it."""
        number = int.from_bytes(address)
        return any((len(address), number >> shift) == (size, prefix) for size, shift, prefix in self.subnets)


class Catalogue:
    """All networks of an instance."""

    def __init__(self) -> None:
        self.networks: dict[str, Network] = {}
        self._listening: dict[str, str] = {}
        self._places: dict[str, dict[str, Host]] = {}

    def list_gateways(self) -> set[str]:
        """Return every address to listen on."""
        return set(self._listening)

    def list_containers(self) -> set[str]:
        """Return every container that is on a network."""
        return set(self._places)

    def apply(self, change: Change) -> None:
        """Take over a change."""
        for uid, text in change["networks"].items():
            self._put_network(uid, text)
        for uid, container, text in change["hosts"]:
            self._put_host(uid, container, text)

    def _put_network(self, uid: str, text: Mapping[str, Any] | None) -> None:
        before = self.networks.pop(uid, None)
        for gateway in before.gateways if before is not None else ():
            if self._listening.get(gateway) == uid:
                del self._listening[gateway]
        if text is None:
            for container in before.hosts if before is not None else ():
                self._leave(container, uid)
            return
        network = Network(
            name=text["name"],
            gateways=tuple(text["gateways"]),
            internal=text["internal"],
            subnets=tuple(_parse_subnet(each) for each in text["subnets"]),
        )
        if before is not None:
            network.hosts, network.addresses, network.names = before.hosts, before.addresses, before.names
        self.networks[uid] = network
        self._listening |= dict.fromkeys(network.gateways, uid)

    def _put_host(self, uid: str, container: str, text: Mapping[str, Any] | None) -> None:
        if text is None:
            self.networks[uid].drop(container)
            self._leave(container, uid)
            return
        host = Host(
            container=container,
            addresses=tuple(map(dns.pack_address, text["addresses"])),
            names=tuple(text["names"]),
            upstreams=tuple(text["upstreams"]),
        )
        self.networks[uid].put(host)
        self._places.setdefault(container, {})[uid] = host

    def _leave(self, container: str, uid: str) -> None:
        places = self._places.get(container, {})
        places.pop(uid, None)
        if not places:
            self._places.pop(container, None)

    def _list_networks(self, uids: Iterable[str]) -> list[Network]:
        """Return networks in order of name, whatever the order that they were told of in."""
        return sorted((self.networks[each] for each in uids), key=lambda network: network.name)

    def look_from(self, gateway: str, sender: bytes) -> "View":
        """Return what whoever asks a gateway from an address gets to see; in its namespace, a container by its uid."""
        own = self._places.get(gateway)
        if own is not None:
            host = next(iter(own.values()))
            return View(networks=self._list_networks(own), upstreams=host.upstreams)
        uid = self._listening.get(gateway, "")
        network = self.networks.get(uid)
        asker = network.addresses.get(sender) if network is not None else None
        places = self._places.get(asker.container, {}) if asker is not None else {}
        others = [each for each in self._list_networks(places) if each is not network]
        visible = (network, *others) if network is not None else ()
        return View(networks=visible, upstreams=asker.upstreams if asker is not None else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The networks of one asker, the one that it asks first."""

    networks: Sequence[Network]
    upstreams: tuple[str, ...]

    def find_name(self, name: str) -> Entry | None:
        """Return who has a name on the first of the networks that know it."""
        return next((entry for each in self.networks if (entry := each.find(name)) is not None), None)

    def find_address(self, address: bytes) -> Host | None:
        """Return who has an address."""
        found: Iterator[Host | None] = (each.addresses.get(address) for each in self.networks)
        return next((host for host in found if host is not None), None)

    def has(self, address: bytes) -> bool:
        """Tell whether an address belongs to one of the networks."""
        return any(each.has(address) for each in self.networks)

    @property
    def leads_outside(self) -> bool:
        """Tell whether one of the networks does."""
        return any(not each.internal for each in self.networks)


def _parse_subnet(text: str) -> tuple[int, int, int]:
    address, _, prefix = text.partition("/")
    packed = dns.pack_address(address)
    shift = 8 * len(packed) - int(prefix)
    return len(packed), shift, int.from_bytes(packed) >> shift
