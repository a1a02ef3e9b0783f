"""What surrounds every call of a fake port: a record, a delay, errors, and the death of the daemon."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.errors import HoldError

CALL_S = 0.001
_LOOKS = (".list", ".read", ".find", ".read_accounts")
"""Calls without an effect: dying at one is the same as dying after the last one with an effect."""


class DeadDaemon(Exception):
    """Something acted after the daemon had died."""


@dataclass(slots=True)
class Steps:
    """Counts calls that have an effect. `die_at` is the one at which the daemon dies, just after its effect.

    `find_error` returns an error for a call (port and method, its number) that is to fail without an effect.
    `find_delay_s` returns how long a call takes.
    """

    calls: list[str] = field(default_factory=list)
    die_at: int | None = None
    died: asyncio.Event = field(default_factory=asyncio.Event)
    find_error: Callable[[str, int], HoldError | None] = lambda _name, _number: None
    find_delay_s: Callable[[str, int], float] = lambda _name, _number: CALL_S

    async def begin(self, name: str) -> int:
        """Come before a call's effect; returns its number, from 1, or a negative one for a mere look."""
        if self.died.is_set():
            raise DeadDaemon(name)
        if not name.endswith(_LOOKS):
            self.calls.append(name)
        number = len(self.calls)
        if name.endswith(_LOOKS):
            number = -number
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
