"""What a container's link has to be like inside its namespace, and how it comes to be so."""

import errno

from controller.errors import Unsupported
from controller.kernel.network import rtnetlink
from controller.kernel.network.insides import LINK_KINDS, Inside, InsideFacts
from controller.kernel.network.netlink import Message
from controller.kernel.network.rtnetlink import Route
from controller.model.wants import AttachmentWant

_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENODEV})
_EXISTS = frozenset({errno.EEXIST})
_LOOPBACK = "lo"
DEFAULT_ROUTE, IPV6_DEFAULT_ROUTE = "0.0.0.0/0", "::/0"


def complete_link(want: AttachmentWant, inside: Inside, index: int) -> None:
    """Give a new link all that it should have, in as few batches as can be."""
    changes = [rtnetlink.set_link(want.inside, up=True)]
    if want.address:
        changes.insert(0, rtnetlink.add_address(index, want.address))
    if want.mtu is not None:
        changes.append(rtnetlink.set_mtu(want.inside, want.mtu))
    if want.gateway:
        changes.append(rtnetlink.set_default_route(index, want.gateway))
    inside.run(*changes)
    if want.ipv6_address:
        inside.set_ipv6(_LOOPBACK, want.inside)
        changes = [rtnetlink.add_address(index, want.ipv6_address)]
        if want.ipv6_gateway:
            changes.append(rtnetlink.set_default_route(index, want.ipv6_gateway))
        inside.run(*changes)
    if want.link_local:
        inside.run(*(rtnetlink.add_address(index, text) for text in want.link_local))
        _check_link_local(want, inside)


def settle_link(want: AttachmentWant, inside: Inside, peer: rtnetlink.Link, facts: InsideFacts) -> None:
    """Mend what differs at `peer`, the link in the namespace; `facts` are what is in there."""
    present = {each.text for each in facts.addresses if each.index == peer.index}
    settled = {each.text for each in facts.settled if each.index == peer.index}
    # The kernel makes the route to the neighbours of an IPv6 address with the address, and takes none but its own away.
    adrift = {text for text in present - settled if ":" in text}
    surplus = sorted(present.difference(want.all_addresses) | adrift)
    if surplus:  # before all else: what leaves takes with it what the kernel has filed under it
        inside.run(*(rtnetlink.delete_address(peer.index, text) for text in surplus), tolerate=_ABSENT)
    changes = _list_link_changes(want, peer)
    if changes:
        for other in facts.links:
            if other.name == want.inside and other.index != peer.index and other.kind in LINK_KINDS:
                # It is to have another name, and gets that in its turn.
                inside.run(
                    rtnetlink.set_down(other.index), rtnetlink.rename_link(other.index, f"was{other.index}")
                )
        inside.run(*changes)
    missing = [text for text in want.all_addresses if surplus or changes or text not in present]
    if any(":" in text for text in missing):
        inside.set_ipv6(_LOOPBACK, want.inside)
    if missing:
        inside.run(*(rtnetlink.add_address(peer.index, text) for text in missing), tolerate=_EXISTS)
        _check_link_local(want, inside)
    _ensure_routes(want, inside, peer.index)


def _check_link_local(want: AttachmentWant, inside: Inside) -> None:
    """Raise Unsupported where the kernel does not tell which link-local addresses are ours, so that they would stay."""
    wanted = {text for text in want.link_local if ":" in text}
    if wanted and not wanted <= {each.text for each in inside.read().addresses}:
        raise Unsupported("link-local addresses of IPv6 need Linux 5.18: leave them out of linkLocalIPs")


def _list_link_changes(want: AttachmentWant, peer: rtnetlink.Link) -> list[Message]:
    """Return what mends name, hardware address, MTU and state; a link that goes down loses its IPv6 addresses."""
    changes = []
    if peer.name != want.inside or peer.mac != want.mac:
        changes.append(rtnetlink.set_down(peer.index))
        changes.append(rtnetlink.rename_link(peer.index, want.inside))
        changes.append(rtnetlink.set_mac(want.inside, want.mac))
    if want.mtu is not None and peer.mtu != want.mtu:
        changes.append(rtnetlink.set_mtu(want.inside, want.mtu))
    if not peer.up or changes:
        changes.append(rtnetlink.set_link(want.inside, up=True))
    return changes


def _ensure_routes(want: AttachmentWant, inside: Inside, index: int) -> None:
    facts = inside.read()
    routes, settled = facts.routes, {each.text for each in facts.settled if each.index == index}
    for text in (each for each in want.all_addresses if ":" not in each and each not in settled):
        both = rtnetlink.set_own_route(index, text), rtnetlink.set_subnet_route(index, text)
        inside.run(*both, tolerate=_EXISTS)
    for destination, wanted in (
        (DEFAULT_ROUTE, want.gateway),
        (IPV6_DEFAULT_ROUTE, want.ipv6_gateway),
    ):
        defaults = {each.gateway for each in routes if (each.index, each.destination) == (index, destination)}
        for gateway in sorted(defaults - {wanted, ""}):
            inside.run(rtnetlink.delete_default_route(index, gateway), tolerate=_ABSENT)
        if wanted and wanted not in defaults:
            inside.run(rtnetlink.set_default_route(index, wanted))


def find_gateway(routes: tuple[Route, ...], index: int, destination: str) -> str:
    """Return the next hop of a link's default route, empty when it has none."""
    gateways = (each.gateway for each in routes if (each.index, each.destination) == (index, destination))
    return next(gateways, "")
