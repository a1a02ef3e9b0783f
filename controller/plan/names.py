"""The names by which containers find one another, rendered from all networks and containers at once."""

import hashlib
import json
from collections.abc import Iterable, Iterator

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.network import Network, NetworkAssigned
from controller.model.wants import NamedHost, NamesWant, Zone
from controller.plan.oci.defaults import ContainerDefaults

SHORT_UID_LENGTH = 12


def render_names(
    networks: Iterable[Network], containers: Iterable[Container], defaults: ContainerDefaults
) -> NamesWant:
    """Return the names of containers by network: their own, their aliases there, their short uid.

    The order of networks and containers makes no difference. `defaults` tell whom containers ask that do not say it.
    """
    hosts: dict[str, list[NamedHost]] = {}
    everywhere = tuple(networks)
    bridged = {
        each.metadata.name for each in everywhere if each.assigned is not None and each.assigned.bridge
    }
    for container in containers:
        for network, host in _list_places(container, bridged, defaults):
            hosts.setdefault(network, []).append(host)
    zones = tuple(
        Zone(
            network=Uid(network.metadata.uid or ""),
            network_name=network.metadata.name,
            gateways=_list_gateways(network.assigned),
            subnets=tuple(filter(None, (network.assigned.subnet, network.assigned.ipv6_subnet))),
            hosts=tuple(sorted(hosts.get(network.metadata.name, ()), key=lambda host: host.container)),
            internal=network.spec.internal,
        )
        for network in sorted(everywhere, key=lambda network: network.metadata.name)
        if network.assigned is not None
    )
    return NamesWant(digest=_digest(zones), zones=zones)


def _list_gateways(assigned: NetworkAssigned) -> tuple[str, ...]:
    """Return the addresses of the host on a network; without a bridge, gateways are not the host's."""
    return tuple(filter(None, (assigned.gateway, assigned.ipv6_gateway))) if assigned.bridge else ()


def _list_places(
    container: Container, bridged: set[str], defaults: ContainerDefaults
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
            yield (
                attachment.name,
                NamedHost(
                    container=Uid(uid),
                    addresses=place.addresses,
                    names=tuple(names),
                    upstreams=defaults.choose_dns(container.spec),
                    inside=inside,
                ),
            )


def _digest(zones: tuple[Zone, ...]) -> str:
    plain = [
        (
            (zone.network, zone.network_name, zone.gateways, zone.subnets, zone.internal),
            [
                (host.container, host.addresses, host.names, host.upstreams, host.inside)
                for host in zone.hosts
            ],
        )
        for zone in zones
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
