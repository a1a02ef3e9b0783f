"""Connections that the kernel tracks (ctnetlink): those of ports whose translation changed must be forgotten."""

import errno
import re
import socket
import struct
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from controller.kernel.network.netlink import (
    NETLINK_NETFILTER,
    Message,
    Netlink,
    nested_attribute,
    parse_attributes,
)

_NFNL_SUBSYS_CTNETLINK = 1
_IPCTNL_MSG_CT_GET, _IPCTNL_MSG_CT_DELETE = 1, 2
_CTA_TUPLE_ORIG = 1
_CTA_TUPLE_PROTO = 2
_CTA_PROTO_NUM, _CTA_PROTO_DST_PORT = 1, 3
_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_HEADER = struct.Struct("=BBH")
_RULE = re.compile(
    r"(?:.* )?-p (?P<protocol>tcp|udp|sctp) .*--dport (?P<port>\d+) "
    r"-j DNAT --to-destination \[?(?P<address>[\d.]+|[\da-f:.]+\]):(?P<target>\d+)"
)
_GONE = frozenset({errno.ENOENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A port of the host that leads to another address and port."""

    protocol: str
    host_port: int
    address: str
    port: int

    @property
    def family(self) -> int:
        """The family of the addresses, as sockets name it."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    @classmethod
    def parse(cls, rule: str) -> "Translation | None":
        """Return the translation that a rule makes, None when it makes none."""
        match = _RULE.fullmatch(rule)
        if match is None:
            return None
        return cls(
            protocol=match["protocol"],
            host_port=int(match["port"]),
            address=match["address"].rstrip("]"),
            port=int(match["target"]),
        )


def find_outdated(before: AbstractSet[Translation], after: AbstractSet[Translation]) -> set[Translation]:
    """Return the translations whose tracked connections go where they should not any more.

    A port of TCP that is new has none: a connection that was refused begins anew with the next try (tcp(7)); packets of
    other protocols would go on to nowhere.
    """
    return {*(before - after), *(each for each in after - before if each.protocol != "tcp")}


def forget_connections(changed: AbstractSet[Translation]) -> None:
    """Delete tracked connections to the host ports of `changed`: packets of old ones would still go the old way."""
    if not changed:
        return
    ports = {(each.family, _PROTOCOLS[each.protocol], each.host_port) for each in changed}
    netlink = Netlink(NETLINK_NETFILTER)
    try:
        kind = _NFNL_SUBSYS_CTNETLINK << 8 | _IPCTNL_MSG_CT_GET
        for family in sorted({family for family, _, _ in ports}):
            header = _HEADER.pack(family, 0, 0)
            for message in netlink.dump(Message(kind=kind, body=header)):
                original = parse_attributes(message.body, _HEADER.size).get(_CTA_TUPLE_ORIG, b"")
                if (family, *_parse_port(original)) in ports:
                    netlink.run(_delete(header, original), tolerate=_GONE)
    finally:
        netlink.close()


def _parse_port(tuple_: bytes) -> tuple[int, int]:
    """Return protocol number and destination port of a tuple of addresses."""
    protocol = parse_attributes(parse_attributes(tuple_).get(_CTA_TUPLE_PROTO, b""))
    number = protocol.get(_CTA_PROTO_NUM, b"\0")[0]
    return number, int.from_bytes(protocol.get(_CTA_PROTO_DST_PORT, b""), "big")


def _delete(header: bytes, tuple_: bytes) -> Message:
    kind = _NFNL_SUBSYS_CTNETLINK << 8 | _IPCTNL_MSG_CT_DELETE
    return Message(kind=kind, body=header + nested_attribute(_CTA_TUPLE_ORIG, tuple_))
