"""Links of the host that plugins have made, given to containers: `GivenLinks(layout=, insides=, drivers=)`.

Such a link is marked before it is moved, so that it is found in the container's namespace by its mark. Whatever a
plugin says, no link is taken that the host itself uses: one with addresses, one of the machine's own devices.
"""

import asyncio
import errno
import os
from collections.abc import Iterator
from dataclasses import replace

from controller.errors import Conflict, NotFound, Refused
from controller.kernel import rtnetlink, sublink_messages
from controller.kernel.host_links import find_link, opened_netlink, parse_owner, read_addresses
from controller.kernel.insides import Inside, InsideFacts, Insides
from controller.kernel.netlink import Netlink
from controller.kernel.settling import DEFAULT_ROUTE, IPV6_DEFAULT_ROUTE, find_gateway, settle_link
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_host_link, derive_link_alias
from controller.model.network_drivers import IPVLAN, MACVLAN
from controller.model.plugins import EndpointWant
from controller.model.wants import AttachmentWant
from controller.ports.plugins import NetworkDrivers

_GONE = frozenset({errno.ENODEV})


class GivenLinks:
    """Attachments on Linux for networks that plugins make."""

    def __init__(self, *, layout: Layout, insides: Insides, drivers: NetworkDrivers) -> None:
        self._layout = layout
        self._insides = insides
        self._drivers = drivers

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return those of every container."""
        return await asyncio.to_thread(self._list)

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's."""
        return await asyncio.to_thread(self._read, container)

    async def ensure(self, want: AttachmentWant) -> None:
        """Ask the plugin for a link and move it into the container, or mend just what differs."""
        endpoint = EndpointWant(
            driver=want.driver,
            network=want.network,
            container=want.container,
            addresses=want.addresses,
            mac=want.mac,
            joined=await asyncio.to_thread(self._has_joined, want),
        )
        name = await self._drivers.ensure_endpoint(endpoint)
        try:
            await asyncio.to_thread(self._ensure, want, name)
        except OSError as exc:
            raise Refused(f"link {name} of plugin {want.driver}: {exc.strerror}") from exc

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a link from the container; its plugin hears of that by the network's own turn."""
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
        return tuple(_describe(container, network, link, facts) for network, link in self._list_marked(facts))

    def _list_marked(self, facts: InsideFacts) -> Iterator[tuple[Uid, rtnetlink.Link]]:
        """Yield the network and the link of each that bears our mark; those below a parent are others' to know."""
        for link in facts.links:
            network = parse_owner(self._layout.instance, link.alias)
            if network is not None and link.kind not in (MACVLAN, IPVLAN):
                yield network, link

    def _has_joined(self, want: AttachmentWant) -> bool:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        return want.network in dict(self._list_marked(inside.read()))

    def _ensure(self, want: AttachmentWant, name: str) -> None:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        if name:
            self._move(want, name, inside)
        facts = inside.read()
        link = dict(self._list_marked(facts)).get(want.network)
        if link is None:
            raise NotFound(f"link {want.inside} was removed meanwhile")
        settle_link(replace(want, mac=want.mac or link.mac), inside, link, facts)

    def _move(self, want: AttachmentWant, name: str, inside: Inside) -> None:
        if inside.find_link(want.inside) is not None:
            raise Conflict(f"the container has a link {want.inside} that is not hold's")
        with opened_netlink() as netlink:
            link = find_link(netlink, name=name)
            if link is None:
                raise NotFound(f"plugin {want.driver} gives link {name}, which the host does not have")
            self._check(link, want, netlink)
            alias = derive_link_alias(self._layout.instance, want.network)
            netns_fd = os.open(self._layout.netns_path(want.container), os.O_RDONLY | os.O_CLOEXEC)
            try:
                netlink.run(
                    sublink_messages.mark_link(link.index, alias),
                    sublink_messages.move_link(link.index, name=want.inside, netns_fd=netns_fd),
                )
            finally:
                os.close(netns_fd)

    def _check(self, link: rtnetlink.Link, want: AttachmentWant, netlink: Netlink) -> None:
        """Refuse links that are no plugin's to give."""
        why = ""
        if not link.kind:
            why = "is a device of the machine"
        elif link.master_index:
            why = "is a port of something else"
        elif read_addresses(netlink).get(link.index):
            why = "has addresses: the host uses it"
        elif parse_owner(self._layout.instance, link.alias) not in (None, want.network):
            why = "is hold's own"
        if why:
            raise Refused(f"plugin {want.driver} gives link {link.name}, which {why}")

    def _delete(self, container: Uid, host_link: str) -> None:
        inside = self._insides.find(container)
        if inside is None:
            return
        for network, link in self._list_marked(inside.read()):
            if derive_host_link(container, network) == host_link:
                inside.run(rtnetlink.delete_link(link.index), tolerate=_GONE)


def _describe(container: Uid, network: Uid, link: rtnetlink.Link, facts: InsideFacts) -> AttachmentFacts:
    return AttachmentFacts(
        container=container,
        host_link=derive_host_link(container, network),
        bridge="",
        host_up=True,
        inside=link.name,
        inside_up=link.up,
        mac=link.mac,
        addresses=tuple(each.text for each in facts.settled if each.index == link.index),
        gateway=find_gateway(facts.routes, link.index, DEFAULT_ROUTE),
        ipv6_gateway=find_gateway(facts.routes, link.index, IPV6_DEFAULT_ROUTE),
        mtu=link.mtu,
        isolated=None,
    )
