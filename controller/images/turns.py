"""One at a time for each name: `async with turns.taking("sha256:...")`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Turns:
    """Locks by name; a name nobody waits for takes no room."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def taking(self, name: str) -> AsyncIterator[None]:
        """Wait until nobody else has the name."""
        lock, waiting = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks.pop(name)
            if waiting > 1:
                self._locks[name] = (lock, waiting - 1)
