"""What admission must know of the host: `KernelHostView(layout=)`."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

from controller.errors import Refused
from controller.kernel.host_links import (
    opened_netlink,
    parse_owner,
    read_addresses,
    read_links,
    read_routes,
)
from controller.model.facts import HostFacts
from controller.model.layout import Layout
from controller.plan.firewall import NAME_SERVER_PORT

_FILES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
_TCP_LISTEN, _UDP_UNCONNECTED = "0A", "07"
_DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")
_MAPPED_PREFIX = "0000000000000000FFFF0000"


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
            routes = read_routes(netlink) if networks else ()
        ours = {link.index for link in links if parse_owner(self._instance, link.alias) is not None}
        gateways = {text.split("/")[0] for index in ours for text in addresses.get(index, ())}
        listeners = frozenset(
            each for each in read_listeners() if not (each[1] in gateways and each[2] == NAME_SERVER_PORT)
        )
        if not networks:
            return HostFacts(listeners=listeners)
        foreign = (each.destination for each in routes if each.index not in ours)
        return HostFacts(
            routes=tuple(dict.fromkeys(each for each in foreign if each not in _DEFAULT_ROUTES)),
            listeners=listeners,
            link_names=frozenset(link.name for link in links if link.index not in ours),
        )


def read_listeners() -> Iterator[tuple[str, str, int]]:
    """Yield (protocol, address, port) of each listening socket of the thread's namespace; address empty for all."""
    for protocol, names in _FILES.items():
        for name in names:
            path = Path(f"/proc/thread-self/net/{name}")
            if path.exists():
                yield from parse_listeners(protocol, path.read_text())


def parse_listeners(protocol: str, text: str) -> Iterator[tuple[str, str, int]]:
    """Yield the listeners in a file of /proc/net (proc(5)); on every address of IPv6 they may have IPv4's, too."""
    listening = _TCP_LISTEN if protocol == "tcp" else _UDP_UNCONNECTED
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[3] != listening:
            continue
        host, port = fields[1].split(":")
        if set(host) == {"0"}:
            yield protocol, "", int(port, 16)
        elif len(host) == 8:
            yield protocol, _parse_ipv4(host), int(port, 16)
        elif host.startswith(_MAPPED_PREFIX):
            yield protocol, _parse_ipv4(host[-8:]), int(port, 16)
        else:
            yield protocol, _parse_ipv6(host), int(port, 16)


def _parse_ipv6(digits: str) -> str:
    """Return the address of 32 digits, four numbers of a little-endian machine."""
    numbers = (bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, 32, 8))
    return socket.inet_ntop(socket.AF_INET6, b"".join(numbers))


def _parse_ipv4(digits: str) -> str:
    """Return the address of 8 digits, which are its bytes as a number of a little-endian machine."""
    return socket.inet_ntoa(bytes.fromhex(digits)[::-1])
