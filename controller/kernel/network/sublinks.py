"""Links of containers below a parent (macvlan, ipvlan) by netlink: `KernelSublinks(layout=, insides=, marked=)`.

Such a link is born in the container's namespace, so its name may be taken by one that a daemon had no time to mark: such
a one is made anew.
"""

import asyncio
import errno
import os
from dataclasses import replace

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.network import rtnetlink, sublink_messages
from controller.kernel.network.host_links import find_link, opened_netlink
from controller.kernel.network.insides import Inside, Insides
from controller.kernel.network.marked_links import MarkedLinks
from controller.kernel.network.settling import DEFAULT_ROUTE, IPV6_DEFAULT_ROUTE, settle_link
from controller.model.layout import Layout
from controller.model.names import derive_link_alias
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
    """What KernelAttachments is for pairs, for links below a parent; found and removed by MarkedLinks."""

    def __init__(self, *, layout: Layout, insides: Insides, marked: MarkedLinks) -> None:
        self._layout = layout
        self._insides = insides
        self._marked = marked

    async def ensure(self, want: AttachmentWant, sublink: Sublink) -> None:
        """Make the link, or mend just what differs. NotFound when namespace or parent is missing."""
        try:
            await asyncio.to_thread(self._ensure, want, sublink)
        except OSError as exc:
            why = _EXPLANATIONS.get(exc.errno or 0) or exc.strerror
            raise Refused(f"{sublink.kind} link {want.inside} below {sublink.parent}: {why}") from exc

    def _ensure(self, want: AttachmentWant, sublink: Sublink) -> None:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        with opened_netlink() as netlink:
            parent = find_link(netlink, name=sublink.parent)
        if parent is None:
            raise NotFound(f"there is no link {sublink.parent}")
        link = self._marked.find(inside, want.network)
        if link is not None:
            present = sublink_messages.parse_sublink(link.kind, link.data, sublink.parent)
            if present != sublink or link.peer_index != parent.index:
                inside.run(rtnetlink.delete_link(link.index), tolerate=_GONE)
                link = None
        if link is None:
            self._create(want, sublink, parent.index, inside)
            link = self._marked.find(inside, want.network)
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
