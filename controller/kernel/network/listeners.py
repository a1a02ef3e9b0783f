"""The listening sockets of the host: `read_listeners()`.

Asked of sock_diag(7), which looks at listening sockets alone: to print /proc/net/tcp the kernel walks through its whole
table of connections, which takes a millisecond even when that is empty. /proc is read where a kernel has no sock_diag.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from controller.kernel.network.netlink import Message, Netlink

Listener = tuple[str, str, int]
"""Protocol, address (empty for all), port."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
_STATES = {"tcp": 10, "udp": 7}
"""TCP_LISTEN; TCP_CLOSE, which is what an unconnected socket of UDP is in."""

_REQUEST = struct.Struct("=BBBxI48x")
"""struct inet_diag_req_v2 of linux/inet_diag.h with an empty socket id."""

_PORT = struct.Struct("!4xH")
_SOURCE_OFFSET = 8
_SIZES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}
_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


def read_listeners() -> Iterator[Listener]:
    """Yield each listening socket of the thread's namespace; on every address of IPv6 they may have IPv4's, too."""
    for protocol in _NUMBERS:
        for family in _FAMILIES:
            try:
                yield from _ask(protocol, family)
            except OSError:
                yield from _read_file(protocol, family)


def _ask(protocol: str, family: int) -> list[Listener]:
    netlink = Netlink(_NETLINK_SOCK_DIAG)
    try:
        body = _REQUEST.pack(family, _NUMBERS[protocol], 0, 1 << _STATES[protocol])
        answers = netlink.dump(Message(kind=_SOCK_DIAG_BY_FAMILY, body=body))
    finally:
        netlink.close()
    return [_parse_answer(protocol, answer.body) for answer in answers]


def _parse_answer(protocol: str, body: bytes) -> Listener:
    """Return what a struct inet_diag_msg tells."""
    (port,) = _PORT.unpack_from(body)
    return protocol, _render(body[_SOURCE_OFFSET : _SOURCE_OFFSET + _SIZES[body[0]]]), port


def _render(packed: bytes) -> str:
    if not any(packed):
        return ""
    packed = packed.removeprefix(_MAPPED_PREFIX)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _read_file(protocol: str, family: int) -> Iterator[Listener]:
    path = Path(f"/proc/thread-self/net/{protocol}{'' if family == socket.AF_INET else '6'}")
    if path.exists():
        yield from parse_listeners(protocol, path.read_text())


def parse_listeners(protocol: str, text: str) -> Iterator[Listener]:
    """Yield the listeners in a file of /proc/net (proc(5)): addresses are numbers of a little-endian machine."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if int(fields[3], 16) != _STATES[protocol]:
            continue
        host, port = fields[1].split(":")
        numbers = (bytes.fromhex(host[start : start + 8])[::-1] for start in range(0, len(host), 8))
        yield protocol, _render(b"".join(numbers)), int(port, 16)
