"""What networks and containers offer to others: ports through the firewall, names through the name server."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.network import Network, NetworkAssigned
from controller.model.wants import FirewallNetwork, FirewallPort, NamesWant, Zone

SHORT_UID_LENGTH = 12


def list_firewall_networks(networks: Iterable[Network]) -> Iterator[FirewallNetwork]:
    """Yield what the firewall must know of each network."""
    for network in networks:
        if network.assigned is not None:
            yield FirewallNetwork(
                bridge=network.assigned.bridge,
                subnet=network.assigned.subnet,
                gateway=network.assigned.gateway,
                internal=network.spec.internal,
                masquerade=network.spec.masquerade,
            )


def list_firewall_ports(
    networks: Mapping[str, Network], containers: Iterable[Container]
) -> Iterator[FirewallPort]:
    """Yield each published port with the address that it leads to: on the container's first network that leads out."""
    for container in containers:
        place = _find_way_in(networks, container)
        if place is None or container.assigned is None:
            continue
        bridge, address = place
        for mapping in container.assigned.ports:
            yield FirewallPort(mapping=mapping, bridge=bridge, address=address)


def _find_way_in(networks: Mapping[str, Network], container: Container) -> tuple[str, str] | None:
    assigned = container.assigned
    if assigned is None or not assigned.ports:
        return None
    for attachment in container.spec.networks:
        network = networks.get(attachment.name)
        place = assigned.networks.get(attachment.name)
        if network is None or network.assigned is None or network.spec.internal:
            continue
        if place is not None:
            return network.assigned.bridge, place.ipv4
    return None


def render_names(networks: Iterable[Network], containers: Iterable[Container]) -> NamesWant:
    """Return the names of containers by network: their own, their short uid, their aliases there."""
    everyone = tuple(containers)
    zones = tuple(
        _render_zone(network, network.assigned, everyone)
        for network in sorted(networks, key=lambda network: network.metadata.name)
        if network.assigned is not None
    )
    return NamesWant(digest=_digest(zones), zones=zones)


def _render_zone(network: Network, assigned: NetworkAssigned, containers: Iterable[Container]) -> Zone:
    hosts = []
    upstreams = []
    addresses: dict[str, list[str]] = {}
    for container in containers:
        names, address = _find_names(container, network.metadata.name)
        if address:
            hosts.append((Uid(container.metadata.uid or ""), address, names))
        if address and container.spec.dns:
            upstreams.append((address, container.spec.dns))
        for name in names:
            addresses.setdefault(name, []).append(address)
    return Zone(
        network=Uid(network.metadata.uid or ""),
        network_name=network.metadata.name,
        bridge=assigned.bridge,
        gateway=assigned.gateway,
        names=tuple((name, tuple(sorted(found))) for name, found in sorted(addresses.items())),
        hosts=tuple(sorted(hosts)),
        internal=network.spec.internal,
        upstreams=tuple(sorted(upstreams)),
    )


def _find_names(container: Container, network: str) -> tuple[tuple[str, ...], str]:
    """Return the container's names and its address on a network; nothing when it is not there."""
    place = container.assigned.networks.get(network) if container.assigned is not None else None
    attachment = next((each for each in container.spec.networks if each.name == network), None)
    if place is None or attachment is None:
        return (), ""
    short_uid = (container.metadata.uid or "")[:SHORT_UID_LENGTH]
    names = dict.fromkeys((container.metadata.name, *attachment.aliases, short_uid))
    return tuple(names), place.ipv4


def _digest(zones: tuple[Zone, ...]) -> str:
    plain = [
        (zone.network, zone.bridge, zone.gateway, zone.names, zone.hosts, zone.internal, zone.upstreams)
        for zone in zones
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
