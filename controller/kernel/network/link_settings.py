"""What else there is to bridges and their ports, and how we leave it: as the kernel makes it, but for hairpin mode.

Numbers are those of linux/if_link.h. Times are hundredths of a second.
"""

import socket
import struct
from collections.abc import Mapping

from controller.kernel.network.netlink import (
    Message,
    attribute,
    nested_attribute,
    parse_attributes,
    text_attribute,
)
from controller.kernel.network.rtnetlink import (
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_LINKINFO,
    LINK_HEADER,
    RTM_NEWLINK,
    Link,
)

_IFLA_INFO_SLAVE_KIND = 4
_IFF_NOARP = 0x80
_OFF, _ON = b"\x00", b"\x01"

_PORT_STATE, _PORT_HAIRPIN, _PORT_ISOLATED = 1, 4, 33
_FORWARDING = b"\x03"
_PORT: Mapping[int, bytes] = {
    _PORT_HAIRPIN: _ON,  # frames may leave by the port that they came in by
    5: _OFF,  # guard
    6: _OFF,  # protect
    8: _ON,  # learning
    9: _ON,  # unicast flood
    10: _OFF,  # proxy ARP
    27: _ON,  # multicast flood
    30: _ON,  # broadcast flood
    32: _OFF,  # suppression of neighbours' questions
}
_BRIDGE: Mapping[int, bytes] = {
    4: struct.pack("=I", 30000),  # ageing time
    5: struct.pack("=I", 0),  # spanning tree
    7: _OFF,  # VLAN filtering
    9: struct.pack("=H", 0),  # groups that are forwarded besides
}


def is_bridge_sound(link: Link, mac: str) -> bool:
    """Tell whether a bridge has the hardware address `mac` and all settings as we leave them."""
    found = parse_attributes(link.data)
    return link.mac == mac and not link.flags & _IFF_NOARP and _has(found, _BRIDGE)


def settle_bridge(link: Link, mac: str) -> Message:
    """Return what makes a bridge sound.

    Its hardware address is its own: the kernel gives it that of a port, and another one when that port leaves, which
    nobody who has kept the first would notice.
    """
    settings = _list_changes(link.data, _BRIDGE)
    info = nested_attribute(
        IFLA_LINKINFO, text_attribute(IFLA_INFO_KIND, "bridge"), nested_attribute(IFLA_INFO_DATA, *settings)
    )
    address = attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    return _change(link.name, address + info)


def is_port_sound(link: Link) -> bool:
    """Tell whether a bridge's port that is up has all settings as we leave them; whether it is isolated does not count."""
    return _has(parse_attributes(link.port), _PORT)


def is_port_blocked(link: Link) -> bool:
    """Tell whether a bridge's port takes no frames though both its ends are up."""
    state = parse_attributes(link.port).get(_PORT_STATE, _FORWARDING)
    return link.is_operational and state != _FORWARDING


def settle_port(name: str, before: Link | None, *, isolated: bool) -> Message:
    """Return what makes a bridge's port sound; the link has to be a port of a bridge already. `before` is how it was.

    A container that reaches itself by a published port needs hairpin mode. Between isolated ports the bridge forwards
    nothing.
    """
    settings = [attribute(_PORT_HAIRPIN, _ON), attribute(_PORT_ISOLATED, _ON if isolated else _OFF)]
    settings += _list_changes(before.port if before is not None else b"", _PORT)
    info = nested_attribute(
        IFLA_LINKINFO,
        text_attribute(_IFLA_INFO_SLAVE_KIND, "bridge"),
        nested_attribute(IFLA_INFO_SLAVE_DATA, *settings),
    )
    return _change(name, info)


def settle_joint(name: str, *, isolated: bool) -> Message:
    """Return what makes a link between two bridges: no frame goes back, or broadcasts would go round."""
    settings = [attribute(_PORT_HAIRPIN, _OFF), attribute(_PORT_ISOLATED, _ON if isolated else _OFF)]
    info = nested_attribute(
        IFLA_LINKINFO,
        text_attribute(_IFLA_INFO_SLAVE_KIND, "bridge"),
        nested_attribute(IFLA_INFO_SLAVE_DATA, *settings),
    )
    return _change(name, info)


def is_neighbourly(link: Link) -> bool:
    """Tell whether a link asks for its neighbours' hardware addresses, and answers."""
    return not link.flags & _IFF_NOARP


def make_neighbourly(name: str) -> Message:
    """Return what makes a link ask and answer again."""
    return _change(name, b"")


def _change(name: str, attributes: bytes) -> Message:
    """Return a change of a link, which asks and answers for neighbours from then on."""
    head = LINK_HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, _IFF_NOARP) + text_attribute(IFLA_IFNAME, name)
    return Message(kind=RTM_NEWLINK, body=head + attributes)


def _list_changes(data: bytes, wanted: Mapping[int, bytes]) -> list[bytes]:
    """Return what differs, as attributes; a kernel refuses what it does not tell."""
    found = parse_attributes(data)
    return [attribute(kind, value) for kind, value in wanted.items() if found.get(kind, value) != value]


def _has(found: Mapping[int, bytes], wanted: Mapping[int, bytes]) -> bool:
    """Tell whether what is wanted is a part of what was found; what a kernel does not tell counts as right."""
    return all(found.get(kind, value) == value for kind, value in wanted.items())
