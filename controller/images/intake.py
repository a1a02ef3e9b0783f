"""What comes is stored and unpacked at the same time, neither waiting for the other's every step.

On a busy machine a change of threads takes milliseconds. So pieces pile up, and who is free takes all that are there.
"""

import asyncio
from collections.abc import AsyncIterator

from controller.images.blobs import BlobWriter
from controller.ports import Unpacking

_MOST_AHEAD_BYTES = 4 << 20


async def take_in(chunks: AsyncIterator[bytes], blob: BlobWriter, unpacking: Unpacking) -> None:
    """Give everything to both; the first error of the three, which is raised, ends the others."""
    stored, fed = _Backlog(), _Backlog()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_store(stored, blob))
            tasks.create_task(_feed(fed, unpacking))
            async for chunk in chunks:
                await stored.put(chunk)
                await fed.put(chunk)
            stored.end()
            fed.end()
    except BaseExceptionGroup as group:
        raise _find_first(group) from None


async def _store(backlog: "_Backlog", blob: BlobWriter) -> None:
    while pieces := await backlog.take():
        await blob.write(*pieces)


async def _feed(backlog: "_Backlog", unpacking: Unpacking) -> None:
    while pieces := await backlog.take():
        for piece in pieces:
            await unpacking.feed(piece)


def _find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


class _Backlog:
    """Pieces on their way from one task to another."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._ended = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    async def put(self, piece: bytes) -> None:
        """Add a piece; waits while there are too many."""
        await self._emptied.wait()
        self._pieces.append(piece)
        self._size_bytes += len(piece)
        self._filled.set()
        if self._size_bytes >= _MOST_AHEAD_BYTES:
            self._emptied.clear()

    def end(self) -> None:
        """Say that nothing follows."""
        self._ended = True
        self._filled.set()

    async def take(self) -> list[bytes]:
        """Return all that is there, nothing at the end."""
        await self._filled.wait()
        pieces, self._pieces = self._pieces, []
        self._size_bytes = 0
        self._emptied.set()
        if not self._ended:
            self._filled.clear()
        return pieces
