"""Sockets inside containers' network namespaces, opened once and kept: reading a namespace needs no entry.

A namespace's monitor tells whether anything changed since the last look, so that looking at one at rest is one
system call. A kept socket keeps its namespace alive: whoever drops a namespace calls `forget` first.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controller.kernel import rtnetlink
from controller.kernel.netlink import Message, Monitor, Netlink
from controller.kernel.threads import run_in_netns
from controller.model.ids import Uid
from controller.model.layout import Layout

_GROUPS = (rtnetlink.RTNLGRP_LINK, rtnetlink.RTNLGRP_IPV4_IFADDR, rtnetlink.RTNLGRP_IPV4_ROUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideFacts:
    """What a namespace has."""

    links: tuple[rtnetlink.Link, ...]
    addresses: tuple[rtnetlink.Address, ...]
    routes: tuple[rtnetlink.Route, ...]


class Inside:
    """One namespace, told apart from an earlier one at the same path by its inode; usable from any thread."""

    def __init__(self, path: str) -> None:
        self.inode = Path(path).stat().st_ino
        self.monitor, self._netlink = run_in_netns(path, lambda: (Monitor(_GROUPS), Netlink()))
        self._lock = threading.Lock()
        self._facts: InsideFacts | None = None
        self._closed = False
        self.on_close: Callable[[], object] | None = None
        """Called once by the thread that closes this; whoever hears the monitor must stop then."""

    def read(self) -> InsideFacts:
        """Return what is in the namespace."""
        with self._lock:
            self._drain()
            if self._facts is None:
                self._facts = self._read_all()
            return self._facts

    def run(self, *messages: Message, tolerate: frozenset[int] = frozenset()) -> None:
        """Carry out a batch in the namespace."""
        with self._lock:
            self._facts = None
            self._netlink.run(*messages, tolerate=tolerate)

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
        addresses = self._netlink.dump(rtnetlink.dump_addresses())
        routes = self._netlink.dump(rtnetlink.dump_routes())
        parsed = (rtnetlink.parse_route(each) for each in routes)
        return InsideFacts(
            links=tuple(rtnetlink.parse_link(each) for each in links),
            addresses=tuple(rtnetlink.parse_address(each) for each in addresses),
            routes=tuple(route for route in parsed if route is not None),
        )


class Insides:
    """The namespaces of an instance; blocking, for threads. One for all adapters that look inside."""

    def __init__(self, *, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[Uid, Inside] = {}
        self._lock = threading.Lock()

    def list(self) -> tuple[Uid, ...]:
        """Return the containers that have a namespace; lets go of those that have lost it."""
        try:
            names = [path.name for path in Path(self._layout.netns_dir_path).iterdir()]
        except FileNotFoundError:
            names = []
        found = tuple(Uid(name) for name in sorted(names) if self._is_mounted(Uid(name)))
        for uid in set(self._known).difference(found):
            self.forget(uid)
        return found

    def find(self, uid: Uid) -> Inside | None:
        """Return a container's namespace, None when it has none."""
        if not self._is_mounted(uid):
            self.forget(uid)
            return None
        path = self._layout.netns_path(uid)
        with self._lock:
            inside = self._known.get(uid)
            if inside is None or inside.inode != Path(path).stat().st_ino:
                if inside is not None:
                    inside.close()
                inside = self._known[uid] = Inside(path)
            return inside

    def forget(self, uid: Uid) -> None:
        """Close the sockets in a container's namespace."""
        with self._lock:
            inside = self._known.pop(uid, None)
        if inside is not None:
            inside.close()

    def _is_mounted(self, uid: Uid) -> bool:
        try:
            there = Path(self._layout.netns_path(uid)).stat().st_dev
            return there != Path(self._layout.netns_dir_path).stat().st_dev
        except FileNotFoundError:
            return False
