"""Links of containers that have no end outside: `MarkedLinks(layout=, insides=)`; blocking, for threads.

They lie in the containers' namespaces alone, and bear the mark of their network: links below a parent (macvlan, ipvlan),
and those that plugins have given.
"""

import errno
from collections.abc import Iterator

from controller.kernel.network import rtnetlink
from controller.kernel.network.host_links import find_link, opened_netlink, parse_owner
from controller.kernel.network.insides import Inside, InsideFacts, Insides
from controller.kernel.network.settling import DEFAULT_ROUTE, IPV6_DEFAULT_ROUTE
from controller.kernel.network.sublink_messages import parse_sublink
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_host_link
from controller.model.network_drivers import IPVLAN, MACVLAN, Sublink
from controller.model.wants import IPV6_ON_LINK, ON_LINK

_GONE = frozenset({errno.ENODEV})
_ON_LINK = {DEFAULT_ROUTE: ON_LINK, IPV6_DEFAULT_ROUTE: IPV6_ON_LINK}


class MarkedLinks:
    """Finds and removes what bears our mark inside."""

    def __init__(self, *, layout: Layout, insides: Insides) -> None:
        self._instance = layout.instance
        self._insides = insides

    def look_all(self) -> tuple[AttachmentFacts, ...]:
        """Return the links of every container."""
        return tuple(facts for uid in self._insides.list() for facts in self.look(uid))

    def look(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's links."""
        inside = self._insides.find(container)
        if inside is None:
            return ()
        facts = inside.read()
        marked = list(self._list(facts))
        parents = _find_parents(link for _, link in marked)
        return tuple(_describe(container, network, link, facts, parents) for network, link in marked)

    def find(self, inside: Inside, network: Uid) -> rtnetlink.Link | None:
        """Return a network's link in a namespace, None when there is none."""
        return next((link for owner, link in self._list(inside.read()) if owner == network), None)

    def remove(self, container: Uid, host_link: str) -> None:
        """Remove a link of the container's; OSError when the kernel does not let go of it."""
        inside = self._insides.find(container)
        if inside is None:
            return
        for network, link in list(self._list(inside.read())):
            if derive_host_link(container, network) == host_link:
                inside.run(rtnetlink.delete_link(link.index), tolerate=_GONE)

    def _list(self, facts: InsideFacts) -> Iterator[tuple[Uid, rtnetlink.Link]]:
        for link in facts.links:
            network = parse_owner(self._instance, link.alias)
            if network is not None:
                yield network, link


def _find_parents(links: Iterator[rtnetlink.Link]) -> dict[int, str]:
    """Return the names of the host's links that links hang below, by index."""
    indexes = {link.peer_index for link in links if link.kind in (MACVLAN, IPVLAN)}
    if not indexes:
        return {}
    with opened_netlink() as netlink:
        found = {index: find_link(netlink, index=index) for index in sorted(indexes - {0})}
    return {index: link.name for index, link in found.items() if link is not None}


def _describe(
    container: Uid, network: Uid, link: rtnetlink.Link, facts: InsideFacts, parents: dict[int, str]
) -> AttachmentFacts:
    sublink: Sublink | None = parse_sublink(link.kind, link.data, parents.get(link.peer_index, ""))
    gateways = {
        route.destination: route.gateway or _ON_LINK[route.destination]
        for route in facts.routes
        if route.index == link.index and route.destination in _ON_LINK
    }
    return AttachmentFacts(
        container=container,
        host_link=derive_host_link(container, network),
        bridge="",
        host_up=True,
        inside=link.name,
        inside_up=link.up,
        mac=link.mac,
        addresses=tuple(each.text for each in facts.settled if each.index == link.index),
        gateway=gateways.get(DEFAULT_ROUTE, ""),
        ipv6_gateway=gateways.get(IPV6_DEFAULT_ROUTE, ""),
        mtu=link.mtu,
        isolated=None,
        sublink=sublink,
    )
