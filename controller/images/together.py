"""Several things at once, with one error."""

import asyncio
from collections.abc import Coroutine, Iterable

from controller.errors import HoldError


async def run_together(bodies: Iterable[Coroutine[None, None, None]]) -> None:
    """Run all to their end; the first that fails ends the others, and what it raised is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for body in bodies:
                tasks.create_task(body)
    except ExceptionGroup as group:
        known, other = group.split(HoldError)
        if known is None or other is not None:
            raise
        first: HoldError | ExceptionGroup[HoldError] = known
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from group
