"""Watches of many on one inotify."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent
from controller.kernel.watches import Watches

_DEADLINE_S = 20.0


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[FileEvent] = asyncio.Queue()

    async def get(self) -> FileEvent:
        """Return the next event."""
        async with asyncio.timeout(_DEADLINE_S):
            return await self.events.get()


@pytest.fixture
async def watches() -> AsyncIterator[Watches]:
    """The watches."""
    with contextlib.closing(Watches()) as opened:
        yield opened


async def test_all_who_watch_a_file_are_told(watches: Watches, tmp_path: Path) -> None:
    first, second = Watcher(), Watcher()
    path = tmp_path / "log"
    path.touch()
    kept = watches.add(str(path), syscalls.IN_MODIFY, first.events.put_nowait)
    other = watches.add(str(path), syscalls.IN_MODIFY, second.events.put_nowait)
    assert kept is not None
    assert other is not None
    path.write_text("a")
    assert (await first.get()).mask == (await second.get()).mask == syscalls.IN_MODIFY
    watches.remove(other)
    watches.remove(other)
    path.write_text("ab")
    assert (await first.get()).mask == syscalls.IN_MODIFY
    assert second.events.empty()


async def test_each_may_ask_for_something_else(watches: Watches, tmp_path: Path) -> None:
    made, deleted = Watcher(), Watcher()
    folder = tmp_path / "folder"
    folder.mkdir()
    watches.add(str(folder), syscalls.IN_CREATE, made.events.put_nowait)
    watch = watches.add(str(folder), syscalls.IN_DELETE_SELF, deleted.events.put_nowait)
    (folder / "x").touch()
    assert (await made.get()).name == "x"
    (folder / "x").unlink()
    folder.rmdir()
    masks = [(await deleted.get()).mask for _ in range(3)]
    assert syscalls.IN_DELETE_SELF in masks
    assert syscalls.IN_IGNORED in masks
    assert watch is not None
    watches.remove(watch)


async def test_what_is_missing_can_not_be_watched(watches: Watches, tmp_path: Path) -> None:
    assert watches.add(str(tmp_path / "none"), syscalls.IN_MODIFY, lambda _: None) is None
