"""Wake-ups from several adapters as one stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from controller.model.ids import Uid
from controller.ports import Hint, KernelEvents


class MergedEvents:
    """Implements `controller.ports.KernelEvents` over others."""

    def __init__(self, *, sources: Sequence[KernelEvents]) -> None:
        self._sources = tuple(sources)

    async def watch(self) -> AsyncIterator[Hint]:
        """Yield the hints of all sources as they come."""
        hints: asyncio.Queue[Hint] = asyncio.Queue()

        async def collect(source: KernelEvents) -> None:
            async for hint in source.watch():
                hints.put_nowait(hint)

        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(collect(source))
            while True:
                yield await hints.get()

    def expect(self, uid: Uid) -> None:
        """See KernelEvents."""
        for source in self._sources:
            source.expect(uid)

    def disregard(self, uid: Uid) -> None:
        """See KernelEvents."""
        for source in self._sources:
            source.disregard(uid)
