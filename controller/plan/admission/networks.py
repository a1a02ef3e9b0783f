"""Subnets, gateways, bridge names: what a network gets, once for its life."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from controller.errors import AlreadyExists, Exhausted, InUse, Invalid
from controller.model.container import Container
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.names import derive_bridge
from controller.model.network import FAMILIES, Family, Network, NetworkAssigned, NetworkSpec
from controller.model.network_drivers import BRIDGE
from controller.plan.addresses import IpNetwork, choose_address
from controller.plan.admission.batch import AdmissionContext
from controller.plan.admission.findings import Findings, name_some
from controller.plan.admission.intents import Intent
from controller.plan.admission.parents import ParentAssigner
from controller.plan.admission.references import World
from controller.plan.admission.subnets import (
    SubnetAssigner,
    find_assigned,
    find_subnet,
    has_family,
    name_subnet,
)

_OTHER_MEANINGS = {
    "host": "is the host's own network, by networkMode",
    "none": "is no network, by networkMode",
    "default": "stands for the network bridge",
}
"""Words that can't name a network where a container joins one."""


class NetworkAssigner:
    """Gives the networks of a batch what they need: what is named first, then what is kept, then what is chosen."""

    def __init__(self, world: World, context: AdmissionContext, findings: Findings) -> None:
        self._world = world
        self._host: HostFacts = context.host
        self._findings = findings
        self._subnets = {
            family: SubnetAssigner(world, context, findings, family=family) for family in FAMILIES
        }
        self._bridges: dict[str, Key] = {}
        self._users: dict[Key, list[Key]] | None = None
        self._parents = ParentAssigner(world, context.host, findings)

    def assign(self) -> None:
        """Fill in `assigned` of every network of the batch that nothing is wrong with."""
        intents = list(self._list_intents())
        if not intents:
            return
        for key, resource in self._world.snapshot.items():
            assigned = resource.assigned if isinstance(resource, Network) else None
            if assigned is not None and assigned.bridge and key not in self._world.intents:
                self._bridges[assigned.bridge] = key
        subnets = {family: assigner.assign(intents) for family, assigner in self._subnets.items()}
        for intent, spec in intents:
            found = {family: by_key.get(intent.key) for family, by_key in subnets.items()}
            self._finish(intent, spec, found)

    def _list_intents(self) -> Iterator[tuple[Intent, NetworkSpec]]:
        for intent in self._world.intents.values():
            if isinstance(intent.spec, NetworkSpec):
                if intent.stored is None and intent.key.name in _OTHER_MEANINGS:
                    message = f"{intent.key.name!r} {_OTHER_MEANINGS[intent.key.name]}: choose another name"
                    self._findings.add(Invalid, intent.key, "metadata.name", message)
                yield intent, intent.spec

    def _finish(self, intent: Intent, spec: NetworkSpec, subnets: Mapping[Family, IpNetwork | None]) -> None:
        previous = find_assigned(intent)
        bridge, parent = self._take_bridge(intent, spec, previous), self._parents.choose(intent, spec)
        if any(has_family(spec, family) and subnets[family] is None for family in FAMILIES):
            return
        ipv4, ipv6 = subnets[4], subnets[6]
        try:
            gateway = spec.gateway or _choose_gateway(spec, ipv4)
            ipv6_gateway = spec.ipv6_gateway or _choose_gateway(spec, ipv6)
        except Exhausted as error:
            message = f"{error.message} for the gateway: reserve fewer, or choose a larger subnet"
            self._findings.add(Exhausted, intent.key, "spec.reservedAddresses", message)
            return
        assigned = NetworkAssigned(
            subnet=_render(ipv4),
            gateway=gateway,
            ipv6_subnet=_render(ipv6),
            ipv6_gateway=ipv6_gateway,
            bridge=bridge,
            parent=parent,
        )
        intent.assigned = assigned
        if previous is not None and intent.stored is not None and intent.stored.spec != spec:
            self._refuse_taken(intent, spec)
        if previous is not None and previous != assigned:
            self._refuse_if_used(intent, previous, assigned)

    def _take_bridge(self, intent: Intent, spec: NetworkSpec, previous: NetworkAssigned | None) -> str:
        """Return the name of the network's bridge, empty for other drivers."""
        if spec.driver != BRIDGE:
            return ""
        bridge = spec.bridge_name or derive_bridge(intent.uid)
        holder = self._bridges.setdefault(bridge, intent.key)
        if holder != intent.key:
            message = f"bridge {bridge} is that of {holder}: choose another name"
            self._findings.add(AlreadyExists, intent.key, "spec.bridgeName", message)
        elif bridge in self._host.link_names and (previous is None or previous.bridge != bridge):
            message = f"the host has a link {bridge} that is not hold's: choose another name"
            self._findings.add(AlreadyExists, intent.key, "spec.bridgeName", message)
        return bridge

    def _refuse_if_used(self, intent: Intent, previous: NetworkAssigned, assigned: NetworkAssigned) -> None:
        users = self._index_attached().get(intent.key)
        if not users:
            return
        path, what = _find_change(intent.spec, previous, assigned)
        if path:
            message = (
                f"{what} while {name_some(users)} use the network: disconnect or remove them first, "
                "or make another network"
            )
            self._findings.add(InUse, intent.key, path, message)

    def _refuse_taken(self, intent: Intent, spec: NetworkSpec) -> None:
        """Find addresses that are to be reserved and that containers have; those of the batch get others."""
        reserved = {address: name for name, address in spec.reserved_addresses.items()}
        for key in self._index_attached().get(intent.key, ()) if reserved else ():
            container = self._world.snapshot[key]
            if (
                not isinstance(container, Container)
                or container.assigned is None
                or key in self._world.intents
            ):
                continue
            for address in reserved.keys() & set(container.assigned.networks[intent.key.name].addresses):
                message = (
                    f"{address} is that of {key}: reserve another one, or give the container another address"
                )
                path = f"spec.reservedAddresses.{reserved[address]}"
                self._findings.add(InUse, intent.key, path, message)

    def _index_attached(self) -> dict[Key, list[Key]]:
        """Return the containers with an address on each network, those on their way out included."""
        if self._users is None:
            self._users = {}
            for key, resource in sorted(self._world.snapshot.items()):
                if resource.kind == "Container" and resource.assigned is not None:
                    for name in resource.assigned.networks:
                        self._users.setdefault(Key("Network", name), []).append(key)
        return self._users


def _find_change(spec: object, previous: NetworkAssigned, assigned: NetworkAssigned) -> tuple[str, str]:
    """Return the field that changes what containers have been given, and what can't be; empty where none does."""
    for family in FAMILIES:
        had, has = find_subnet(previous, family), find_subnet(assigned, family)
        if had is not None and has is None:
            return f"spec.enableIPv{family}", f"IPv{family} can't be turned off"
        if had is None and has is not None:
            named = isinstance(spec, NetworkSpec) and bool(name_subnet(spec, family))
            return "spec.subnets" if named else f"spec.enableIPv{family}", f"IPv{family} can't be turned on"
        if had != has:
            return "spec.subnets", f"{had} can't become {has}"
    if _name_way(previous) != _name_way(assigned):
        return "spec.driver", "the driver can't change"
    changed = {
        "spec.gateway": (previous.gateway, assigned.gateway),
        "spec.ipv6Gateway": (previous.ipv6_gateway, assigned.ipv6_gateway),
        "spec.driverOptions.parent": (previous.parent, assigned.parent),
        "spec.bridgeName": (previous.bridge, assigned.bridge),
    }
    return next(
        ((path, f"{had} can't become {has}") for path, (had, has) in changed.items() if had != has), ("", "")
    )


def _render(subnet: IpNetwork | None) -> str:
    return str(subnet) if subnet is not None else ""


def _choose_gateway(spec: NetworkSpec, subnet: IpNetwork | None) -> str:
    """Return the subnet's first host address that is not reserved; empty without a subnet."""
    reserved = {int(ip_address(address)) for address in spec.reserved_addresses.values()}
    return str(choose_address(subnet, reserved)) if subnet is not None else ""


def _name_way(assigned: NetworkAssigned) -> str:
    """Return how containers join the network, in a word."""
    return "bridge" if assigned.bridge else "parent" if assigned.parent else "plugin"
