"""The names by which containers find one another, rendered from all networks and containers at once."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.network import Network, NetworkAssigned
from controller.model.wants import NamedHost, NamesWant, Zone
from controller.plan.oci.defaults import ContainerDefaults

SHORT_UID_LENGTH = 12
_NUMBERS = 1 << 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """What was rendered of a container: its names by network, each with a number that tells it from others."""

    container: Container
    hosts: tuple[tuple[str, NamedHost, int], ...]


class NamesRenderer:
    """Renders names; of containers that are as they were the last time, nothing is done again."""

    def __init__(self) -> None:
        self._context: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())
        self._known: dict[str, _Places] = {}

    def render(
        self, networks: Iterable[Network], containers: Iterable[Container], defaults: ContainerDefaults
    ) -> NamesWant:
        """Return the names of containers by network: their own, their aliases there, their short uid.

        The order of networks and containers makes no difference. `defaults` tell whom containers ask that do not say it.
        """
        everywhere = sorted(networks, key=lambda network: network.metadata.name)
        hosts: dict[str, list[tuple[str, NamedHost, int]]] = {each.metadata.name: [] for each in everywhere}
        for place in self._list_places(everywhere, containers, defaults):
            hosts.setdefault(place[0], []).append(place)
        zones, numbers = [], []
        for network in everywhere:
            if network.assigned is None:
                continue
            found = hosts[network.metadata.name]
            found.sort(key=_get_uid)
            zones.append(_render_zone(network, network.assigned, tuple(host for _, host, _ in found)))
            numbers.append(sum(number for _, _, number in found) % _NUMBERS)
        return NamesWant(digest=_digest(zones, numbers), zones=tuple(zones))

    def _list_places(
        self, networks: Iterable[Network], containers: Iterable[Container], defaults: ContainerDefaults
    ) -> Iterator[tuple[str, NamedHost, int]]:
        bridged = frozenset(
            each.metadata.name for each in networks if each.assigned is not None and each.assigned.bridge
        )
        known = self._known if self._context == (bridged, defaults.dns) else {}
        self._context, self._known = (bridged, defaults.dns), {}
        for container in containers:
            uid = container.metadata.uid or ""
            places = known.get(uid)
            if places is None or places.container is not container:
                hosts = tuple(_list_hosts(container, bridged, defaults))
                places = _Places(container=container, hosts=hosts)
            self._known[uid] = places
            yield from places.hosts


def _get_uid(place: tuple[str, NamedHost, int]) -> Uid:
    return place[1].container


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
) -> Iterator[tuple[str, NamedHost, int]]:
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
            yield attachment.name, host, _number(host)


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
