"""The names by which containers find one another, rendered from all networks and containers at once."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.network import Network, NetworkAssigned
from controller.model.wants import NamedHost, NamesWant, Zone
from controller.plan.oci.defaults import ContainerDefaults

SHORT_UID_LENGTH = 12
_NUMBERS = 1 << 256

Group = tuple[Container, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What was rendered of a group of containers: hosts by network, and the sums of their numbers."""

    group: Group
    hosts: Mapping[str, Sequence[NamedHost]]
    numbers: Mapping[str, int]


class NamesRenderer:
    """Renders names; of groups of containers that are the same objects as the last time, nothing is done again."""

    def __init__(self) -> None:
        self._context: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())
        self._known: dict[int, _Part] = {}

    def render(
        self, networks: Iterable[Network], groups: Iterable[Group], defaults: ContainerDefaults
    ) -> NamesWant:
        """Return the names of containers by network: their own, their aliases there, their short uid.

        The order of networks and containers makes no difference. `defaults` tell whom containers ask that do not say it.
        """
        everywhere = sorted(networks, key=lambda network: network.metadata.name)
        hosts: dict[str, list[NamedHost]] = {}
        numbers: dict[str, int] = {}
        for part in self._list_parts(everywhere, groups, defaults):
            for name, found in part.hosts.items():
                hosts.setdefault(name, []).extend(found)
                numbers[name] = (numbers.get(name, 0) + part.numbers[name]) % _NUMBERS
        zones, sums = [], []
        for network in everywhere:
            if network.assigned is not None:
                present = sorted(hosts.get(network.metadata.name, ()), key=attrgetter("container"))
                zones.append(_render_zone(network, network.assigned, tuple(present)))
                sums.append(numbers.get(network.metadata.name, 0))
        return NamesWant(digest=_digest(zones, sums), zones=tuple(zones))

    def _list_parts(
        self, networks: Iterable[Network], groups: Iterable[Group], defaults: ContainerDefaults
    ) -> Iterator[_Part]:
        bridged = frozenset(
            each.metadata.name for each in networks if each.assigned is not None and each.assigned.bridge
        )
        known = self._known if self._context == (bridged, defaults.dns) else {}
        self._context, self._known = (bridged, defaults.dns), {}
        for group in filter(None, groups):
            part = known.get(id(group))
            if part is None or part.group is not group:
                part = _render_part(group, bridged, defaults)
            self._known[id(group)] = part
            yield part


def _render_part(group: Group, bridged: Collection[str], defaults: ContainerDefaults) -> _Part:
    hosts: dict[str, list[NamedHost]] = {}
    for container in group:
        for name, host in _list_hosts(container, bridged, defaults):
            hosts.setdefault(name, []).append(host)
    numbers = {name: sum(map(_number, found)) % _NUMBERS for name, found in hosts.items()}
    return _Part(group=group, hosts=hosts, numbers=numbers)


def _render_zone(network: Network, assigned: NetworkAssigned, hosts: tuple[NamedHost, ...]) -> Zone:
    return Zone(
        network=Uid(network.metadata.uid or ""),
        network_name=network.metadata.name,
        gateways=_list_gateways(assigned),
        subnets=tuple(filter(None, (assigned.subnet, assigned.ipv6_subnet))),
        hosts=hosts,
        internal=network.spec.internal,
    )


def _list_gateways(assigned: NetworkAssigned) -> tuple[str, ...]:
    """Return the addresses of the host on a network; without a bridge, gateways are not the host's."""
    return tuple(filter(None, (assigned.gateway, assigned.ipv6_gateway))) if assigned.bridge else ()


def _list_hosts(
    container: Container, bridged: Collection[str], defaults: ContainerDefaults
) -> Iterator[tuple[str, NamedHost]]:
    """Yield the networks that a container has a place on, and what it is called there."""
    if container.assigned is None:
        return
    inside = not any(attachment.name in bridged for attachment in container.spec.networks)
    uid = container.metadata.uid or ""
    for attachment in container.spec.networks:
        place = container.assigned.networks.get(attachment.name)
        if place is not None:
            names = dict.fromkeys((container.metadata.name, *attachment.aliases, uid[:SHORT_UID_LENGTH]))
            host = NamedHost(
                container=Uid(uid),
                addresses=place.addresses,
                names=tuple(names),
                upstreams=defaults.choose_dns(container.spec),
                inside=inside,
            )
            yield attachment.name, host


def _number(host: NamedHost) -> int:
    plain = (host.container, host.addresses, host.names, host.upstreams, host.inside)
    return int.from_bytes(hashlib.sha256(json.dumps(plain).encode()).digest())


def _digest(zones: Iterable[Zone], numbers: Iterable[int]) -> str:
    """Name what zones have by the sums of their hosts' numbers, so that one host more is one sum more."""
    plain = [
        (zone.network, zone.network_name, zone.gateways, zone.subnets, zone.internal, number)
        for zone, number in zip(zones, numbers, strict=True)
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
