"""Links, addresses and routes as netlink messages, both ways (rtnetlink(7))."""

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from controller.kernel.network.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attribute,
    nested_attribute,
    number_attribute,
    parse_attributes,
    parse_number,
    parse_text,
    text_attribute,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE = 1, 5, 7
RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE = 9, 11
EVENT_GROUPS = (
    RTNLGRP_LINK,
    RTNLGRP_IPV4_IFADDR,
    RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_IFADDR,
    RTNLGRP_IPV6_ROUTE,
)
"""What tells of links, addresses and routes."""
RTM_NEWNETCONF, RTM_DELNETCONF, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF = 80, 81, 24, 25
SETTING_GROUPS = (RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF)
EVERY_LINK = -1

IFF_UP = 0x1
IFLA_ADDRESS, IFLA_IFNAME, _IFLA_MTU, IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NET_NS_FD, _IFLA_EXT_MASK = 18, 20, 28, 29
IFLA_INFO_KIND, IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFLA_OPERSTATE, IFLA_INFO_SLAVE_DATA, _IFLA_BRPORT_ISOLATED = 16, 5, 33
_OPERATIONAL = b"\x06"
_RTEXT_FILTER_SKIP_STATS = 8
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFA_F_NODAD, _IFA_PROTO = 0x02, 11
_OUR_MARK = b"h"
"""Origin of link-local addresses of IPv6 that were asked for; kernels know of origins since 5.18."""
_RTA_DST, RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 7, 15
RT_TABLE_MAIN, RT_TABLE_LOCAL, RTN_UNICAST, _RTN_LOCAL = 254, 255, 1, 2
_RTPROT_KERNEL, RTPROT_BOOT = 2, 3
_RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, _RT_SCOPE_HOST = 0, 253, 254
_ADDRESS_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}

LINK_HEADER = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
ROUTE_HEADER = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as the kernel tells it; `peer_index` is a veth's other end, in whatever namespace that lies.

    `isolated` is a bridge's port that exchanges no frames with other isolated ones. `data` is what its kind has to tell
    (IFLA_INFO_DATA), `port` what its bridge has to tell of it (IFLA_INFO_SLAVE_DATA).
    """

    index: int
    name: str
    up: bool
    kind: str
    alias: str
    master_index: int
    peer_index: int
    mac: str
    mtu: int
    isolated: bool
    data: bytes = b""
    port: bytes = b""
    flags: int = 0
    is_operational: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of a link; `text` has its prefix, such as 10.77.0.1/24 or fd00:77::1/64.

    An `is_link_local` one is of IPv6: routes to its neighbours are the kernel's alone, and not looked at.
    """

    index: int
    text: str
    is_link_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A unicast route of the main table; `destination` is a CIDR text, 0.0.0.0/0 and ::/0 for the defaults.

    An `is_own` one is of the local table instead: what comes for one of the host's own addresses is taken in by it.
    """

    index: int
    destination: str
    gateway: str
    is_own: bool = False


def parse_link(message: Message) -> Link:
    """Return the link that an RTM_NEWLINK or RTM_DELLINK is about."""
    _, _, index, flags, _ = LINK_HEADER.unpack_from(message.body)
    found = parse_attributes(message.body, LINK_HEADER.size)
    info = parse_attributes(found.get(IFLA_LINKINFO, b""))
    port = parse_attributes(info.get(IFLA_INFO_SLAVE_DATA, b""))
    return Link(
        index=index,
        name=parse_text(found.get(IFLA_IFNAME)),
        up=bool(flags & IFF_UP),
        kind=parse_text(info.get(IFLA_INFO_KIND)),
        alias=parse_text(found.get(IFLA_IFALIAS)),
        master_index=parse_number(found.get(_IFLA_MASTER)),
        peer_index=parse_number(found.get(IFLA_LINK)),
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=parse_number(found.get(_IFLA_MTU)),
        isolated=port.get(_IFLA_BRPORT_ISOLATED) == b"\x01",
        data=info.get(IFLA_INFO_DATA, b""),
        port=info.get(IFLA_INFO_SLAVE_DATA, b""),
        flags=flags,
        is_operational=found.get(_IFLA_OPERSTATE) == _OPERATIONAL,
    )


def is_about_port(message: Message) -> bool:
    """Tell whether a message about a link tells just of its being a bridge's port; a DELLINK then leaves the link."""
    return message.body[0] == socket.AF_BRIDGE


def parse_address(message: Message) -> Address | None:
    """Return the address that an RTM_NEWADDR or RTM_DELADDR is about.

    None for those of other families, and for link-local ones of IPv6 but ours: the kernel gives and takes them by itself.
    """
    family, prefix, _, _, index = _ADDRESS.unpack_from(message.body)
    if family not in _ADDRESS_BYTES:
        return None
    found = parse_attributes(message.body, _ADDRESS.size)
    local = found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, bytes(_ADDRESS_BYTES[family])))
    is_link_local = _is_link_local(family, local)
    if is_link_local and found.get(_IFA_PROTO) != _OUR_MARK:
        return None
    text = f"{socket.inet_ntop(family, local)}/{prefix}"
    return Address(index=index, text=text, is_link_local=is_link_local)


def parse_route(message: Message) -> Route | None:
    """Return the route that a message is about, None when it is neither a unicast one of the main table nor an own one.

    None for link-local ones of IPv6, too.
    """
    family, prefix, _, _, table, _, _, kind, _ = ROUTE_HEADER.unpack_from(message.body)
    is_own = (table, kind) == (RT_TABLE_LOCAL, _RTN_LOCAL)
    if not (is_own or (table, kind) == (RT_TABLE_MAIN, RTN_UNICAST)) or family not in _ADDRESS_BYTES:
        return None
    found = parse_attributes(message.body, ROUTE_HEADER.size)
    gateway = found.get(_RTA_GATEWAY)
    destination = found.get(_RTA_DST, bytes(_ADDRESS_BYTES[family]))
    if _is_link_local(family, destination):
        return None
    return Route(
        index=parse_number(found.get(RTA_OIF)),
        destination=f"{socket.inet_ntop(family, destination)}/{prefix}",
        gateway=socket.inet_ntop(family, gateway) if gateway is not None else "",
        is_own=is_own,
    )


def _is_link_local(family: int, packed: bytes) -> bool:
    return family == socket.AF_INET6 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


def _is_link_local_text(text: str) -> bool:
    interface = ipaddress.ip_interface(text)
    return _is_link_local(socket.AF_INET6 if interface.version == 6 else socket.AF_INET, interface.packed)


def parse_setting(message: Message) -> int:
    """Return the index of the link that an RTM_NEWNETCONF is about, EVERY_LINK for the host's own settings."""
    found = parse_attributes(message.body, 4)  # struct netconfmsg, padded (linux/netconf.h)
    return int.from_bytes(found.get(1, bytes(4)), sys.byteorder, signed=True)


class RouteIndex:
    """Routes, for asking what the kernel makes with an address, and anyone can remove."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._known = {(route.index, route.destination, route.is_own) for route in routes}

    def leads_to_neighbours(self, address: Address) -> bool:
        """Tell whether the address' neighbours are reached."""
        return address.is_link_local or (address.index, find_subnet(address.text), False) in self._known

    def takes_in(self, address: Address) -> bool:
        """Tell whether what comes for the address is taken in; taken for granted of IPv6, where the kernel is late with it."""
        own = address.text.partition("/")[0]
        return ":" in own or (address.index, f"{own}/32", True) in self._known

    def has_all_of(self, address: Address) -> bool:
        """Tell whether nothing is missing of what the kernel makes with the address."""
        return self.leads_to_neighbours(address) and self.takes_in(address)


def find_subnet(text: str) -> str:
    """Return the subnet that an address with prefix is in."""
    return str(ipaddress.ip_interface(text).network)


def dump_links(*, kind: str = "") -> Message:
    """Return the request for every link, or those of one kind, without counters."""
    parts = [
        LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0),
        number_attribute(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS),
    ]
    if kind:
        parts.append(nested_attribute(IFLA_LINKINFO, text_attribute(IFLA_INFO_KIND, kind)))
    return Message(kind=RTM_GETLINK, body=b"".join(parts))


def get_link(*, name: str = "", index: int = 0) -> Message:
    """Return the request for one link, by its name or its index."""
    parts = [LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, 0, 0)]
    if name:
        parts.append(text_attribute(IFLA_IFNAME, name))
    parts.append(number_attribute(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS))
    return Message(kind=RTM_GETLINK, body=b"".join(parts))


def dump_addresses(index: int = 0) -> Message:
    """Return the request for every address, or those of one link; ENODEV when that is gone."""
    return Message(kind=RTM_GETADDR, body=_ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, index))


def dump_routes(table: int = 0, index: int = 0) -> Message:
    """Return the request for the routes of one table or all, or those by one link; ENODEV when that is gone."""
    body = ROUTE_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, table, 0, 0, 0, 0)
    parts = [body, number_attribute(_RTA_TABLE, table)] if table else [body]
    if index:
        parts.append(number_attribute(RTA_OIF, index))
    return Message(kind=RTM_GETROUTE, body=b"".join(parts))


def create_bridge(name: str) -> Message:
    """Return what makes a bridge; EEXIST when a link has the name."""
    info = nested_attribute(IFLA_LINKINFO, text_attribute(IFLA_INFO_KIND, "bridge"))
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text_attribute(IFLA_IFNAME, name) + info
    return Message(kind=RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=body)


def create_veth(name: str, *, outer_mac: str, inside: str, mac: str, netns_fd: int | None = None) -> Message:
    """Return what makes a veth pair; its other end `inside` is born in another namespace if one is given.

    EEXIST as for bridges.
    """
    peer = b"".join(
        [
            LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0),
            text_attribute(IFLA_IFNAME, inside),
            attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))),
            number_attribute(IFLA_NET_NS_FD, netns_fd) if netns_fd is not None else b"",
        ]
    )
    info = nested_attribute(
        IFLA_LINKINFO,
        text_attribute(IFLA_INFO_KIND, "veth"),
        nested_attribute(IFLA_INFO_DATA, attribute(_VETH_INFO_PEER, peer)),
    )
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text_attribute(IFLA_IFNAME, name)
    body += attribute(IFLA_ADDRESS, bytes.fromhex(outer_mac.replace(":", ""))) + info
    return Message(kind=RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=body)


def set_link(name: str, *, alias: str = "", master_index: int | None = None, up: bool = False) -> Message:
    """Return what marks a link, makes it a port of a bridge, or brings it up; what is not given stays."""
    flags = IFF_UP if up else 0
    parts = [LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, flags, flags), text_attribute(IFLA_IFNAME, name)]
    if alias:
        parts.append(attribute(IFLA_IFALIAS, alias.encode()))
    if master_index is not None:
        parts.append(number_attribute(_IFLA_MASTER, master_index))
    return Message(kind=RTM_NEWLINK, body=b"".join(parts))


def set_mtu(name: str, mtu: int) -> Message:
    """Return what sets a link's MTU in bytes."""
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text_attribute(IFLA_IFNAME, name)
    return Message(kind=RTM_NEWLINK, body=body + number_attribute(_IFLA_MTU, mtu))


def set_mac(name: str, mac: str) -> Message:
    """Return what sets a link's hardware address."""
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text_attribute(IFLA_IFNAME, name)
    return Message(kind=RTM_NEWLINK, body=body + attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))))


def rename_link(index: int, name: str) -> Message:
    """Return what gives a link another name."""
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, 0, 0) + text_attribute(IFLA_IFNAME, name)
    return Message(kind=RTM_NEWLINK, body=body)


def set_down(index: int) -> Message:
    """Return what takes a link down, as changing its name needs."""
    return Message(kind=RTM_NEWLINK, body=LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, 0, IFF_UP))


def delete_link(index: int) -> Message:
    """Return what removes a link; ENODEV when it is gone."""
    return Message(kind=RTM_DELLINK, body=LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, 0, 0))


def add_address(index: int, text: str) -> Message:
    """Return what adds an address with prefix; EEXIST when it is there. A link-local one of IPv6 becomes ours."""
    body = _address_body(index, text)
    if _is_link_local_text(text):
        mark = attribute(_IFA_PROTO, _OUR_MARK)
        return Message(kind=RTM_NEWADDR, flags=NLM_F_CREATE | NLM_F_REPLACE, body=body + mark)
    return Message(kind=RTM_NEWADDR, flags=NLM_F_CREATE | NLM_F_EXCL, body=body)


def delete_address(index: int, text: str) -> Message:
    """Return what removes an address with prefix; EADDRNOTAVAIL when it is gone."""
    return Message(kind=RTM_DELADDR, body=_address_body(index, text))


def set_default_route(index: int, gateway: str) -> Message:
    """Return what makes the default route go by `gateway`, in place of another."""
    return Message(kind=RTM_NEWROUTE, flags=NLM_F_CREATE | NLM_F_REPLACE, body=_default_route(index, gateway))


def delete_default_route(index: int, gateway: str) -> Message:
    """Return what removes the default route by `gateway`; ESRCH when it is gone."""
    return Message(kind=RTM_DELROUTE, body=_default_route(index, gateway))


def set_subnet_route(index: int, text: str) -> Message:
    """Return what makes the route to an IPv4 address' neighbours as the kernel does, who removes it with the address.

    Several links can have a route to the link-local ones: EEXIST when this one has it.
    """
    interface = IPv4Interface(text)
    prefix = interface.network.prefixlen
    origin = (_RTPROT_KERNEL, RT_SCOPE_LINK, RTN_UNICAST)
    header = ROUTE_HEADER.pack(socket.AF_INET, prefix, 0, 0, RT_TABLE_MAIN, *origin, 0)
    destination = attribute(_RTA_DST, interface.network.network_address.packed)
    source = attribute(_RTA_PREFSRC, interface.ip.packed)
    body = header + destination + source + number_attribute(RTA_OIF, index)
    how = NLM_F_APPEND if interface.is_link_local else NLM_F_REPLACE
    return Message(kind=RTM_NEWROUTE, flags=NLM_F_CREATE | how, body=body)


def set_own_route(index: int, text: str) -> Message:
    """Return what makes the route that takes in what comes for an IPv4 address, as the kernel does with the address."""
    interface = IPv4Interface(text)
    origin = (_RTPROT_KERNEL, _RT_SCOPE_HOST, _RTN_LOCAL)
    header = ROUTE_HEADER.pack(socket.AF_INET, interface.max_prefixlen, 0, 0, RT_TABLE_LOCAL, *origin, 0)
    packed = interface.ip.packed
    body = header + attribute(_RTA_DST, packed) + attribute(_RTA_PREFSRC, packed)
    return Message(
        kind=RTM_NEWROUTE, flags=NLM_F_CREATE | NLM_F_REPLACE, body=body + number_attribute(RTA_OIF, index)
    )


def _address_body(index: int, text: str) -> bytes:
    """Return an address; one of IPv6 is used at once: it is chosen so that nobody else on the link has it."""
    interface = ipaddress.ip_interface(text)
    packed, prefix = interface.ip.packed, interface.network.prefixlen
    local = attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if isinstance(interface, IPv6Interface):
        return _ADDRESS.pack(socket.AF_INET6, prefix, _IFA_F_NODAD, 0, index) + local
    broadcast = attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
    return _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, index) + local + broadcast


def _default_route(index: int, gateway: str) -> bytes:
    address = ipaddress.ip_address(gateway)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    header = ROUTE_HEADER.pack(
        family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, _RT_SCOPE_UNIVERSE, RTN_UNICAST, 0
    )
    return header + attribute(_RTA_GATEWAY, address.packed) + number_attribute(RTA_OIF, index)
