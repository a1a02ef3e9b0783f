"""Whether bytes come fast enough to be waited for: a sender that trickles keeps a connection, and a pull, for ever."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from controller.images.registry.back_off import Patience
from controller.images.registry.messages import Broken


async def paced(chunks: AsyncIterator[bytes], patience: Patience) -> AsyncGenerator[bytes]:
    """Yield what comes. Broken when less than the least rate came while it was waited for as long as for silence.

    Only the time counts in which we wait for the sender, not that in which it waits for us.
    """
    loop = asyncio.get_running_loop()
    waited_s, count_bytes = 0.0, 0
    asked_s = loop.time()
    async for chunk in chunks:
        waited_s += loop.time() - asked_s
        count_bytes += len(chunk)
        if waited_s >= patience.silence_s:
            if count_bytes < patience.least_rate_bytes * waited_s:
                raise Broken(f"it sends less than {patience.least_rate_bytes:,} bytes a second")
            waited_s, count_bytes = 0.0, 0
        yield chunk
        asked_s = loop.time()
