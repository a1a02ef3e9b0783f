"""Waiting until a descriptor takes more, without a thread."""

import asyncio
import contextlib


async def wait_writable(fd: int) -> None:
    """Return as soon as the descriptor can be written to; it may be closed meanwhile."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        with contextlib.suppress(ValueError):
            loop.remove_writer(fd)
