"""Addresses, MACs and host ports of containers: what is kept, what is named, what is chosen, in this order."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from controller.errors import AlreadyExists, Exhausted, Invalid, Unavailable
from controller.model.changes import Snapshot
from controller.model.container import (
    AssignedAttachment,
    Container,
    ContainerAssigned,
    ContainerSpec,
    NetworkAttachment,
)
from controller.model.facts import HostFacts
from controller.model.ids import Key, Uid
from controller.model.names import derive_mac
from controller.model.network import Network, NetworkAssigned, NetworkSpec
from controller.model.ports import PortMapping
from controller.plan.addresses import list_free_ipv4
from controller.plan.admission.findings import Findings
from controller.plan.admission.identities import IdentityAssigner
from controller.plan.admission.intents import Intent
from controller.plan.admission.ports import PortAssigner
from controller.plan.admission.references import World, is_staying
from controller.plan.admission.taken import Holder, Taken
from controller.plan.container.expansion import find_image_config, list_wanted_ports


@dataclass(slots=True, kw_only=True)
class _Work:
    """A container of the batch and what it has got so far: addresses by network name."""

    intent: Intent
    spec: ContainerSpec
    previous: ContainerAssigned
    ipv4: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A network as containers see it, with its free addresses in order."""

    uid: Uid
    subnet: IPv4Network
    range_name: str
    gateway: IPv4Address
    reserved: Mapping[IPv4Address, str]
    free: Iterator[IPv4Address]

    def is_special(self, address: IPv4Address) -> bool:
        """Tell whether the address is the gateway's or somebody else's."""
        return address == self.gateway or address in self.reserved


class ContainerAssigner:
    """Gives the containers of a batch addresses and host ports. The networks of the batch must have theirs."""

    def __init__(self, world: World, host: HostFacts, findings: Findings) -> None:
        self._world = world
        self._findings = findings
        self._taken = _collect_taken(world)
        self._identities = IdentityAssigner(world, findings)
        self._ports = PortAssigner(self._taken, host, findings)
        self._places: dict[str, _Place | None] = {}

    def assign(self) -> None:
        """Fill in `assigned` of every container of the batch that nothing is wrong with."""
        work = [
            _Work(intent=intent, spec=intent.spec, previous=_find_assigned(intent))
            for intent in self._world.intents.values()
            if isinstance(intent.spec, ContainerSpec)
        ]
        for each in work:
            self._keep_addresses(each)
        for each in work:
            self._take_named(each)
        for each in work:
            self._choose_addresses(each)
        ports = self._ports.assign([(each.intent, self._list_ports(each), each.previous) for each in work])
        for each in work:
            networks = {
                attachment.name: self._finish(each, attachment)
                for attachment in each.spec.networks
                if attachment.name in each.ipv4
            }
            each.intent.assigned = ContainerAssigned(
                networks=networks,
                ports=ports[each.intent.key],
                volumes=each.intent.volumes,
                id_base=self._identities.choose(each.intent, each.spec, each.previous),
                stop=each.intent.draft.stop or each.previous.stop,
            )

    def _list_ports(self, work: _Work) -> tuple[PortMapping, ...]:
        """Return the ports to publish; while the image can't be asked for its own, those that it had are kept."""
        config = find_image_config(self._world.snapshot, work.spec)
        if config is not None or work.spec.image is None or not work.spec.publish_all:
            return list_wanted_ports(work.spec, config)
        wanted = list_wanted_ports(work.spec, None)
        named = {(port.container_port, port.protocol) for port in wanted}
        had = (port for port in work.previous.ports if (port.container_port, port.protocol) not in named)
        return (*wanted, *(port.model_copy(update={"host_port": 0}) for port in had))

    def _keep_addresses(self, work: _Work) -> None:
        for attachment in work.spec.networks:
            kept = work.previous.networks.get(attachment.name)
            if kept is None or attachment.ipv4 not in (None, kept.ipv4):
                continue
            place = self._find_place(attachment.name)
            number = int(IPv4Address(kept.ipv4))
            fits = place is not None and IPv4Address(kept.ipv4) in place.subnet
            if fits and number not in self._taken.addresses.get(attachment.name, {}):
                self._take(work, attachment.name, kept.ipv4)

    def _take_named(self, work: _Work) -> None:
        for index, attachment in enumerate(work.spec.networks):
            path = f"spec.networks[{index}]"
            if attachment.mac is not None:
                self._take_mac(work, attachment.mac, f"{path}.mac")
            place = self._find_place(attachment.name)
            if attachment.ipv4 is None or place is None or attachment.name in work.ipv4:
                continue
            address = IPv4Address(attachment.ipv4)
            wrong = _find_fault(place, attachment.name, address)
            if wrong:
                self._findings.add(Invalid, work.intent.key, f"{path}.ipv4", wrong)
                continue
            holder = self._taken.addresses.get(attachment.name, {}).get(int(address))
            if holder is None:
                self._take(work, attachment.name, attachment.ipv4)
            else:
                refusal = Unavailable if holder.leaving else AlreadyExists
                message = f"{address} is taken by {holder}: choose another address"
                self._findings.add(refusal, work.intent.key, f"{path}.ipv4", message)

    def _take_mac(self, work: _Work, mac: str, path: str) -> None:
        holder = self._taken.macs.get(mac)
        if holder is not None:
            refusal = Unavailable if holder.leaving else AlreadyExists
            self._findings.add(
                refusal, work.intent.key, path, f"{mac} is taken by {holder}: choose another MAC"
            )
        elif int(mac[:2], 16) & 1:
            self._findings.add(
                Invalid, work.intent.key, path, f"{mac} is a multicast address: make the first byte even"
            )
        else:
            self._taken.macs[mac] = Holder(key=work.intent.key)

    def _choose_addresses(self, work: _Work) -> None:
        for index, attachment in enumerate(work.spec.networks):
            place = self._find_place(attachment.name)
            if place is None or attachment.ipv4 is not None or attachment.name in work.ipv4:
                continue
            taken = self._taken.addresses.get(attachment.name, {})
            address = next(
                (free for free in place.free if not place.is_special(free) and int(free) not in taken), None
            )
            if address is None:
                message = f"{place.range_name} of Network/{attachment.name} has no free address: use another network"
                self._findings.add(Exhausted, work.intent.key, f"spec.networks[{index}].name", message)
            else:
                self._take(work, attachment.name, str(address))

    def _take(self, work: _Work, network: str, ipv4: str) -> None:
        work.ipv4[network] = ipv4
        self._taken.take_address(network, ipv4, Holder(key=work.intent.key))

    def _finish(self, work: _Work, attachment: NetworkAttachment) -> AssignedAttachment:
        place = self._places[attachment.name]
        derived = derive_mac(work.intent.uid, place.uid) if place is not None else ""
        return AssignedAttachment(ipv4=work.ipv4[attachment.name], mac=attachment.mac or derived)

    def _find_place(self, name: str) -> _Place | None:
        if name not in self._places:
            self._places[name] = self._read_place(Key("Network", name))
        return self._places[name]

    def _read_place(self, key: Key) -> _Place | None:
        intent = self._world.intents.get(key)
        stored = self._world.snapshot.get(key)
        if intent is not None:
            spec, assigned, uid = intent.spec, intent.assigned, intent.uid
        elif isinstance(stored, Network) and stored.metadata.uid:
            spec, assigned, uid = stored.spec, stored.assigned, Uid(stored.metadata.uid)
        else:
            return None
        if not isinstance(spec, NetworkSpec) or not isinstance(assigned, NetworkAssigned):
            return None
        taken = self._taken.addresses.setdefault(key.name, {})
        return _read_place(uid, spec, assigned, taken)


def _find_assigned(intent: Intent) -> ContainerAssigned:
    stored = intent.stored
    return (stored.assigned if isinstance(stored, Container) else None) or ContainerAssigned()


def _collect_taken(world: World) -> Taken:
    """Return what containers outside the batch have; what the batch itself deletes gives its share up at once."""
    taken = Taken()
    for key, resource in _list_containers(world.snapshot):
        if key not in world.intents and key not in world.leaving:
            taken.take_all(resource, Holder(key=key, leaving=not is_staying(resource)))
    return taken


def _list_containers(snapshot: Snapshot) -> Iterator[tuple[Key, Container]]:
    for key, resource in snapshot.items():
        if isinstance(resource, Container):
            yield key, resource


def _read_place(uid: Uid, spec: NetworkSpec, assigned: NetworkAssigned, taken: Collection[int]) -> _Place:
    subnet = IPv4Network(assigned.subnet)
    within = IPv4Network(spec.ip_range) if spec.ip_range is not None else None
    return _Place(
        uid=uid,
        subnet=subnet,
        range_name=f"subnet {subnet}" if within is None else f"ipRange {within}",
        gateway=IPv4Address(assigned.gateway),
        reserved={IPv4Address(address): name for name, address in spec.reserved_addresses.items()},
        free=list_free_ipv4(subnet, taken, within=within),
    )


def _find_fault(place: _Place, network: str, address: IPv4Address) -> str:
    if address not in place.subnet:
        return f"{address} is outside the subnet {place.subnet} of Network/{network}"
    if address in (place.subnet.network_address, place.subnet.broadcast_address):
        return f"{address} is reserved: it is the first or last address of {place.subnet}"
    if address == place.gateway:
        return f"{address} is reserved: it is the gateway of Network/{network}"
    if address in place.reserved:
        return f"{address} is reserved for {place.reserved[address]!r} by Network/{network}"
    return ""
