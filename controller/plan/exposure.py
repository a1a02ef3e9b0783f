"""What networks and containers offer to others: ports through the firewall, names through the name server."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from controller.model.container import Container, ContainerSpec
from controller.model.ids import Uid
from controller.model.network import Network, NetworkAssigned
from controller.model.ports import PortMapping
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
                inter_container=network.spec.inter_container,
            )


def find_way_out(spec: ContainerSpec, networks: Mapping[str, Network]) -> Network | None:
    """Return the network that carries a container's default route, and so what comes in by published ports.

    None when all are internal, or not there.
    """
    ranked = [
        (each.gateway_priority, network)
        for each in spec.networks
        if (network := networks.get(each.name)) is not None
        and network.assigned is not None
        and not network.spec.internal
    ]
    return max(ranked, key=lambda each: each[0])[1] if ranked else None


def bind_ports(ports: Iterable[PortMapping], network: Network | None) -> tuple[PortMapping, ...]:
    """Return published ports, those that name no host address on the one that the network binds them to."""
    binding = network.spec.host_binding if network is not None else None
    if binding is None:
        return tuple(ports)
    return tuple(port if port.host_ip else port.model_copy(update={"host_ip": binding}) for port in ports)


def list_firewall_ports(
    networks: Mapping[str, Network], containers: Iterable[Container]
) -> Iterator[FirewallPort]:
    """Yield each published port with the address that it leads to: on the network that carries the default route."""
    for container in containers:
        assigned, network = container.assigned, find_way_out(container.spec, networks)
        if assigned is None or network is None or network.assigned is None:
            continue
        place = assigned.networks.get(network.metadata.name)
        if place is None:
            continue
        for mapping in bind_ports(assigned.ports, network):
            yield FirewallPort(mapping=mapping, bridge=network.assigned.bridge, address=place.ipv4)


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
