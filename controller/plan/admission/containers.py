"""Addresses, MACs and host ports of containers: what is kept, what is named, what is chosen, in this order."""

import itertools
from dataclasses import dataclass, field
from ipaddress import ip_address

from controller.errors import AlreadyExists, Exhausted, Invalid, Unavailable
from controller.model.attachments import AssignedAttachment, NetworkAttachment
from controller.model.container import Container, ContainerAssigned, ContainerSpec
from controller.model.facts import HostFacts
from controller.model.names import derive_mac, derive_place_mac
from controller.model.network import FAMILIES, Family, family_of
from controller.model.ports import PortMapping
from controller.plan.addresses import IpAddress
from controller.plan.admission.findings import Findings
from controller.plan.admission.identities import IdentityAssigner
from controller.plan.admission.intents import Intent
from controller.plan.admission.places import Place, find_network, find_place
from controller.plan.admission.ports import PortAssigner, Publisher
from controller.plan.admission.references import World
from controller.plan.admission.subnets import find_subnet
from controller.plan.admission.taken import Taken
from controller.plan.container.expansion import find_image_config, list_wanted_ports

_NO_MAC = "00:00:00:00:00:00"
_FIELDS: dict[Family, str] = {4: "ipv4", 6: "ipv6"}


@dataclass(slots=True, kw_only=True)
class _Work:
    """A container of the batch and what it has got so far: addresses by network name and family."""

    intent: Intent
    spec: ContainerSpec
    previous: ContainerAssigned
    addresses: dict[tuple[str, Family], str] = field(default_factory=dict)


class ContainerAssigner:
    """Gives the containers of a batch addresses and host ports. The networks of the batch must have theirs."""

    def __init__(self, world: World, host: HostFacts, findings: Findings) -> None:
        self._world = world
        self._findings = findings
        # What the batch itself deletes gives its share up at once.
        self._taken = Taken(world.snapshot, without={*world.intents, *world.leaving})
        self._identities = IdentityAssigner(world, findings)
        self._ports = PortAssigner(self._taken, host, findings)
        self._places: dict[tuple[str, Family], Place | None] = {}

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
        ports = self._ports.assign([self._describe(each) for each in work])
        for each in work:
            networks = {
                attachment.name: self._finish(each, attachment)
                for attachment in each.spec.networks
                if any((attachment.name, family) in each.addresses for family in FAMILIES)
            }
            each.intent.assigned = ContainerAssigned(
                networks=networks,
                ports=ports[each.intent.key],
                volumes=each.intent.volumes,
                id_base=self._identities.choose(each.intent, each.spec, each.previous),
                stop=each.intent.draft.stop or each.previous.stop,
            )

    def _describe(self, work: _Work) -> Publisher:
        return Publisher(
            intent=work.intent,
            wanted=self._list_ports(work),
            previous=work.previous,
            families=frozenset(
                family
                for attachment, family in itertools.product(work.spec.networks, FAMILIES)
                if self._find_place(attachment.name, family) is not None
            ),
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
        for attachment, family in itertools.product(work.spec.networks, FAMILIES):
            kept = _find_kept(work.previous, attachment.name, family)
            if not kept or _find_named(attachment, family) not in (None, kept):
                continue
            place, address = self._find_place(attachment.name, family), ip_address(kept)
            fits = place is not None and address in place.subnet and not place.find_fault(address)
            if fits and int(address) not in self._taken.list_addresses(attachment.name, family):
                self._take(work, attachment.name, kept)

    def _take_named(self, work: _Work) -> None:
        for index, attachment in enumerate(work.spec.networks):
            path = f"spec.networks[{index}]"
            if attachment.mac is not None:
                self._take_mac(work, attachment.mac, f"{path}.mac")
            for family in FAMILIES:
                named = _find_named(attachment, family)
                if named is not None and (attachment.name, family) not in work.addresses:
                    self._take_address(work, attachment.name, ip_address(named), f"{path}.{_FIELDS[family]}")
            for number, text in enumerate(attachment.link_local_ips):
                self._take_link_local(work, attachment.name, text, f"{path}.linkLocalIPs[{number}]")

    def _take_address(self, work: _Work, network: str, address: IpAddress, path: str) -> None:
        family = family_of(str(address))
        place = self._find_place(network, family)
        if place is None:
            if find_network(self._world, network) is not None:
                self._findings.add(Invalid, work.intent.key, path, _tell_lack(network, family))
            return
        wrong = place.find_fault(address)
        if wrong:
            self._findings.add(Invalid, work.intent.key, path, wrong)
        elif self._is_free(work, network, str(address), path):
            self._take(work, network, str(address))

    def _take_link_local(self, work: _Work, network: str, address: str, path: str) -> None:
        family = family_of(address)
        if self._find_place(network, family) is not None:
            if self._is_free(work, network, address, path):
                self._taken.take_address(network, address, work.intent.key)
        elif find_network(self._world, network) is not None:
            self._findings.add(Invalid, work.intent.key, path, _tell_lack(network, family))

    def _is_free(self, work: _Work, network: str, address: str, path: str) -> bool:
        """Tell whether nobody has an address of the network; a finding names who has it."""
        holder = self._taken.find_address(network, address)
        if holder is None:
            return True
        refusal = Unavailable if holder.leaving else AlreadyExists
        message = f"{address} is taken by {holder}: choose another address"
        self._findings.add(refusal, work.intent.key, path, message)
        return False

    def _take_mac(self, work: _Work, mac: str, path: str) -> None:
        holder = self._taken.find_mac(mac)
        if holder is not None:
            refusal = Unavailable if holder.leaving else AlreadyExists
            self._findings.add(
                refusal, work.intent.key, path, f"{mac} is taken by {holder}: choose another MAC"
            )
        elif mac == _NO_MAC:
            self._findings.add(Invalid, work.intent.key, path, f"{mac} is no address: choose another MAC")
        elif int(mac[:2], 16) & 1:
            self._findings.add(
                Invalid, work.intent.key, path, f"{mac} is a multicast address: make the first byte even"
            )
        else:
            self._taken.take_mac(mac, work.intent.key)

    def _choose_addresses(self, work: _Work) -> None:
        for (index, attachment), family in itertools.product(enumerate(work.spec.networks), FAMILIES):
            place = self._find_place(attachment.name, family)
            is_named = _find_named(attachment, family) is not None
            if place is None or is_named or (attachment.name, family) in work.addresses:
                continue
            taken = self._taken.list_addresses(attachment.name, family)
            address = next(
                (free for free in place.free if not place.is_special(free) and int(free) not in taken), None
            )
            if address is None:
                message = f"{place.range_name} of Network/{attachment.name} has no free address: use another network"
                self._findings.add(Exhausted, work.intent.key, f"spec.networks[{index}].name", message)
            else:
                self._take(work, attachment.name, str(address))

    def _take(self, work: _Work, network: str, address: str) -> None:
        work.addresses[network, family_of(address)] = address
        self._taken.take_address(network, address, work.intent.key)

    def _finish(self, work: _Work, attachment: NetworkAttachment) -> AssignedAttachment:
        return AssignedAttachment(
            ipv4=work.addresses.get((attachment.name, 4), ""),
            ipv6=work.addresses.get((attachment.name, 6), ""),
            mac=attachment.mac or self._derive_mac(work, attachment.name),
            link_local_ips=attachment.link_local_ips,
        )

    def _derive_mac(self, work: _Work, name: str) -> str:
        """Return the MAC of the container's first address there; one of its own where somebody else named that."""
        network = find_network(self._world, name)
        if network is None:
            return ""
        addresses = (work.addresses.get((name, family), "") for family in FAMILIES)
        mac = derive_place_mac(network[0], next(filter(None, addresses)))
        return derive_mac(work.intent.uid, network[0]) if self._taken.is_named_mac(mac) else mac

    def _find_place(self, name: str, family: Family) -> Place | None:
        if (name, family) not in self._places:
            found = find_network(self._world, name)
            place: Place | None = None
            if found is not None and find_subnet(found[2], family) is not None:
                place = find_place(self._world, name, family, self._taken.list_addresses(name, family))
            self._places[name, family] = place
        return self._places[name, family]


def _tell_lack(network: str, family: Family) -> str:
    return f"Network/{network} has no IPv{family}: leave it out, or give the network a subnet"


def _find_named(attachment: NetworkAttachment, family: Family) -> str | None:
    return attachment.ipv4 if family == 4 else attachment.ipv6


def _find_kept(previous: ContainerAssigned, network: str, family: Family) -> str:
    kept = previous.networks.get(network)
    return "" if kept is None else kept.ipv4 if family == 4 else kept.ipv6


def _find_assigned(intent: Intent) -> ContainerAssigned:
    stored = intent.stored
    return (stored.assigned if isinstance(stored, Container) else None) or ContainerAssigned()
