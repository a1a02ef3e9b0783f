"""Bridges of networks by netlink: `KernelBridges(layout=)`."""

import asyncio
import errno
from collections.abc import Sequence

from controller.errors import Conflict, Refused, Unsupported
from controller.kernel.network import rtnetlink
from controller.kernel.network.extensions import Crowd, Extensions
from controller.kernel.network.host_links import (
    find_link,
    opened_netlink,
    parse_owner,
    read_addresses,
    read_links,
    read_marked_bridges,
    read_routed_addresses,
)
from controller.kernel.network.host_settings import configure_host, has_ipv6, is_host_configured
from controller.kernel.network.link_settings import is_bridge_sound, settle_bridge
from controller.kernel.network.netlink import Netlink
from controller.model.facts import BridgeFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_link_alias, derive_mac
from controller.model.wants import BridgeWant

_GONE = frozenset({errno.ENODEV})
_EXISTS = frozenset({errno.EEXIST})
_NO_ADDRESS = frozenset({errno.EADDRNOTAVAIL})


class KernelBridges:
    """Bridges on Linux."""

    def __init__(self, *, layout: Layout) -> None:
        self._instance = layout.instance
        self._extensions = Extensions(layout.instance)

    async def list(self) -> tuple[BridgeFacts, ...]:
        """Return every bridge of this instance."""
        return await asyncio.to_thread(self._list)

    async def read(self, network: Uid, name: str) -> BridgeFacts | None:
        """Return the network's bridge of that name, None when there is none."""
        return await asyncio.to_thread(self._read, network, name)

    async def ensure(self, want: BridgeWant) -> None:
        """Make the bridge, or make it so again. Conflict when a link of others has the name."""
        try:
            await asyncio.to_thread(self._ensure, want)
        except OSError as exc:
            raise Refused(f"bridge {want.name}: {exc.strerror}") from exc

    async def delete(self, network: Uid) -> None:
        """Remove the bridge; ports lose their bridge and stay."""
        try:
            await asyncio.to_thread(self._delete, network)
        except OSError as exc:
            raise Refused(f"bridge of network {network}: {exc.strerror}") from exc

    def _list(self) -> tuple[BridgeFacts, ...]:
        with opened_netlink() as netlink:
            links = read_links(netlink)
            addresses = read_routed_addresses(netlink)
        return tuple(
            self._describe(owner, link, addresses.get(link.index, ()), links)
            for link in links
            if link.kind == "bridge" and (owner := parse_owner(self._instance, link.alias)) is not None
        )

    def _read(self, network: Uid, name: str) -> BridgeFacts | None:
        with opened_netlink() as netlink:
            link = find_link(netlink, name=name)
            if link is None or (link.kind, link.alias) != (
                "bridge",
                derive_link_alias(self._instance, network),
            ):
                return None
            try:
                addresses = read_routed_addresses(netlink, link.index)
            except OSError as exc:
                if exc.errno in _GONE:
                    return None
                raise
            family = self._extensions.read_family(netlink, network)
        return self._describe(network, link, addresses.get(link.index, ()), family)

    def _describe(
        self, network: Uid, link: rtnetlink.Link, addresses: tuple[str, ...], links: Sequence[rtnetlink.Link]
    ) -> BridgeFacts:
        ipv4, ipv6 = (any(mark in text for text in addresses) for mark in ".:")
        sound = (
            is_bridge_sound(link, derive_mac(network, network))
            and is_host_configured(link.name, ipv4=ipv4, ipv6=ipv6)
            and self._extensions.are_joined(_crowd(network, link), links)
        )
        return BridgeFacts(
            network=network, name=link.name, up=link.up, addresses=addresses, mtu=link.mtu, sound=sound
        )

    def _ensure(self, want: BridgeWant) -> None:
        if want.ipv6_address and not has_ipv6():
            raise Unsupported(
                "the kernel has no IPv6 (ipv6.disable=1?): use networks without it, or turn it on"
            )
        with opened_netlink() as netlink:
            link = self._ensure_link(netlink, want)
            configure_host(want.name, ipv4=bool(want.address), ipv6=bool(want.ipv6_address))
            self._delete_others(netlink, want)
            mac = derive_mac(want.network, want.network)
            if not is_bridge_sound(link, mac):
                netlink.run(settle_bridge(link, mac))
            if want.mtu is not None and link.mtu != want.mtu:
                netlink.run(rtnetlink.set_mtu(want.name, want.mtu))
            netlink.run(rtnetlink.set_link(want.name, up=True))
            self._extensions.settle_joints(netlink, _crowd(want.network, link, mtu=want.mtu))
            self._settle_addresses(netlink, link.index, want)

    def _settle_addresses(self, netlink: Netlink, index: int, want: BridgeWant) -> None:
        present = read_addresses(netlink, index).get(index, ())
        routed = read_routed_addresses(netlink, index).get(index, ())
        # The kernel makes the route to the neighbours of an IPv6 address with the address.
        adrift = [text for text in present if ":" in text and text not in routed]
        surplus = dict.fromkeys([*(text for text in present if text not in want.addresses), *adrift])
        if surplus:
            netlink.run(*(rtnetlink.delete_address(index, text) for text in surplus), tolerate=_NO_ADDRESS)
        netlink.run(*(rtnetlink.add_address(index, text) for text in want.addresses), tolerate=_EXISTS)
        if want.address and want.address not in read_routed_addresses(netlink, index).get(index, ()):
            both = (
                rtnetlink.set_own_route(index, want.address),
                rtnetlink.set_subnet_route(index, want.address),
            )
            netlink.run(*both, tolerate=_EXISTS)

    def _ensure_link(self, netlink: Netlink, want: BridgeWant) -> rtnetlink.Link:
        alias = derive_link_alias(self._instance, want.network)
        link = find_link(netlink, name=want.name)
        if link is None:
            create = rtnetlink.create_bridge(want.name)
            netlink.run(create, rtnetlink.set_link(want.name, alias=alias))
            link = find_link(netlink, name=want.name)
        if link is not None and link.alias != alias and self._has_our_ports(netlink, link):
            netlink.run(rtnetlink.set_link(want.name, alias=alias))
            link = find_link(netlink, name=want.name)
        if link is None or link.alias != alias or link.kind != "bridge":
            raise Conflict(f"a link named {want.name} exists and is not this network's: choose another name")
        return link

    def _has_our_ports(self, netlink: Netlink, bridge: rtnetlink.Link) -> bool:
        """Tell whether links of ours are ports of a bridge: then it was ours too before somebody took its mark away."""
        return any(
            link.master_index == bridge.index and parse_owner(self._instance, link.alias) is not None
            for link in read_links(netlink)
        )

    def _delete_others(self, netlink: Netlink, want: BridgeWant) -> None:
        """Remove bridges that the network had under earlier names: their subnet would take its packets."""
        alias = derive_link_alias(self._instance, want.network)
        for link in read_marked_bridges(netlink, alias):
            if link.name != want.name:
                netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)

    def _delete(self, network: Uid) -> None:
        alias = derive_link_alias(self._instance, network)
        with opened_netlink() as netlink:
            for link in read_marked_bridges(netlink, alias):
                netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)
            self._extensions.delete(netlink, network)


def _crowd(network: Uid, link: rtnetlink.Link, *, mtu: int | None = None) -> Crowd:
    return Crowd(network=network, bridge=link, isolated=False, mtu=mtu or link.mtu)
