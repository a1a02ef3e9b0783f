"""Work that blocks, in threads that a cancelled caller waits for: a thread can't be stopped, and may be holding something."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

Result = TypeVar("Result")


async def run_to_end(work: Callable[[], Result]) -> Result:
    """Run `work` in a thread; a caller that is cancelled meanwhile goes on, cancelled, when the thread is done.

    What `work` returns is lost then: see `opened` for what has to be closed.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    finally:
        await _outlast(future)


@contextlib.asynccontextmanager
async def opened(opening: Callable[[], Result], closing: Callable[[Result], None]) -> AsyncIterator[Result]:
    """Give what `opening` returns, and close it after the block, both in threads.

    It is closed as well when the caller is cancelled while the thread opens it.
    """
    future = asyncio.get_running_loop().run_in_executor(None, opening)
    try:
        yield await asyncio.shield(future)
    finally:
        await _close(future, closing)


async def _close(future: asyncio.Future[Result], closing: Callable[[Result], None]) -> None:
    try:
        await _outlast(future)
    finally:
        if future.exception() is None:
            await run_to_end(lambda: closing(future.result()))


async def _outlast(future: asyncio.Future[Result]) -> None:
    """Wait for the end of a thread's work, however often the caller is cancelled; then be cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
