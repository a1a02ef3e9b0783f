"""What surrounds every call of a fake port: a record, a delay, errors, and the death of the daemon."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.errors import HoldError

CALL_S = 0.001


class DeadDaemon(Exception):
    """Something acted after the daemon had died."""


@dataclass(slots=True)
class Steps:
    """Counts calls. `die_at` is the call at which the daemon dies, just before its effect or just after.

    `find_error` returns an error for a call (port and method, its number) that is to fail without an effect.
    `find_delay_s` returns how long a call takes.
    """

    calls: list[str] = field(default_factory=list)
    die_at: int | None = None
    die_before_effect: bool = False
    died: asyncio.Event = field(default_factory=asyncio.Event)
    find_error: Callable[[str, int], HoldError | None] = lambda _name, _number: None
    find_delay_s: Callable[[str, int], float] = lambda _name, _number: CALL_S

    async def begin(self, name: str) -> int:
        """Come before a call's effect; returns the call's number, from 1."""
        if self.died.is_set():
            raise DeadDaemon(name)
        self.calls.append(name)
        number = len(self.calls)
        if number == self.die_at and self.die_before_effect:
            await self._die()
        error = self.find_error(name, number)
        if error is not None:
            raise error
        await asyncio.sleep(self.find_delay_s(name, number))
        return number

    async def end(self, number: int) -> None:
        """Come after a call's effect."""
        if number == self.die_at:
            await self._die()

    async def _die(self) -> None:
        self.died.set()
        await asyncio.Event().wait()

    def revive(self) -> None:
        """Let a new daemon act."""
        self.died.clear()
        self.die_at = None
