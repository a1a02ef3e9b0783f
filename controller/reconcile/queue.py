"""Which keys are due: each at most once in line and once at work, fresh ones before those of a resync."""

import asyncio
from collections import deque
from enum import Enum

from controller.model.ids import Key


class Whole(Enum):
    """Turns that are for no single object."""

    HOST = "host"
    RULES = "rules"
    ENDS = "ends"
    EVERYTHING = "everything"


Target = Key | Whole
"""What a turn is for."""

ECHO_S = 0.2
"""For so long after a turn that did something, hints are most likely the echo of that."""


class Queue:
    """Keys that are due now or later. For one event loop, inside which it must be made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._fresh: deque[Target] = deque()
        self._rest: deque[Target] = deque()
        self._queued: set[Target] = set()
        self._running: set[Target] = set()
        self._again: set[Target] = set()
        self._echoed: set[Target] = set()
        self._timers: dict[Target, asyncio.TimerHandle] = {}
        self._first_asked_at: dict[Target, float] = {}
        self._echo_ends_at: dict[Target, float] = {}
        self._released_at: dict[Whole, float] = {}
        self._available = asyncio.Event()

    def wake(self, target: Target, *, fresh: bool = True) -> None:
        """Put a target in line; one at work comes again after its turn. A timer for it is no longer needed."""
        self._cancel_timer(target)
        if target in self._running:
            self._again.add(target)
            return
        if target in self._queued:
            if fresh and target in self._rest:
                self._rest.remove(target)
                self._fresh.append(target)
            return
        self._queued.add(target)
        (self._fresh if fresh else self._rest).append(target)
        self._available.set()

    def wake_later(self, target: Target, delay_s: float) -> None:
        """Put a target in line after `delay_s`, unless it is there earlier."""
        due = self._loop.time() + delay_s
        timer = self._timers.get(target)
        if timer is not None and timer.when() <= due:
            return
        self._set_timer(target, due)

    def wake_settled(self, target: Target, *, quiet_s: float, longest_s: float) -> None:
        """Put a target in line when nobody has asked for it for `quiet_s`, and after `longest_s` in any case."""
        now = self._loop.time()
        first = self._first_asked_at.setdefault(target, now)
        self._set_timer(target, min(now + quiet_s, first + longest_s))

    def wake_rested(self, target: Whole, *, quiet_s: float, longest_s: float) -> None:
        """Put a target in line at once when its last turn was over `longest_s` ago, else as `wake_settled` does.

        So what comes alone waits for nothing, and what comes in crowds has few turns.
        """
        rested_since = self._released_at.get(target, float("-inf"))
        is_due = target in self._first_asked_at or target in self._running
        if not is_due and self._loop.time() - rested_since > longest_s:
            self.wake(target)
        else:
            self.wake_settled(target, quiet_s=quiet_s, longest_s=longest_s)

    def wake_by_hint(self, target: Target) -> None:
        """Put a target in line because something was seen in the kernel, which may be what its own turn did."""
        if target in self._running:
            self._echoed.add(target)
        elif self._loop.time() < self._echo_ends_at.get(target, float("-inf")):
            self.wake_later(target, ECHO_S)
        else:
            self.wake(target)

    def expect_echo(self, target: Target) -> None:
        """Tell that something was just done that hints about `target` will come of."""
        self._echo_ends_at[target] = self._loop.time() + ECHO_S

    async def take(self) -> Target:
        """Wait for a target, which counts as at work until it is released."""
        while not (self._fresh or self._rest):
            self._available.clear()
            await self._available.wait()
        target = self._fresh.popleft() if self._fresh else self._rest.popleft()
        self._queued.discard(target)
        self._first_asked_at.pop(target, None)
        self._running.add(target)
        return target

    def release(self, target: Target) -> None:
        """Tell that a target's turn is over."""
        self._running.discard(target)
        if isinstance(target, Whole):
            self._released_at[target] = self._loop.time()
        if target in self._again:
            self._again.discard(target)
            self._echoed.discard(target)
            self.wake(target)
        elif target in self._echoed:
            self._echoed.discard(target)
            self.wake_by_hint(target)

    def drop(self, target: Target) -> None:
        """Forget about the times of a target that is gone."""
        self._cancel_timer(target)
        self._echo_ends_at.pop(target, None)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in line or at work; timers don't count."""
        return not (self._queued or self._running)

    def _set_timer(self, target: Target, due: float) -> None:
        self._cancel_timer(target)
        self._timers[target] = self._loop.call_at(due, self.wake, target)

    def _cancel_timer(self, target: Target) -> None:
        timer = self._timers.pop(target, None)
        if timer is not None:
            timer.cancel()
