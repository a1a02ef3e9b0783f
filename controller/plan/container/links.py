"""A container's places on networks: which are wanted, and what differs."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.names import derive_host_link
from controller.model.network import Network
from controller.model.resource import is_ready
from controller.model.wants import AttachmentWant
from controller.plan.container.actions import Attach, Detach
from controller.plan.container.inputs import ContainerDesired

_INSIDE = re.compile(r"eth\d+")


def list_wants(desired: ContainerDesired, present: Sequence[AttachmentFacts]) -> tuple[Attach, ...]:
    """Return the attachments that the container should have, as far as their networks are there.

    A link keeps the name that it has inside; new ones take the lowest free one. The first network that leads outside
    carries the default route.
    """
    assigned = desired.container.assigned
    if assigned is None:
        return ()
    inside = {facts.host_link: facts.inside for facts in present if _INSIDE.fullmatch(facts.inside)}
    joined = []
    for attachment in desired.container.spec.networks:
        network = desired.networks.get(attachment.name)
        if network is not None and network.assigned is not None and attachment.name in assigned.networks:
            link = derive_host_link(desired.uid, Uid(network.metadata.uid or ""))
            joined.append((network, link, assigned.networks[attachment.name]))
    used = {inside[link] for _, link, _ in joined if link in inside}
    free = (name for name in (f"eth{index}" for index in range(len(joined) + len(used))) if name not in used)
    wants = []
    routed = False
    for network, link, address in joined:
        leads_outside = not network.spec.internal and not routed
        routed = routed or leads_outside
        want = AttachmentWant(
            container=desired.uid,
            network=Uid(network.metadata.uid or ""),
            host_link=link,
            bridge=_find_bridge(network),
            inside=inside.get(link) or next(free),
            mac=address.mac,
            address=f"{address.ipv4}/{_find_prefix(network)}",
            gateway=_find_gateway(network) if leads_outside else "",
            mtu=network.spec.mtu,
        )
        wants.append(Attach(network_name=network.metadata.name, want=want))
    return tuple(wants)


def list_link_actions(
    wants: Iterable[Attach], present: Sequence[AttachmentFacts], networks: Mapping[str, Network]
) -> tuple[Attach | Detach, ...]:
    """Return what brings the links to `wants`: leave first, so that a default route can move. Networks that are not
    ready are left for later.
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
    return (*leave, *join)


def is_attached(want: AttachmentWant, facts: AttachmentFacts | None) -> bool:
    """Tell whether the attachment is there just as wanted."""
    return (
        facts is not None
        and facts.host_up
        and facts.inside_up
        and facts.bridge == want.bridge
        and facts.inside == want.inside
        and facts.mac == want.mac
        and facts.addresses == (want.address,)
        and facts.gateway == want.gateway
        and want.mtu in (None, facts.mtu)
    )


def _find_bridge(network: Network) -> str:
    return network.assigned.bridge if network.assigned is not None else ""


def _find_gateway(network: Network) -> str:
    return network.assigned.gateway if network.assigned is not None else ""


def _find_prefix(network: Network) -> int:
    return ipaddress.IPv4Network(network.assigned.subnet if network.assigned is not None else "").prefixlen
