"""Subnets of one family for the networks of a batch: named ones first, then those kept, then those chosen."""

import ipaddress
from collections.abc import Sequence

from controller.errors import AlreadyExists, Exhausted
from controller.model.ids import Key
from controller.model.network import Family, Network, NetworkAssigned, NetworkSpec
from controller.model.network_drivers import IPVLAN, MACVLAN
from controller.plan.addresses import AddressPool, IpNetwork, choose_subnet
from controller.plan.admission.batch import AdmissionContext
from controller.plan.admission.findings import Findings
from controller.plan.admission.intents import Intent
from controller.plan.admission.references import World


class SubnetAssigner:
    """Finds a subnet of one family for every network that has the family."""

    def __init__(
        self, world: World, context: AdmissionContext, findings: Findings, *, family: Family
    ) -> None:
        self._world = world
        self._findings = findings
        self._family = family
        self._pool: AddressPool = context.pools.ipv4 if family == 4 else context.pools.ipv6
        routes = [ipaddress.ip_network(text, strict=False) for text in context.host.routes]
        self._routes = [route for route in routes if route.prefixlen and route.version == family]
        self._subnets: dict[Key, IpNetwork] = {}

    def assign(self, intents: Sequence[tuple[Intent, NetworkSpec]]) -> dict[Key, IpNetwork]:
        """Return the subnets by network; a finding tells why one is missing that should have one."""
        self._take_others()
        wanting = [(intent, spec) for intent, spec in intents if has_family(spec, self._family)]
        unnamed = [intent for intent, spec in wanting if not name_subnet(spec, self._family)]
        for intent in unnamed:
            kept = find_subnet(find_assigned(intent), self._family)
            if kept is not None:
                self._subnets[intent.key] = kept
        found: dict[Key, IpNetwork | None] = {
            intent.key: self._take_named(intent, spec)
            for intent, spec in wanting
            if name_subnet(spec, self._family)
        }
        # By name, so that the order of the drafts does not decide who gets which.
        for intent in sorted(unnamed, key=lambda each: each.key):
            found[intent.key] = self._subnets.get(intent.key) or self._choose(intent)
        return {key: subnet for key, subnet in found.items() if subnet is not None}

    def _take_others(self) -> None:
        for key, resource in self._world.snapshot.items():
            if isinstance(resource, Network) and key not in self._world.intents:
                subnet = find_subnet(resource.assigned, self._family)
                if subnet is not None:
                    self._subnets[key] = subnet

    def _take_named(self, intent: Intent, spec: NetworkSpec) -> IpNetwork | None:
        text = name_subnet(spec, self._family)
        subnet, path = ipaddress.ip_network(text), f"spec.subnets[{spec.subnets.index(text)}]"
        for other, taken in self._subnets.items():
            if subnet.overlaps(taken):
                message = f"{subnet} overlaps {taken} of {other}: choose another subnet"
                self._findings.add(AlreadyExists, intent.key, path, message)
                return None
        # Links below a parent are in the network that the parent is in, which the host has a route to.
        is_outside = spec.driver in (MACVLAN, IPVLAN)
        route = None if is_outside else next((each for each in self._routes if subnet.overlaps(each)), None)
        if route is not None and find_subnet(find_assigned(intent), self._family) != subnet:
            message = f"{subnet} overlaps {route}, which the host has a route to: choose another subnet"
            self._findings.add(AlreadyExists, intent.key, path, message)
            return None
        self._subnets[intent.key] = subnet
        return subnet

    def _choose(self, intent: Intent) -> IpNetwork | None:
        try:
            chosen = choose_subnet(self._pool, [*self._subnets.values(), *self._routes])
        except Exhausted as error:
            self._findings.add(Exhausted, intent.key, "spec.subnets", error.message)
            return None
        self._subnets[intent.key] = chosen
        return chosen


def has_family(spec: NetworkSpec, family: Family) -> bool:
    """Tell whether containers of a network get addresses of a family."""
    return spec.enable_ipv4 if family == 4 else spec.has_ipv6


def name_subnet(spec: NetworkSpec, family: Family) -> str:
    """Return the subnet of a family that is asked for, empty when none is."""
    return spec.ipv4_subnet if family == 4 else spec.ipv6_subnet


def find_subnet(assigned: NetworkAssigned | None, family: Family) -> IpNetwork | None:
    """Return the subnet of a family that a network has."""
    if assigned is None:
        return None
    text = assigned.subnet if family == 4 else assigned.ipv6_subnet
    return ipaddress.ip_network(text) if text else None


def find_assigned(intent: Intent) -> NetworkAssigned | None:
    """Return what a network of the batch has been given before."""
    return intent.stored.assigned if isinstance(intent.stored, Network) else None
