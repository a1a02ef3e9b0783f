"""Links below a parent, VLANs and dummies as netlink messages, both ways (linux/if_link.h)."""

import socket
import struct

from controller.kernel.network import rtnetlink
from controller.kernel.network.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attribute,
    nested_attribute,
    number_attribute,
    parse_attributes,
    parse_number,
    text_attribute,
)
from controller.kernel.network.rtnetlink import (
    IFLA_ADDRESS,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINKINFO,
    IFLA_NET_NS_FD,
    LINK_HEADER,
    ROUTE_HEADER,
    RT_SCOPE_LINK,
    RT_TABLE_MAIN,
    RTA_OIF,
    RTN_UNICAST,
    RTPROT_BOOT,
)
from controller.model.network_drivers import IPVLAN, MACVLAN, Sublink

_IFLA_MACVLAN_MODE = 1
_IFLA_IPVLAN_MODE, _IFLA_IPVLAN_FLAGS = 1, 2
_IFLA_VLAN_ID = 1
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


def create_sublink(sublink: Sublink, *, name: str, mac: str, parent_index: int, netns_fd: int) -> Message:
    """Return what makes a link below a parent, born in another namespace; EEXIST when the name is taken there."""
    parts = [
        LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0),
        text_attribute(IFLA_IFNAME, name),
        number_attribute(IFLA_LINK, parent_index),
        number_attribute(IFLA_NET_NS_FD, netns_fd),
    ]
    if mac:
        parts.append(attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))))
    parts.append(_info(sublink.kind, _describe(sublink)))
    return Message(kind=rtnetlink.RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=b"".join(parts))


def _describe(sublink: Sublink) -> tuple[bytes, ...]:
    if sublink.kind == MACVLAN:
        return (number_attribute(_IFLA_MACVLAN_MODE, _MACVLAN_MODES[sublink.mode]),)
    mode = attribute(_IFLA_IPVLAN_MODE, struct.pack("=H", _IPVLAN_MODES[sublink.mode]))
    flags = attribute(_IFLA_IPVLAN_FLAGS, struct.pack("=H", _IPVLAN_FLAGS[sublink.flag]))
    return mode, flags


def parse_sublink(kind: str, data: bytes, parent: str) -> Sublink | None:
    """Return what a link's kind and IFLA_INFO_DATA tell, None when it is of another kind."""
    found = parse_attributes(data)
    if kind == MACVLAN:
        return Sublink(
            kind="macvlan", parent=parent, mode=_name(_MACVLAN_MODES, found.get(_IFLA_MACVLAN_MODE))
        )
    if kind == IPVLAN:
        mode = _name(_IPVLAN_MODES, found.get(_IFLA_IPVLAN_MODE))
        flag = _name(_IPVLAN_FLAGS, found.get(_IFLA_IPVLAN_FLAGS))
        return Sublink(kind="ipvlan", parent=parent, mode=mode, flag=flag)
    return None


def _name(numbers: dict[str, int], value: bytes | None) -> str:
    """Return the word for a number, empty for one that is not known."""
    number = parse_number(value)
    return next((word for word, each in numbers.items() if each == number), "")


def create_vlan(name: str, *, vlan_id: int, lower_index: int) -> Message:
    """Return what makes a VLAN of a link; EEXIST when the link has that VLAN, or a link has the name."""
    parts = [
        LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0),
        text_attribute(IFLA_IFNAME, name),
        number_attribute(IFLA_LINK, lower_index),
        _info("vlan", (attribute(_IFLA_VLAN_ID, struct.pack("=H", vlan_id)),)),
    ]
    return Message(kind=rtnetlink.RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=b"".join(parts))


def parse_vlan_id(data: bytes) -> int:
    """Return the id in the IFLA_INFO_DATA of a VLAN."""
    return parse_number(parse_attributes(data).get(_IFLA_VLAN_ID))


def create_dummy(name: str) -> Message:
    """Return what makes a link that leads nowhere; EEXIST when a link has the name."""
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + text_attribute(IFLA_IFNAME, name)
    return Message(
        kind=rtnetlink.RTM_NEWLINK, flags=NLM_F_CREATE | NLM_F_EXCL, body=body + _info("dummy", ())
    )


def mark_link(index: int, alias: str) -> Message:
    """Return what marks a link by its index."""
    body = LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, 0, 0)
    return Message(kind=rtnetlink.RTM_NEWLINK, body=body + attribute(IFLA_IFALIAS, alias.encode()))


def move_link(index: int, *, name: str, netns_fd: int) -> Message:
    """Return what puts a link into another namespace under another name; EEXIST when the name is taken there."""
    parts = [
        LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, 0, rtnetlink.IFF_UP),
        number_attribute(IFLA_NET_NS_FD, netns_fd),
        text_attribute(IFLA_IFNAME, name),
    ]
    return Message(kind=rtnetlink.RTM_NEWLINK, body=b"".join(parts))


def set_route_by_link(index: int, destination: str) -> Message:
    """Return what makes a default route (`0.0.0.0/0`, `::/0`) go out by a link, without a next hop."""
    body = _route_by_link(index, destination)
    return Message(kind=rtnetlink.RTM_NEWROUTE, flags=NLM_F_CREATE | NLM_F_REPLACE, body=body)


def delete_route_by_link(index: int, destination: str) -> Message:
    """Return what removes a default route by a link; ESRCH when it is gone."""
    return Message(kind=rtnetlink.RTM_DELROUTE, body=_route_by_link(index, destination))


def _route_by_link(index: int, destination: str) -> bytes:
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    header = ROUTE_HEADER.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_LINK, RTN_UNICAST, 0)
    return header + number_attribute(RTA_OIF, index)


def _info(kind: str, data: tuple[bytes, ...]) -> bytes:
    inner = [text_attribute(IFLA_INFO_KIND, kind)]
    if data:
        inner.append(nested_attribute(IFLA_INFO_DATA, *data))
    return nested_attribute(IFLA_LINKINFO, *inner)
