"""Links of the host that plugins have made, given to containers: `GivenLinks(layout=, insides=, drivers=, marked=)`.

Such a link is marked before it is moved, so that it is found in the container's namespace by its mark. Whatever a
plugin says, no link is taken that the host itself uses: one with addresses, one of the machine's own devices.
"""

import asyncio
import os
from dataclasses import replace

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.network import rtnetlink, sublink_messages
from controller.kernel.network.host_links import find_link, opened_netlink, parse_owner, read_addresses
from controller.kernel.network.insides import Inside, Insides
from controller.kernel.network.marked_links import MarkedLinks
from controller.kernel.network.netlink import Netlink
from controller.kernel.network.settling import settle_link
from controller.model.layout import Layout
from controller.model.names import derive_link_alias
from controller.model.plugins import EndpointWant
from controller.model.wants import AttachmentWant
from controller.ports.plugins import NetworkDrivers


class GivenLinks:
    """What KernelAttachments is for pairs, for networks that plugins make; found and removed by MarkedLinks."""

    def __init__(
        self, *, layout: Layout, insides: Insides, drivers: NetworkDrivers, marked: MarkedLinks
    ) -> None:
        self._layout = layout
        self._insides = insides
        self._drivers = drivers
        self._marked = marked

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

    def _has_joined(self, want: AttachmentWant) -> bool:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        return self._marked.find(inside, want.network) is not None

    def _ensure(self, want: AttachmentWant, name: str) -> None:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        if name:
            self._move(want, name, inside)
        link = self._marked.find(inside, want.network)
        if link is None:
            raise NotFound(f"link {want.inside} was removed meanwhile")
        settle_link(replace(want, mac=want.mac or link.mac), inside, link, inside.read())

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
