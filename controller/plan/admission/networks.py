"""Subnets, gateways, bridge names: what a network gets, once for its life."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from controller.errors import AlreadyExists, Exhausted, InUse
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.names import derive_bridge
from controller.model.network import Network, NetworkAssigned, NetworkSpec
from controller.plan.addresses import AddressPool, choose_ipv4, choose_subnet
from controller.plan.admission.batch import AdmissionContext
from controller.plan.admission.findings import Findings, name_some
from controller.plan.admission.intents import Intent
from controller.plan.admission.references import World


class NetworkAssigner:
    """Gives the networks of a batch what they need: what is named first, then what is kept, then what is chosen."""

    def __init__(self, world: World, context: AdmissionContext, findings: Findings) -> None:
        self._world = world
        self._host: HostFacts = context.host
        self._pool: AddressPool = context.pool
        self._findings = findings
        self._subnets: dict[Key, IPv4Network] = {}
        self._bridges: dict[str, Key] = {}
        self._users: dict[Key, list[Key]] | None = None

    def assign(self) -> None:
        """Fill in `assigned` of every network of the batch that nothing is wrong with."""
        intents = list(self._list_intents())
        if not intents:
            return
        self._take_others()
        named = [(intent, spec) for intent, spec in intents if spec.subnets]
        unnamed = [(intent, spec) for intent, spec in intents if not spec.subnets]
        kept = [(intent, spec) for intent, spec in unnamed if intent.stored is not None]
        for intent, _ in kept:
            previous = _find_assigned(intent)
            if previous is not None:
                self._subnets[intent.key] = IPv4Network(previous.subnet)
        for intent, spec in named:
            self._finish(intent, spec, self._take_named(intent, IPv4Network(spec.subnets[0])))
        # By name, so that the order of the drafts does not decide who gets which.
        for intent, spec in sorted(unnamed, key=lambda each: each[0].key):
            self._finish(intent, spec, self._subnets.get(intent.key) or self._choose(intent))

    def _list_intents(self) -> Iterator[tuple[Intent, NetworkSpec]]:
        for intent in self._world.intents.values():
            if isinstance(intent.spec, NetworkSpec):
                yield intent, intent.spec

    def _take_others(self) -> None:
        for key, resource in self._world.snapshot.items():
            if isinstance(resource, Network) and resource.assigned and key not in self._world.intents:
                self._subnets[key] = IPv4Network(resource.assigned.subnet)
                self._bridges[resource.assigned.bridge] = key

    def _take_named(self, intent: Intent, subnet: IPv4Network) -> IPv4Network | None:
        path = "spec.subnets[0]"
        for other, taken in self._subnets.items():
            if subnet.overlaps(taken):
                message = f"{subnet} overlaps {taken} of {other}: choose another subnet"
                self._findings.add(AlreadyExists, intent.key, path, message)
                return None
        previous = _find_assigned(intent)
        if previous is None or previous.subnet != str(subnet):
            for route in _list_routes(self._host):
                if subnet.overlaps(route):
                    message = (
                        f"{subnet} overlaps {route}, which the host has a route to: choose another subnet"
                    )
                    self._findings.add(AlreadyExists, intent.key, path, message)
                    return None
        self._subnets[intent.key] = subnet
        return subnet

    def _choose(self, intent: Intent) -> IPv4Network | None:
        try:
            chosen = choose_subnet(self._pool, [*self._subnets.values(), *_list_routes(self._host)])
        except Exhausted as error:
            self._findings.add(Exhausted, intent.key, "spec.subnets", error.message)
            return None
        self._subnets[intent.key] = chosen
        return chosen

    def _finish(self, intent: Intent, spec: NetworkSpec, subnet: IPv4Network | None) -> None:
        bridge = spec.bridge_name or derive_bridge(intent.uid)
        previous = _find_assigned(intent)
        holder = self._bridges.setdefault(bridge, intent.key)
        if holder != intent.key:
            message = f"bridge {bridge} is that of {holder}: choose another name"
            self._findings.add(AlreadyExists, intent.key, "spec.bridgeName", message)
        elif bridge in self._host.link_names and (previous is None or previous.bridge != bridge):
            message = f"the host has a link {bridge} that is not hold's: choose another name"
            self._findings.add(AlreadyExists, intent.key, "spec.bridgeName", message)
        if subnet is None:
            return
        gateway = spec.gateway or str(_choose_gateway(spec, subnet))
        assigned = NetworkAssigned(subnet=str(subnet), gateway=gateway, bridge=bridge)
        intent.assigned = assigned
        if previous is not None and previous != assigned:
            self._refuse_if_used(intent, previous, assigned)

    def _refuse_if_used(self, intent: Intent, previous: NetworkAssigned, assigned: NetworkAssigned) -> None:
        users = self._index_attached().get(intent.key)
        if not users:
            return
        changed = {
            "spec.subnets": previous.subnet != assigned.subnet,
            "spec.gateway": previous.gateway != assigned.gateway,
            "spec.bridgeName": previous.bridge != assigned.bridge,
        }
        for path in [path for path, differs in changed.items() if differs]:
            names = name_some(users)
            self._findings.add(
                InUse, intent.key, path, f"can't change while {names} use the network: remove them first"
            )
            return

    def _index_attached(self) -> dict[Key, list[Key]]:
        """Return the containers with an address on each network, those on their way out included."""
        if self._users is None:
            self._users = {}
            for key, resource in sorted(self._world.snapshot.items()):
                if resource.kind == "Container" and resource.assigned is not None:
                    for name in resource.assigned.networks:
                        self._users.setdefault(Key("Network", name), []).append(key)
        return self._users


def _choose_gateway(spec: NetworkSpec, subnet: IPv4Network) -> IPv4Address:
    """Return the subnet's first host address that is not reserved."""
    reserved = {int(IPv4Address(address)) for address in spec.reserved_addresses.values()}
    return choose_ipv4(subnet, reserved)


def _find_assigned(intent: Intent) -> NetworkAssigned | None:
    return intent.stored.assigned if isinstance(intent.stored, Network) else None


def _list_routes(host: HostFacts) -> list[IPv4Network]:
    """Return the host's IPv4 routes but the default ones, which lead to every address."""
    routes = [IPv4Network(text, strict=False) for text in host.routes if ":" not in text]
    return [route for route in routes if route.prefixlen > 0]
