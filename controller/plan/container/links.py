"""A container's places on networks: which are wanted, and what differs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from controller.model.attachments import AssignedAttachment
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.names import derive_host_link
from controller.model.network import FAMILIES, LINK_LOCAL_SUBNETS, Family, Network, family_of
from controller.model.network_drivers import BRIDGE, DEFAULT_MTU, Sublink, derive_sublink, is_plugin
from controller.model.resource import is_ready
from controller.model.wants import IPV6_ON_LINK, ON_LINK, AttachmentWant
from controller.plan.container.actions import Attach, Detach
from controller.plan.container.inputs import ContainerDesired
from controller.plan.exposure import find_way_out
from controller.plan.network import with_prefix


def list_wants(desired: ContainerDesired, present: Sequence[AttachmentFacts]) -> tuple[Attach, ...]:
    """Return the attachments that the container should have, as far as their networks are there.

    A link keeps the name that it has inside; new ones take the lowest free one. Of the networks that lead outside, the
    one with the highest gateway priority carries the default route, the first of those that share it.
    """
    assigned = desired.container.assigned
    if assigned is None:
        return ()
    joined = []
    for attachment in desired.container.spec.networks:
        network = desired.networks.get(attachment.name)
        if network is not None and network.assigned is not None and attachment.name in assigned.networks:
            link = derive_host_link(desired.uid, Uid(network.metadata.uid or ""))
            joined.append((attachment, network, link))
    names = _choose_names(
        [_Naming(link, network.spec.interface_prefix, each.interface_name) for each, network, link in joined],
        present,
    )
    ways_out = {
        family: find_way_out(desired.container.spec, desired.networks, family=family) for family in FAMILIES
    }
    wants = []
    for attachment, network, link in joined:
        address = assigned.networks[attachment.name]
        sublink = find_sublink(network)
        want = AttachmentWant(
            container=desired.uid,
            network=Uid(network.metadata.uid or ""),
            host_link=link,
            bridge=_find_bridge(network),
            inside=names[link],
            mac="" if sublink is not None and sublink.shares_mac else address.mac,
            address=_find_address(network, address, 4),
            gateway=_find_gateway(network, address, 4) if network is ways_out[4] else "",
            ipv6_address=_find_address(network, address, 6),
            ipv6_gateway=_find_gateway(network, address, 6) if network is ways_out[6] else "",
            mtu=network.spec.mtu or (DEFAULT_MTU if network.spec.driver == BRIDGE else None),
            isolated=not network.spec.inter_container,
            sublink=sublink,
            driver=network.spec.driver if is_plugin(network.spec.driver) else "",
            link_local=tuple(
                with_prefix(each, LINK_LOCAL_SUBNETS[family_of(each)]) for each in address.link_local_ips
            ),
        )
        wants.append(Attach(network_name=network.metadata.name, want=want))
    return tuple(wants)


class _Naming(NamedTuple):
    """A link's name on the host, how names of its network begin, and the name that is asked for."""

    link: str
    prefix: str
    asked: str | None


def _choose_names(links: Sequence[_Naming], present: Sequence[AttachmentFacts]) -> dict[str, str]:
    """Return the name inside for each host link: what is asked for, what it has, the lowest free one."""
    inside = {facts.host_link: facts.inside for facts in present}
    names = {each.link: each.asked for each in links if each.asked is not None}
    for each in links:
        had = inside.get(each.link, "")
        if each.link not in names and had not in names.values() and re.fullmatch(rf"{each.prefix}\d+", had):
            names[each.link] = had
    for each in links:
        if each.link not in names:
            taken = set(names.values())
            names[each.link] = next(
                name for index in count() if (name := f"{each.prefix}{index}") not in taken
            )
    return names


def list_link_actions(
    wants: Iterable[Attach], present: Sequence[AttachmentFacts], networks: Mapping[str, Network]
) -> tuple[Attach | Detach, ...]:
    """Return what brings the links to `wants`: leave first, so that a default route can move, then mend, so that names
    are free for what comes. Networks that are not ready are left for later.
    """
    attaches = tuple(wants)
    wanted = {attach.want.host_link for attach in attaches}
    by_link = {facts.host_link: facts for facts in present}
    leave = [
        Detach(uid=facts.container, host_link=facts.host_link, inside=facts.inside)
        for facts in present
        if facts.host_link not in wanted
    ]
    join = [
        attach
        for attach in attaches
        if not is_attached(attach.want, by_link.get(attach.want.host_link))
        and is_ready(networks[attach.network_name].status)
    ]
    return (*leave, *sorted(join, key=lambda attach: attach.want.host_link not in by_link))


def is_attached(want: AttachmentWant, facts: AttachmentFacts | None) -> bool:
    """Tell whether the attachment is there just as wanted."""
    return (
        facts is not None
        and facts.host_up
        and facts.inside_up
        and facts.sound
        and facts.bridge == want.bridge
        and facts.inside == want.inside
        and want.mac in ("", facts.mac)
        and facts.sublink == want.sublink
        and set(facts.addresses) == set(want.all_addresses)
        and facts.gateway == want.gateway
        and facts.ipv6_gateway == want.ipv6_gateway
        and want.mtu in (None, facts.mtu)
        and facts.isolated in (None, want.isolated)
    )


def _find_bridge(network: Network) -> str:
    return network.assigned.bridge if network.assigned is not None else ""


def find_sublink(network: Network) -> Sublink | None:
    """Return how links hang below the network's parent; None where it has none."""
    parent = network.assigned.parent if network.assigned is not None else ""
    return derive_sublink(network.spec.driver, network.spec.driver_options, parent)


def _find_address(network: Network, place: AssignedAttachment, family: Family) -> str:
    assigned = network.assigned
    if assigned is None:
        return ""
    if family == 4:
        return with_prefix(place.ipv4, assigned.subnet)
    return with_prefix(place.ipv6, assigned.ipv6_subnet)


def _find_gateway(network: Network, place: AssignedAttachment, family: Family) -> str:
    """Return the next hop of the default route; whoever is that for others has the network's gateway."""
    chosen = network.spec.find_default_gateway(family)
    if chosen and chosen != (place.ipv4 if family == 4 else place.ipv6):
        return chosen
    sublink, assigned = find_sublink(network), network.assigned
    if sublink is not None and sublink.routes_by_link:
        return ON_LINK if family == 4 else IPV6_ON_LINK
    if assigned is None:
        return ""
    return assigned.gateway if family == 4 else assigned.ipv6_gateway
