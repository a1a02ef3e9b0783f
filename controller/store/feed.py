"""The newest items of a numbered sequence, for any number of readers that each go at their own pace.

Readers keep only their place, so that a slow one costs nothing and holds nobody up. For event loops: one thread only.
"""

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Items numbered without gaps; the newest `most` (or a little more) are kept, and all that came at once."""

    def __init__(self, position: int, most: int) -> None:
        """Begin behind number `position`, with nothing kept."""
        self._items: list[T] = []
        self._position = position
        self._most = most
        self._news = asyncio.Event()

    @property
    def position(self) -> int:
        """The number of the newest item."""
        return self._position

    def publish(self, items: Sequence[T]) -> None:
        """Append items, the first of which has the number after `position`, and wake every reader."""
        if not items:
            return
        self._items.extend(items)
        self._position += len(items)
        kept = max(self._most, len(items))
        if len(self._items) > kept + self._most // 4:
            del self._items[:-kept]
        self._news.set()
        self._news = asyncio.Event()

    def list_after(self, number: int, limit: int) -> Sequence[T] | None:
        """Return at most `limit` items after `number`, None when the first of them is not kept any more."""
        first = self._position - len(self._items)
        if number < first:
            return None
        start = number - first
        return self._items[start : start + limit]

    async def wait(self, number: int) -> None:
        """Return once there is an item after `number`."""
        while self._position <= number:
            await self._news.wait()
