"""How long a client waits for a start: it is told of a wait that lasts, and sent away when the start keeps failing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from controller.api.v1 import container_pb2
from controller.api.waits import find_wait, is_hopeless, lacks_unobtainable
from controller.model.changes import Snapshot
from controller.model.container import Container

TELL_AFTER_S = 0.5
"""Waits that are over before then are nobody's concern: a volume made along with its container is one."""

GIVE_UP_AFTER_S = 5.0
"""How long a start may fail again and again at the same kind of thing."""


@dataclass(slots=True)
class Patience:
    """What a start waits for, and since when; times are seconds of one clock."""

    waiting: container_pb2.Waiting | None = None
    told: container_pb2.Waiting | None = None
    _since_s: float = 0.0
    _failing_since_s: float | None = None

    def look(self, waiting: container_pb2.Waiting | None, now_s: float, *, failing: bool = False) -> None:
        """Take note of what is waited for from now on, None for nothing; `failing` tells that it is tried in vain."""
        if waiting is not None and (failing or is_hopeless(waiting)):
            self._failing_since_s = now_s if self._failing_since_s is None else self._failing_since_s
        else:
            self._failing_since_s = None
        if waiting != self.waiting:
            self.waiting, self._since_s = waiting, now_s

    def find_tell_time_s(self) -> float | None:
        """Return when the client is to be told, None when there is nothing new to tell."""
        if self.waiting is None or self.waiting == self.told:
            return None
        return self._since_s + TELL_AFTER_S

    def find_end_s(self) -> float | None:
        """Return when to give up, None while there is hope."""
        return None if self._failing_since_s is None else self._failing_since_s + GIVE_UP_AFTER_S


@dataclass(slots=True)
class Waits:
    """Tells a client what the start of a container waits for."""

    tell: Callable[[container_pb2.Waiting], Awaitable[None]]
    _patience: Patience = field(default_factory=Patience)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self, state: Container, snapshot: Snapshot) -> None:
        """Take note of a state of the container, and of what it needs."""
        self._patience.look(find_wait(state), _now_s(), failing=lacks_unobtainable(state, snapshot))
        self._changed.set()

    async def follow(self) -> container_pb2.Waiting:
        """Tell, until cancelled or until there is no hope; returns what the start keeps failing at then."""
        patience = self._patience
        while True:
            self._changed.clear()
            tell_s, end_s = patience.find_tell_time_s(), patience.find_end_s()
            if tell_s is not None and tell_s <= _now_s() and patience.waiting is not None:
                patience.told = patience.waiting
                await self.tell(patience.told)
            elif end_s is not None and end_s <= _now_s() and patience.waiting is not None:
                return patience.waiting
            else:
                await self._sleep_until(min(filter(None, (tell_s, end_s)), default=None))

    async def _sleep_until(self, moment_s: float | None) -> None:
        """Wait for a change, at most until then."""
        try:
            async with asyncio.timeout_at(moment_s):
                await self._changed.wait()
        except TimeoutError:
            return


def _now_s() -> float:
    return asyncio.get_running_loop().time()
