"""Links of containers below a parent (macvlan, ipvlan) by netlink: `KernelSublinks(layout=, insides=)`.

Such a link has no end outside: it is found in the container's namespace by its mark, which names the network. It is
born in there, so its name may be taken by one that a daemon had no time to mark: such a one is made anew.
"""

import asyncio
import errno
import os
from collections.abc import Iterator
from dataclasses import replace

from controller.errors import Conflict, NotFound, Refused
from controller.kernel import rtnetlink, sublink_messages
from controller.kernel.host_links import find_link, opened_netlink, parse_owner
from controller.kernel.insides import Inside, InsideFacts, Insides
from controller.kernel.settling import DEFAULT_ROUTE, IPV6_DEFAULT_ROUTE, settle_link
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_host_link, derive_link_alias
from controller.model.network_drivers import IPVLAN, MACVLAN, Sublink
from controller.model.wants import IPV6_ON_LINK, ON_LINK, AttachmentWant

_GONE = frozenset({errno.ENODEV})
_ABSENT = frozenset({errno.ESRCH, errno.ENODEV})
_ON_LINK = {DEFAULT_ROUTE: ON_LINK, IPV6_DEFAULT_ROUTE: IPV6_ON_LINK}
_EXPLANATIONS = {
    errno.EBUSY: "it carries links of another kind, or is the port of a bridge or a bond",
    errno.EOPNOTSUPP: "this kernel has no such links: load the module, or choose another driver",
    errno.EINVAL: "the kernel does not take it: a link in passthru mode has the parent for itself",
}


class KernelSublinks:
    """Attachments on Linux for networks that hang below a parent."""

    def __init__(self, *, layout: Layout, insides: Insides) -> None:
        self._layout = layout
        self._insides = insides

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return those of every container."""
        return await asyncio.to_thread(self._list)

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's."""
        return await asyncio.to_thread(self._read, container)

    async def ensure(self, want: AttachmentWant) -> None:
        """Make the link, or mend just what differs. NotFound when namespace or parent is missing."""
        if want.sublink is None:
            raise NotFound(f"link {want.inside} has no parent")
        try:
            await asyncio.to_thread(self._ensure, want, want.sublink)
        except OSError as exc:
            why = _EXPLANATIONS.get(exc.errno or 0) or exc.strerror
            raise Refused(
                f"{want.sublink.kind} link {want.inside} below {want.sublink.parent}: {why}"
            ) from exc

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a link of the container's."""
        try:
            await asyncio.to_thread(self._delete, container, host_link)
        except OSError as exc:
            raise Refused(f"link {host_link}: {exc.strerror}") from exc

    def _list(self) -> tuple[AttachmentFacts, ...]:
        return tuple(facts for uid in self._insides.list() for facts in self._read(uid))

    def _read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        inside = self._insides.find(container)
        if inside is None:
            return ()
        facts = inside.read()
        marked = list(self._list_marked(facts))
        if not marked:
            return ()
        with opened_netlink() as netlink:
            parents = {
                link.peer_index: find_link(netlink, index=link.peer_index)
                for _, link in marked
                if link.peer_index
            }
        found = []
        for network, link in marked:
            parent = parents.get(link.peer_index)
            sublink = sublink_messages.parse_sublink(link.kind, link.data, parent.name if parent else "")
            host_link = derive_host_link(container, network)
            found.append(_describe(container, host_link, sublink, link, facts))
        return tuple(found)

    def _list_marked(self, facts: InsideFacts) -> Iterator[tuple[Uid, rtnetlink.Link]]:
        """Yield the network and the link of each that bears our mark."""
        for link in facts.links:
            network = parse_owner(self._layout.instance, link.alias)
            if network is not None and link.kind in (MACVLAN, IPVLAN):
                yield network, link

    def _ensure(self, want: AttachmentWant, sublink: Sublink) -> None:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        with opened_netlink() as netlink:
            parent = find_link(netlink, name=sublink.parent)
        if parent is None:
            raise NotFound(f"there is no link {sublink.parent}")
        link = dict(self._list_marked(inside.read())).get(want.network)
        if link is not None:
            present = sublink_messages.parse_sublink(link.kind, link.data, sublink.parent)
            if present != sublink or link.peer_index != parent.index:
                inside.run(rtnetlink.delete_link(link.index), tolerate=_GONE)
                link = None
        if link is None:
            self._create(want, sublink, parent.index, inside)
            link = dict(self._list_marked(inside.read())).get(want.network)
        if link is None:
            raise NotFound(f"link {want.inside} was removed meanwhile")
        _settle(want, inside, link)

    def _create(self, want: AttachmentWant, sublink: Sublink, parent_index: int, inside: Inside) -> None:
        present = inside.find_link(want.inside)
        if present is not None and present.kind in (MACVLAN, IPVLAN):
            inside.run(rtnetlink.delete_link(present.index), tolerate=_GONE)
        elif present is not None:
            raise Conflict(f"the container has a link {want.inside} that is not hold's")
        netns_fd = os.open(self._layout.netns_path(want.container), os.O_RDONLY | os.O_CLOEXEC)
        try:
            create = sublink_messages.create_sublink(
                sublink, name=want.inside, mac=want.mac, parent_index=parent_index, netns_fd=netns_fd
            )
            with opened_netlink() as netlink:
                netlink.run(create)
        finally:
            os.close(netns_fd)
        made = inside.find_link(want.inside)
        if made is not None:
            alias = derive_link_alias(self._layout.instance, want.network)
            inside.run(sublink_messages.mark_link(made.index, alias), tolerate=_GONE)

    def _delete(self, container: Uid, host_link: str) -> None:
        inside = self._insides.find(container)
        if inside is None:
            return
        for network, link in self._list_marked(inside.read()):
            if derive_host_link(container, network) == host_link:
                inside.run(rtnetlink.delete_link(link.index), tolerate=_GONE)


def _settle(want: AttachmentWant, inside: Inside, link: rtnetlink.Link) -> None:
    """Mend name, addresses, state and routes; default routes by the link alone are made here."""
    wanted = {DEFAULT_ROUTE: want.gateway, IPV6_DEFAULT_ROUTE: want.ipv6_gateway}
    by_link = {destination for destination, gateway in wanted.items() if gateway == _ON_LINK[destination]}
    plain = replace(
        want,
        mac=want.mac or link.mac,
        gateway="" if DEFAULT_ROUTE in by_link else want.gateway,
        ipv6_gateway="" if IPV6_DEFAULT_ROUTE in by_link else want.ipv6_gateway,
    )
    settle_link(plain, inside, link, inside.read())
    present = {
        route.destination for route in inside.read().routes if route.index == link.index and not route.gateway
    }
    for destination in sorted(by_link - present):
        inside.run(sublink_messages.set_route_by_link(link.index, destination))
    for destination in sorted((present & _ON_LINK.keys()) - by_link):
        inside.run(sublink_messages.delete_route_by_link(link.index, destination), tolerate=_ABSENT)


def _describe(
    container: Uid, host_link: str, sublink: Sublink | None, link: rtnetlink.Link, facts: InsideFacts
) -> AttachmentFacts:
    gateways = {
        route.destination: route.gateway or _ON_LINK[route.destination]
        for route in facts.routes
        if route.index == link.index and route.destination in _ON_LINK
    }
    return AttachmentFacts(
        container=container,
        host_link=host_link,
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
