"""Wake-ups about links, addresses, routes, rules and the name server: `NetworkEvents(layout=, insides=, ...)`.

Everything is heard by netlink multicast: on the host, in each container's namespace by the socket kept inside, and
from nf_tables. A lost message (ENOBUFS) becomes a hint that everything may have changed.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable

from controller.kernel.names.name_server import KernelNameServer
from controller.kernel.network import rtnetlink
from controller.kernel.network.host_links import opened_netlink, parse_extended, parse_owner, read_links
from controller.kernel.network.insides import Inside, Insides
from controller.kernel.network.netlink import NETLINK_NETFILTER, Message, Monitor
from controller.kernel.network.rule_generations import RuleGenerations
from controller.kernel.network.setting_changes import LOOK_INTERVAL_S, SettingChanges
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.ports.host import Hint, HintType

_NFNLGRP_NFTABLES = 7
_ADDRESS_KINDS = (rtnetlink.RTM_NEWADDR, rtnetlink.RTM_DELADDR)
_ROUTE_KINDS = (rtnetlink.RTM_NEWROUTE, rtnetlink.RTM_DELROUTE)
_LINK_KINDS = (rtnetlink.RTM_NEWLINK, rtnetlink.RTM_DELLINK)
_GROUPS = (*rtnetlink.EVENT_GROUPS, *rtnetlink.SETTING_GROUPS)
_SETTLE_S = 0.002
"""How long hints are gathered: one change of the kernel's makes several messages."""


class NetworkEvents:
    """Events of the network on Linux; `watch` is called once."""

    def __init__(
        self, *, layout: Layout, insides: Insides, names: KernelNameServer, generations: RuleGenerations
    ) -> None:
        self._instance = layout.instance
        self._insides = insides
        self._names = names
        self._generations = generations
        self._owners: dict[int, Hint] = {}
        self._bridges: dict[int, str] = {}
        self._settings = SettingChanges()
        self._expected: set[Uid] = set()
        self._heard: dict[Uid, tuple[Inside, int]] = {}
        self._hints: dict[Hint, None] = {}
        self._look_at_s = 0.0
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server_fd: int | None = None
        self._server_started = False

    async def watch(self) -> AsyncIterator[Hint]:
        """Yield hints for ever."""
        loop = self._loop = asyncio.get_running_loop()
        links, rules = Monitor(_GROUPS), Monitor((_NFNLGRP_NFTABLES,), NETLINK_NETFILTER)
        try:
            loop.add_reader(links, self._hear, links, self._hear_link)
            loop.add_reader(rules, self._hear, rules, self._generations.hear)
            for link, hint in await asyncio.to_thread(self._read_owners):
                self._know(link, hint)
            await self._look_at_settings()  # what they are now is what later looks compare with
            for uid in tuple(self._expected):
                self.expect(uid)
            self._names.on_start = self._expect_server
            self._generations.on_foreign = self._tell_of_rules
            while True:
                self._listen_to_server()
                await self._wait()
                await asyncio.sleep(_SETTLE_S)
                self._woken.clear()
                hints, self._hints = self._hints, {}
                for hint in hints:
                    yield hint
        finally:
            self._names.on_start = None
            self._generations.on_foreign = None
            for monitor in (links, rules):
                loop.remove_reader(monitor)
                monitor.close()
            self._forget_server()
            for uid in tuple(self._heard):
                self._stop_hearing(uid)
            self._loop = None

    async def _wait(self) -> None:
        """Return when there are hints; look now and then at what nobody tells of, also where there always are."""
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() >= self._look_at_s:
                await self._look_at_settings()
            if self._woken.is_set():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._look_at_s):
                    await self._woken.wait()

    async def _look_at_settings(self) -> None:
        self._look_at_s = asyncio.get_running_loop().time() + LOOK_INTERVAL_S
        indexes = {name: index for index, name in self._bridges.items()}
        for name in await asyncio.to_thread(self._settings.look, list(indexes)):
            hint = self._owners.get(indexes[name])
            if hint is not None:
                self._add(hint)

    def expect(self, uid: Uid) -> None:
        """Hear a container's namespace from now on; again after each creation."""
        self._expected.add(uid)
        if self._loop is None:
            return
        inside = self._insides.find(uid)
        heard = self._heard.get(uid)
        if inside is None or (heard is not None and heard[0] is inside):
            return
        self._stop_hearing(uid)
        fd = os.dup(inside.monitor.fileno())
        self._heard[uid] = (inside, fd)
        loop = self._loop
        inside.on_close = lambda: loop.call_soon_threadsafe(self._lose_inside, uid, inside)
        loop.add_reader(fd, self._hear_inside, uid, inside)

    def disregard(self, uid: Uid) -> None:
        """Stop hearing a container's namespace."""
        self._expected.discard(uid)
        self._stop_hearing(uid)

    def _lose_inside(self, uid: Uid, inside: Inside) -> None:
        """Let go of a namespace that was dropped, lest it live on."""
        heard = self._heard.get(uid)
        if heard is not None and heard[0] is inside:
            self._stop_hearing(uid)
            self._add(Hint(type=HintType.ATTACHMENT, subject=uid))

    def _stop_hearing(self, uid: Uid) -> None:
        heard = self._heard.pop(uid, None)
        if heard is not None and self._loop is not None:
            self._loop.remove_reader(heard[1])
            os.close(heard[1])

    def _hear(self, monitor: Monitor, tell: Callable[[Message], None]) -> None:
        messages, lost = monitor.read()
        for message in messages:
            tell(message)
        if lost:
            self._add(Hint(type=HintType.EVERYTHING))

    def _hear_link(self, message: Message) -> None:
        hint = self._find_owner(message)
        if hint is not None:
            self._add(hint)
        if message.kind in _LINK_KINDS and not rtnetlink.is_about_port(message):
            link = rtnetlink.parse_link(message)
            if hint is None or hint.type is not HintType.ATTACHMENT:
                self._add(Hint(type=HintType.LINK, subject=link.name))

    def _find_owner(self, message: Message) -> Hint | None:
        if message.kind == rtnetlink.RTM_DELNETCONF:
            return None  # the link goes, which is told besides
        if message.kind == rtnetlink.RTM_NEWNETCONF:
            index = rtnetlink.parse_setting(message)
            return (
                Hint(type=HintType.EVERYTHING) if index == rtnetlink.EVERY_LINK else self._owners.get(index)
            )
        if message.kind in _ADDRESS_KINDS:
            address = rtnetlink.parse_address(message)
            return self._owners.get(address.index) if address is not None else None
        if message.kind in _ROUTE_KINDS:
            route = rtnetlink.parse_route(message)
            return self._owners.get(route.index) if route is not None else None
        link = rtnetlink.parse_link(message)
        hint = self._describe(link) or self._owners.get(link.index)
        if hint is not None:
            self._know(link, hint)
        if message.kind == rtnetlink.RTM_DELLINK and not rtnetlink.is_about_port(message):
            self._owners.pop(link.index, None)
            self._bridges.pop(link.index, None)
        return hint

    def _know(self, link: rtnetlink.Link, hint: Hint) -> None:
        self._owners[link.index] = hint
        if hint.type is HintType.BRIDGE and link.kind == "bridge":
            self._bridges[link.index] = link.name

    def _tell_of_rules(self) -> None:
        self._add(Hint(type=HintType.FIREWALL))

    def _hear_inside(self, uid: Uid, inside: Inside) -> None:
        if inside.has_news():
            self._add(Hint(type=HintType.ATTACHMENT, subject=uid))

    def _add(self, hint: Hint) -> None:
        self._hints[hint] = None
        self._woken.set()

    def _describe(self, link: rtnetlink.Link) -> Hint | None:
        owner = parse_owner(self._instance, link.alias)
        if owner is None:
            extended = parse_extended(self._instance, link.alias)
            return Hint(type=HintType.BRIDGE, subject=extended[0]) if extended is not None else None
        kind = HintType.ATTACHMENT if link.kind == "veth" else HintType.BRIDGE
        return Hint(type=kind, subject=owner)

    def _read_owners(self) -> list[tuple[rtnetlink.Link, Hint]]:
        with opened_netlink() as netlink:
            described = [(link, self._describe(link)) for link in read_links(netlink)]
        return [(link, hint) for link, hint in described if hint is not None]

    def _expect_server(self) -> None:
        self._server_started = True
        self._woken.set()

    def _listen_to_server(self) -> None:
        """Wake up when the name server's process ends; the next turn of `watch` listens to its successor."""
        if self._server_fd is not None or self._loop is None:
            return
        self._server_fd = self._names.open_pidfd()
        if self._server_fd is not None:
            self._loop.add_reader(self._server_fd, self._lose_server)
        elif self._server_started:
            self._add(Hint(type=HintType.NAMES))
        self._server_started = False

    def _lose_server(self) -> None:
        self._forget_server()
        self._add(Hint(type=HintType.NAMES))

    def _forget_server(self) -> None:
        if self._server_fd is not None and self._loop is not None:
            self._loop.remove_reader(self._server_fd)
            os.close(self._server_fd)
        self._server_fd = None
