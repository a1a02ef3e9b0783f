"""What comes is stored, and unpacked from where it is stored, neither waiting for the other's every step.

On a busy machine a change of threads takes milliseconds. So pieces pile up, and who is free takes all that are there.
"""

import asyncio
from collections.abc import AsyncIterator

from controller.images.blobs import BlobWriter
from controller.ports import Following

_MOST_AHEAD_BYTES = 4 << 20


async def take_in(chunks: AsyncIterator[bytes], blob: BlobWriter, following: Following) -> None:
    """Store everything, and tell of it; the first error of the three, which is raised, ends the others."""
    backlog = _Backlog()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_store(backlog, blob, following))
            async for chunk in chunks:
                await backlog.put(chunk)
            backlog.end()
    except BaseExceptionGroup as group:
        raise _find_first(group) from None


async def _store(backlog: "_Backlog", blob: BlobWriter, following: Following) -> None:
    while pieces := await backlog.take():
        await blob.write(*pieces)
        await following.grown()


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
