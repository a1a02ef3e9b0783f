"""Sockets inside containers' network namespaces, opened once and kept: reading a namespace needs no entry.

A namespace's monitor tells whether anything changed since the last look, so that looking at one at rest is one
system call. A kept socket keeps its namespace alive: whoever drops a namespace calls `forget` first.
"""

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.kernel.network import rtnetlink
from controller.kernel.network.netlink import Message, Monitor, Netlink
from controller.kernel.threads import Result, run_in_netns
from controller.model.ids import Uid
from controller.model.layout import Layout

_IPV6_SETTINGS = {"accept_ra": "0", "accept_dad": "0", "disable_ipv6": "0"}
"""In this order: what comes before is in force when IPv6 begins."""
THREAD_NETNS_PATH = "/proc/thread-self/ns/net"
_GONE = frozenset({errno.ENODEV})
LINK_KINDS = frozenset({"veth", "macvlan", "ipvlan"})
_SIOCGSKNS = 0x894C
"""Asks a socket for its network namespace (linux/sockios.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideFacts:
    """What a namespace has; `settled` are those of its addresses that all routes are there for which come with them.

    `routes` are those of the main table.
    """

    links: tuple[rtnetlink.Link, ...] = ()
    addresses: tuple[rtnetlink.Address, ...] = ()
    settled: tuple[rtnetlink.Address, ...] = ()
    routes: tuple[rtnetlink.Route, ...] = ()


class Inside:
    """One namespace, told apart from an earlier one at the same path by its inode; usable from any thread.

    It is the namespace of the thread that makes this.
    """

    def __init__(self) -> None:
        self.inode = Path(THREAD_NETNS_PATH).stat().st_ino
        self.monitor, self._netlink = Monitor(rtnetlink.EVENT_GROUPS), Netlink()
        self._lock = threading.Lock()
        self._facts: InsideFacts | None = None
        self._closed = False
        self.on_close: Callable[[], object] | None = None
        """Called once by the thread that closes this; whoever hears the monitor must stop then."""

    def read(self) -> InsideFacts:
        """Return what is in the namespace, nothing when this is closed."""
        with self._lock:
            if self._closed:
                return InsideFacts()
            self._drain()
            if self._facts is None:
                self._facts = self._read_all()
            return self._facts

    def run(self, *messages: Message, tolerate: frozenset[int] = frozenset()) -> None:
        """Carry out a batch in the namespace."""
        with self._lock:
            self._facts = None
            self._netlink.run(*messages, tolerate=tolerate)

    def find_link(self, name: str) -> rtnetlink.Link | None:
        """Return the namespace's link with a name, None when there is none."""
        with self._lock:
            answer = self._netlink.get(rtnetlink.get_link(name=name))
        return rtnetlink.parse_link(answer) if answer is not None else None

    def set_ipv6(self, *names: str) -> None:
        """Turn IPv6 on for links in the namespace; they take no routes or addresses from routers."""
        self._enter(lambda: _turn_ipv6_on(names))

    def drop_lingering_links(self) -> None:
        """Remove the links at once where connections that nobody has any more keep the namespace from going.

        Their last packets find no answer, are sent again for minutes, and as long the namespace would answer at its
        addresses, which others may have by then. The processes in the namespace must have ended.
        """
        if self._enter(_count_connections):
            for link in self.read().links:
                if link.kind in LINK_KINDS:
                    self.run(rtnetlink.delete_link(link.index), tolerate=_GONE)

    def _enter(self, work: Callable[[], Result]) -> Result:
        """Run in a thread that is in the namespace."""
        fd = fcntl.ioctl(self.monitor.fileno(), _SIOCGSKNS)
        try:
            return run_in_netns(f"/proc/self/fd/{fd}", work)
        finally:
            os.close(fd)

    def has_news(self) -> bool:
        """Tell whether anything changed since the last look."""
        with self._lock:
            return not self._closed and self._drain()

    def close(self) -> None:
        """Let go of the namespace."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.monitor.close()
            self._netlink.close()
            on_close = self.on_close
        if on_close is not None:
            on_close()

    def _drain(self) -> bool:
        messages, lost = self.monitor.read()
        if messages or lost:
            self._facts = None
        return bool(messages) or lost

    def _read_all(self) -> InsideFacts:
        links = self._netlink.dump(rtnetlink.dump_links())
        found = map(rtnetlink.parse_address, self._netlink.dump(rtnetlink.dump_addresses()))
        addresses = tuple(address for address in found if address is not None)
        parsed = map(rtnetlink.parse_route, self._netlink.dump(rtnetlink.dump_routes()))
        routes = tuple(route for route in parsed if route is not None)
        index = rtnetlink.RouteIndex(routes)
        return InsideFacts(
            links=tuple(map(rtnetlink.parse_link, links)),
            addresses=addresses,
            settled=tuple(each for each in addresses if index.has_all_of(each)),
            routes=tuple(route for route in routes if not route.is_own),
        )


def _count_connections() -> int:
    """Return how many sockets of TCP the thread's namespace has, but those in TIME_WAIT, which wait for nobody."""
    count = 0
    for name in ("sockstat", "sockstat6"):
        path = Path(f"/proc/thread-self/net/{name}")
        for line in path.read_text().splitlines() if path.exists() else ():
            fields = line.split()
            if fields[:2] in (["TCP:", "inuse"], ["TCP6:", "inuse"]):
                count += int(fields[2])
    return count


def _turn_ipv6_on(names: Iterable[str]) -> None:
    for name in names:
        directory = Path(f"/proc/sys/net/ipv6/conf/{name}")
        for setting, value in _IPV6_SETTINGS.items():
            if (directory / setting).read_text().strip() != value:
                (directory / setting).write_text(value)


class Insides:
    """The namespaces of an instance; blocking, for threads. One for all adapters that look inside."""

    def __init__(self, *, layout: Layout) -> None:
        self._layout = layout
        self._device = Path(THREAD_NETNS_PATH).stat().st_dev
        self._known: dict[Uid, Inside] = {}
        self._lock = threading.Lock()

    def list(self) -> tuple[Uid, ...]:
        """Return the containers that have a namespace; lets go of those that have lost it."""
        try:
            with os.scandir(self._layout.netns_dir_path) as entries:
                found = sorted(Uid(entry.name) for entry in entries if self._is_kept(entry))
        except FileNotFoundError:
            found = []
        for uid in set(self._known).difference(found):
            self.forget(uid)
        return tuple(found)

    def _is_kept(self, entry: os.DirEntry[str]) -> bool:
        """Tell whether a namespace is mounted there; one that goes just now is none."""
        try:
            return entry.stat().st_dev == self._device
        except FileNotFoundError:
            return False

    def find(self, uid: Uid) -> Inside | None:
        """Return a container's namespace, None when it has none."""
        path = self._layout.netns_path(uid)
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            status = None
        if status is None or status.st_dev != self._device:
            self.forget(uid)
            return None
        with self._lock:
            inside = self._known.get(uid)
            if inside is None or inside.inode != status.st_ino:
                inside = self._keep(uid, run_in_netns(path, Inside))
            return inside

    def adopt(self, uid: Uid, inside: Inside) -> None:
        """Keep the sockets in a namespace that was just made for a container."""
        with self._lock:
            self._keep(uid, inside)

    def forget(self, uid: Uid) -> None:
        """Close the sockets in a container's namespace."""
        with self._lock:
            inside = self._known.pop(uid, None)
        if inside is not None:
            inside.close()

    def _keep(self, uid: Uid, inside: Inside) -> Inside:
        before = self._known.get(uid)
        if before is not None:
            before.close()
        self._known[uid] = inside
        return inside
