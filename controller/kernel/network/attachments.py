"""Veth pairs by netlink: `KernelAttachments(layout=, insides=)`.

The pair, the mark and the bridge are one batch, so no unmarked link is ever left. The host's end is found by its
mark, the other end by its index, which the kernel tells at the host's end.
"""

import asyncio
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.network import rtnetlink
from controller.kernel.network.extensions import Crowd, Extensions
from controller.kernel.network.host_links import find_link, opened_netlink, parse_owner, read_links
from controller.kernel.network.insides import Inside, InsideFacts, Insides
from controller.kernel.network.link_settings import (
    is_neighbourly,
    is_port_blocked,
    is_port_sound,
    make_neighbourly,
    settle_port,
)
from controller.kernel.network.netlink import Message, Netlink
from controller.kernel.network.settling import (
    DEFAULT_ROUTE,
    IPV6_DEFAULT_ROUTE,
    complete_link,
    find_gateway,
    settle_link,
)
from controller.model.facts import AttachmentFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_link_alias, derive_outer_mac
from controller.model.wants import AttachmentWant

_GONE = frozenset({errno.ENODEV})


class KernelAttachments:
    """Attachments on Linux."""

    def __init__(self, *, layout: Layout, insides: Insides) -> None:
        self._layout = layout
        self._insides = insides
        self._extensions = Extensions(layout.instance)

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return the attachments of every container; those whose namespace is gone have no inside."""
        return await asyncio.to_thread(self.look_all)

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's attachments."""
        return await asyncio.to_thread(self.look, container)

    async def ensure(self, want: AttachmentWant) -> None:
        """Make the attachment, or mend just what differs. NotFound when namespace or bridge is missing."""
        try:
            await asyncio.to_thread(self._ensure, want)
        except OSError as exc:
            raise Refused(f"link {want.host_link} to {want.bridge}: {exc.strerror}") from exc

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a veth pair of the container."""
        try:
            await asyncio.to_thread(self._delete, container, host_link)
        except OSError as exc:
            raise Refused(f"link {host_link}: {exc.strerror}") from exc

    def look_all(self) -> tuple[AttachmentFacts, ...]:
        """Do as `list`, blocking."""
        with opened_netlink() as netlink:
            links = read_links(netlink)
        by_index = {link.index: link for link in links}
        insides: dict[Uid, InsideFacts | None] = {}
        found = []
        for link in links:
            owner = parse_owner(self._layout.instance, link.alias)
            if link.kind != "veth" or owner is None:
                continue
            if owner not in insides:
                inside = self._insides.find(owner)
                insides[owner] = inside.read() if inside is not None else None
            home = self._extensions.name_home(by_index.get(link.master_index))
            found.append(_describe(owner, link, home, insides[owner]))
        return tuple(found)

    def look(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Do as `read`, blocking. Start from the ends inside, so that it costs the same however many containers there are."""
        inside = self._insides.find(container)
        if inside is None:
            return tuple(facts for facts in self.look_all() if facts.container == container)
        alias = derive_link_alias(self._layout.instance, container)
        facts = inside.read()
        found = []
        with opened_netlink() as netlink:
            for peer in facts.links:
                link = find_link(netlink, index=peer.peer_index) if peer.kind == "veth" else None
                if link is None or link.alias != alias or link.peer_index != peer.index:
                    continue
                bridge = find_link(netlink, index=link.master_index) if link.master_index else None
                found.append(_describe(container, link, self._extensions.name_home(bridge), facts))
        return tuple(found)

    def _ensure(self, want: AttachmentWant) -> None:
        inside = self._insides.find(want.container)
        if inside is None:
            raise NotFound(f"container {want.container} has no network namespace")
        with opened_netlink() as netlink:
            bridge = find_link(netlink, name=want.bridge)
            if bridge is None:
                raise NotFound(f"there is no bridge {want.bridge}")
            if self._ensure_outside(netlink, want, inside, bridge):
                _complete_inside(want, inside)
                return
        _ensure_inside(want, inside)

    def _ensure_outside(
        self,
        netlink: Netlink,
        want: AttachmentWant,
        inside: Inside,
        bridge: rtnetlink.Link,
    ) -> bool:
        """Return whether the pair had to be made."""
        alias = derive_link_alias(self._layout.instance, want.container)
        link = find_link(netlink, name=want.host_link)
        leads_inside = link is not None and _find_peer(link, inside.read()) is not None
        if link is not None and not leads_inside and (link.alias != alias or link.kind != "veth"):
            raise Conflict(f"a link named {want.host_link} exists and is not this container's")
        if link is not None and not leads_inside:
            netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)
            link = None
        self._settle_port(netlink, want, bridge, link)
        mac = derive_outer_mac(want.host_link)
        if link is not None and link.mac != mac:
            netlink.run(rtnetlink.set_mac(want.host_link, mac))
        if want.mtu is not None and (link is None or link.mtu != want.mtu):
            netlink.run(rtnetlink.set_mtu(want.host_link, want.mtu))
        return link is None

    def _settle_port(
        self, netlink: Netlink, want: AttachmentWant, bridge: rtnetlink.Link, link: rtnetlink.Link | None
    ) -> None:
        """Make the host's end a port of the network's bridge as it should be, and the pair where there is none."""
        alias = derive_link_alias(self._layout.instance, want.container)
        isolated = want.isolated and not are_bridges_filtered(ipv6=bool(want.ipv6_address))
        crowd = Crowd(network=want.network, bridge=bridge, isolated=isolated, mtu=want.mtu)
        home = self._extensions.find_home(netlink, crowd, link) if link is not None else None

        def is_isolated(chosen: rtnetlink.Link) -> bool:
            """Ask the firewall to keep containers apart only where it sees what was translated: on the first bridge."""
            return isolated if chosen.index == bridge.index else want.isolated

        def join(chosen: rtnetlink.Link, *, again: bool) -> None:
            finish = (
                rtnetlink.set_link(want.host_link, alias=alias, master_index=chosen.index, up=True),
                settle_port(want.host_link, link, isolated=is_isolated(chosen)),
            )
            if link is None and not again:
                self._create(netlink, want, finish)
            else:
                netlink.run(*finish)

        if link is None or home is None:
            self._extensions.settle_in(netlink, crowd, join)
        elif link.alias != alias or not link.up or not _is_sound(link) or link.isolated != is_isolated(home):
            if is_port_blocked(link):
                netlink.run(rtnetlink.set_down(link.index))
            join(home, again=True)
            self._extensions.settle_isolation(netlink, crowd, home)

    def _create(self, netlink: Netlink, want: AttachmentWant, finish: Sequence[Message]) -> None:
        netns_fd = os.open(self._layout.netns_path(want.container), os.O_RDONLY | os.O_CLOEXEC)
        try:
            create = rtnetlink.create_veth(
                want.host_link,
                outer_mac=derive_outer_mac(want.host_link),
                inside=want.inside,
                mac=want.mac,
                netns_fd=netns_fd,
            )
            netlink.run(create, *finish)
        finally:
            os.close(netns_fd)

    def _delete(self, container: Uid, host_link: str) -> None:
        alias = derive_link_alias(self._layout.instance, container)
        with opened_netlink() as netlink:
            link = find_link(netlink, name=host_link)
            if link is not None and link.alias == alias and link.kind == "veth":
                netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)


def _complete_inside(want: AttachmentWant, inside: Inside) -> None:
    """Give a new link all that it should have."""
    peer = inside.find_link(want.inside)
    if peer is None:
        raise NotFound(f"link {want.host_link} was removed meanwhile")
    complete_link(want, inside, peer.index)


def _ensure_inside(want: AttachmentWant, inside: Inside) -> None:
    """Mend what differs in the namespace: name, hardware address, MTU, addresses, state, default route."""
    facts = inside.read()
    with opened_netlink() as netlink:
        host_link = find_link(netlink, name=want.host_link)
    peer = _find_peer(host_link, facts) if host_link is not None else None
    if peer is None:
        raise NotFound(f"link {want.host_link} was removed meanwhile")
    settle_link(want, inside, peer, facts)
    if not is_neighbourly(peer):
        inside.run(make_neighbourly(want.inside))


def _is_sound(link: rtnetlink.Link) -> bool:
    right_mac = link.mac == derive_outer_mac(link.name)
    return right_mac and is_port_sound(link) and not is_port_blocked(link)


def are_bridges_filtered(*, ipv6: bool = False) -> bool:
    """Tell whether bridges hand the frames that they forward to the firewall (br_netfilter), with `ipv6` all frames.

    A frame that was translated to a neighbour is bridged there too, and an isolated port would drop it: the published
    port of a neighbour could not be reached. The firewall keeps containers apart then (kernel, networking/bridge).
    """
    programs = ("iptables", "ip6tables") if ipv6 else ("iptables",)
    try:
        return all(
            Path(f"/proc/sys/net/bridge/bridge-nf-call-{program}").read_text().strip() == "1"
            for program in programs
        )
    except FileNotFoundError:
        return False


def _find_isolation(link: rtnetlink.Link) -> bool | None:
    return None if not link.isolated and are_bridges_filtered() else link.isolated


def _find_peer(link: rtnetlink.Link, facts: InsideFacts) -> rtnetlink.Link | None:
    """Return the other end of a host's link, if it lies in the namespace: each must name the other's index."""
    for other in facts.links:
        if other.index == link.peer_index and other.peer_index == link.index:
            return other
    return None


def _describe(
    container: Uid, link: rtnetlink.Link, bridge: str, facts: InsideFacts | None
) -> AttachmentFacts:
    peer = _find_peer(link, facts) if facts is not None else None
    if facts is None or peer is None:
        return AttachmentFacts(
            container=container,
            host_link=link.name,
            bridge=bridge,
            host_up=link.up,
            mtu=link.mtu,
            isolated=_find_isolation(link),
        )
    return AttachmentFacts(
        container=container,
        host_link=link.name,
        bridge=bridge,
        host_up=link.up,
        inside=peer.name,
        inside_up=peer.up,
        mac=peer.mac,
        addresses=tuple(each.text for each in facts.settled if each.index == peer.index),
        gateway=find_gateway(facts.routes, peer.index, DEFAULT_ROUTE),
        ipv6_gateway=find_gateway(facts.routes, peer.index, IPV6_DEFAULT_ROUTE),
        mtu=peer.mtu,
        isolated=_find_isolation(link),
        sound=_is_sound(link) and link.mtu == peer.mtu and is_neighbourly(peer),
    )
