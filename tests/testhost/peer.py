"""Another machine: a network namespace with no link to the test host but a cable (a veth pair)."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from pathlib import Path

from controller.kernel.sandbox import syscalls

_NETNS_PATH = Path("/run/netns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A machine on the other end of the cable; its default route goes through the test host."""

    name: str
    address: str
    host_address: str
    host_link: str
    ipv6_address: str
    host_ipv6_address: str

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program there and return its output; it sees the test host's files and processes."""
        entered = ["nsenter", f"--net={_NETNS_PATH / self.name}", *command]
        return subprocess.run(entered, check=check, capture_output=True, text=True)

    def socket(
        self,
        kind: socket.SocketKind = socket.SOCK_STREAM,
        *,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> socket.socket:
        """A socket of that machine, to use from here: a socket stays in the namespace it was made in."""
        return _enter(self.name, lambda: socket.socket(family, kind))


def open_raw_socket(peer: Peer) -> socket.socket:
    """A socket of another machine for messages of ICMPv6; the kernel fills in checksums."""
    return _enter(peer.name, lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))


def _enter(name: str, open_socket: Callable[[], socket.socket]) -> socket.socket:
    def enter_and_open() -> socket.socket:
        namespace_fd = os.open(_NETNS_PATH / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(namespace_fd, syscalls.CLONE_NEWNET)
        finally:
            os.close(namespace_fd)
        return open_socket()

    with ThreadPoolExecutor(max_workers=1) as thread:  # the namespace is the thread's and ends with it
        return thread.submit(enter_and_open).result()


@contextlib.contextmanager
def connected_peer(
    name: str = "peer",
    *,
    subnet: str = "192.0.2.0/24",
    ipv6_subnet: str = "2001:db8:1::/64",
    routed: bool = True,
) -> Iterator[Peer]:
    """A machine at the subnets' second addresses, the test host at their first; unplugged at the end.

    `name` has at most 9 characters. Without `routed` it knows its own subnet alone, as a stranger on the wire would.
    """
    host, own = _first_two(subnet)
    host_ipv6, own_ipv6 = _first_two(ipv6_subnet)
    peer = Peer(
        name=name,
        address=str(own.ip),
        host_address=str(host.ip),
        host_link=f"{name}-cable",
        ipv6_address=str(own_ipv6.ip),
        host_ipv6_address=str(host_ipv6.ip),
    )
    _ip("netns", "add", name)
    try:
        _ip("link", "add", peer.host_link, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", str(host), "dev", peer.host_link)
        _ip("address", "add", str(host_ipv6), "dev", peer.host_link, "nodad")
        _ip("link", "set", peer.host_link, "up")
        _ip("-n", name, "address", "add", str(own), "dev", "eth0")
        _ip("-n", name, "address", "add", str(own_ipv6), "dev", "eth0", "nodad")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "set", "eth0", "up")
        if routed:
            _ip("-n", name, "route", "add", "default", "via", str(host.ip))
            _ip("-n", name, "route", "add", "default", "via", str(host_ipv6.ip))
        yield peer
    finally:
        # The kernel takes its time with namespaces, and the cable's name may be wanted at once.
        subprocess.run(["ip", "link", "delete", peer.host_link], check=False, capture_output=True)
        _ip("netns", "delete", name)


def _first_two(subnet: str) -> tuple[IPv4Interface | IPv6Interface, IPv4Interface | IPv6Interface]:
    network = ip_network(subnet)
    first, second = (ip_interface(f"{network[number]}/{network.prefixlen}") for number in (1, 2))
    return first, second


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
