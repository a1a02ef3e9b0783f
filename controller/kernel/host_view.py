"""What admission must know of the host: `KernelHostView(layout=)`."""

import asyncio

from controller.errors import Refused
from controller.kernel.network.host_links import opened_netlink, parse_owner, read_addresses, read_links
from controller.kernel.network.host_routes import read_routes
from controller.kernel.network.listeners import read_listeners
from controller.model.facts import HostFacts
from controller.model.layout import Layout
from controller.plan.firewall import NAME_SERVER_PORT


class KernelHostView:
    """The host as Linux tells it."""

    def __init__(self, *, layout: Layout) -> None:
        self._instance = layout.instance

    async def read(self, *, networks: bool) -> HostFacts:
        """See HostView."""
        try:
            return await asyncio.to_thread(self._read, networks=networks)
        except OSError as exc:
            raise Refused(f"the host's network can't be read: {exc.strerror}") from exc

    def _read(self, *, networks: bool) -> HostFacts:
        with opened_netlink() as netlink:
            links = read_links(netlink)
            addresses = read_addresses(netlink)
        ours = {link.index for link in links if parse_owner(self._instance, link.alias) is not None}
        gateways = {text.split("/")[0] for index in ours for text in addresses.get(index, ())}
        listeners = frozenset(
            each for each in read_listeners() if not (each[1] in gateways and each[2] == NAME_SERVER_PORT)
        )
        if not networks:
            return HostFacts(listeners=listeners)
        foreign = (each.destination for each in read_routes() if each.index not in ours)
        return HostFacts(
            routes=tuple(dict.fromkeys(foreign)),
            listeners=listeners,
            link_names=frozenset(link.name for link in links if link.index not in ours),
        )
