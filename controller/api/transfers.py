"""How far layers are, from whoever moves them to whoever watches: no more often than people can read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from controller.api.v1 import registry_pb2
from controller.model.pulls import Report, Transfer

_QUIET_S = 0.1

Result = TypeVar("Result")
Write = Callable[[registry_pb2.LayerProgress], Awaitable[None]]


class ProgressBoard:
    """Has the latest state of each layer that nobody has been told of yet."""

    def __init__(self) -> None:
        self._news: dict[str, Transfer] = {}
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()

    def note(self, transfer: Transfer) -> None:
        """Take in a layer's state; see `controller.model.pulls.Report`."""
        self._news[transfer.digest] = transfer
        self._wake.set()

    def close(self) -> None:
        """Say that no more comes."""
        self._closed.set()
        self._wake.set()

    async def changes(self) -> AsyncIterator[Transfer]:
        """Yield states until the board is closed, with a pause after each bunch but the last."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            news, self._news = self._news, {}
            for transfer in news.values():
                yield transfer
            if self._closed.is_set() and not self._news:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_S):
                    await self._closed.wait()


async def watch_transfers(work: Callable[[Report], Awaitable[Result]], write: Write) -> Result:
    """Do some work and tell of its layers meanwhile; whoever stops watching ends the work."""
    board = ProgressBoard()

    async def carry_out() -> Result:
        try:
            return await work(board.note)
        finally:
            board.close()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(carry_out())
        async for transfer in board.changes():
            await write(_convert(transfer))
    return task.result()


def _convert(transfer: Transfer) -> registry_pb2.LayerProgress:
    return registry_pb2.LayerProgress(
        digest=transfer.digest,
        state=transfer.state,
        done_bytes=transfer.done_bytes,
        total_bytes=transfer.total_bytes,
        note=transfer.note,
    )
