"""Pieces of a log on their way to a client, as many in one answer as have come while the last was sent."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable

from controller.ports import LogLine

_MOST_BYTES = 1 << 19


class LogBatches:
    """Takes pieces from `lines` and hands them to `write`, in order; waits for `write` once it holds half a megabyte."""

    def __init__(
        self, lines: AsyncIterable[LogLine], write: Callable[[list[LogLine]], Awaitable[object]]
    ) -> None:
        self._lines = lines
        self._write = write
        self._held: list[LogLine] = []
        self._held_bytes = 0
        self._changed = asyncio.Condition()
        self._ended = False

    async def run(self) -> None:
        """Return when all is written."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send())
            async for line in self._lines:
                self._held.append(line)
                self._held_bytes += len(line.data)
                if len(self._held) == 1 or self._held_bytes >= _MOST_BYTES:
                    await self._tell()
            self._ended = True
            await self._tell()

    async def _tell(self) -> None:
        """Wake the sender, and wait for it while there is no room."""
        async with self._changed:
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._held_bytes < _MOST_BYTES)

    async def _send(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._held or self._ended)
                batch, self._held, self._held_bytes = self._held, [], 0
                self._changed.notify_all()
            if not batch:
                return
            await self._write(batch)
