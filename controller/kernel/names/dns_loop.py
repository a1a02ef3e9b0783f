"""One thread's readiness and timers: `Loop()`; small, for the name server's process, which does without asyncio."""

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from typing import NoReturn

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Loop:
    """Calls what sockets and times wait for; nothing that it calls may block."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now_s(self) -> float:
        """Return seconds of a clock that only goes forward."""
        return time.monotonic()

    def watch(self, endpoint: socket.socket, ready: Callable[[int], None], events: int = READ) -> None:
        """Call `ready` with what the socket is ready for, in place of what was called before."""
        if endpoint.fileno() in self._selector.get_map():
            self._selector.modify(endpoint, events, ready)
        else:
            self._selector.register(endpoint, events, ready)

    def forget(self, endpoint: socket.socket) -> None:
        """Watch a socket no longer; before it is closed."""
        if endpoint.fileno() in self._selector.get_map():
            self._selector.unregister(endpoint)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call once; whoever has no use for the call any more ignores it."""
        heapq.heappush(self._timers, (self.now_s() + delay_s, next(self._order), callback))

    def run(self) -> NoReturn:
        """Go on for ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait for the next socket or time, and call what waits for it."""
        timeout_s = max(0.0, self._timers[0][0] - self.now_s()) if self._timers else None
        for key, events in self._selector.select(timeout_s):
            if (
                self._selector.get_map().get(key.fd) is key
            ):  # an earlier call of this round may have closed it
                key.data(events)
        while self._timers and self._timers[0][0] <= self.now_s():
            heapq.heappop(self._timers)[2]()
