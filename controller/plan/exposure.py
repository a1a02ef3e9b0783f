"""What networks and containers offer to others by way of the firewall."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from controller.model.container import Container, ContainerSpec
from controller.model.network import FAMILIES, Family, Network
from controller.model.ports import PortMapping
from controller.model.wants import FirewallNetwork, FirewallPort

_CROWD = 900
"""So many containers on a network come near to the number of ports that a bridge has."""


def list_firewall_networks(
    networks: Iterable[Network], containers: Iterable[Container] = ()
) -> Iterator[FirewallNetwork]:
    """Yield what the firewall must know of each network."""
    members = Counter(
        name for each in containers if each.assigned is not None for name in each.assigned.networks
    )
    for network in networks:
        if network.assigned is not None and network.assigned.bridge:
            yield FirewallNetwork(
                bridge=network.assigned.bridge,
                subnet=network.assigned.subnet,
                gateway=network.assigned.gateway,
                ipv6_subnet=network.assigned.ipv6_subnet,
                ipv6_gateway=network.assigned.ipv6_gateway,
                internal=network.spec.internal,
                masquerade=network.spec.masquerade,
                inter_container=network.spec.inter_container,
                crowded=members[network.metadata.name] > _CROWD,
            )


def find_way_out(spec: ContainerSpec, networks: Mapping[str, Network], *, family: Family) -> Network | None:
    """Return the network that carries a container's default route, and so what comes in by published ports.

    None when all that have the family are internal, or not there.
    """
    ranked = [
        (each.gateway_priority, network)
        for each in spec.networks
        if (network := networks.get(each.name)) is not None
        and network.assigned is not None
        and (network.assigned.subnet if family == 4 else network.assigned.ipv6_subnet)
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
    """Yield each published port with the addresses that it leads to, one of each family at most: those on the networks
    that carry the default routes.

    No port of the host leads to networks that have no bridge: their containers have addresses outside.
    """
    for container, family in itertools.product(containers, FAMILIES):
        assigned, network = container.assigned, find_way_out(container.spec, networks, family=family)
        if assigned is None or network is None or network.assigned is None:
            continue
        place = assigned.networks.get(network.metadata.name)
        if place is None or not network.assigned.bridge:
            continue
        address = place.ipv4 if family == 4 else place.ipv6
        for mapping in bind_ports(assigned.ports, network):
            if address and mapping.is_on(family):
                yield FirewallPort(mapping=mapping, bridge=network.assigned.bridge, address=address)
