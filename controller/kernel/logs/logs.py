"""Reads and follows the logs of containers: `read_log(path, watches, ...)`, `read_previous_run(path, read, ...)`.

A file is left for the next one only after it was replaced, and then read to its end: whoever writes has let go of it
by then. So nothing is lost, and as files keep their numbers, nothing is read twice.
"""

import asyncio
import collections
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent
from controller.kernel.logs.log_files import (
    list_numbers,
    number_path,
    open_file,
    open_number,
    read_inode,
    read_previous_span,
)
from controller.kernel.logs.log_lines import LineReader, cut_to_last
from controller.kernel.watches import Watch, Watches
from controller.ports import LogLine


class LogCursor:
    """A place in a log, from the oldest line kept to the newest, across its files.

    A file is known by the number that it has, or will have once it is put aside: its inode is not enough, since a
    compressed file has another one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: collections.deque[LineReader] = collections.deque()
        self._newest: LineReader | None = None
        self._newest_number = 0
        self._go_on()

    def skip_to_last(self, lines: int) -> None:
        """Go to where the last `lines` lines begin."""
        readers = [*self._pending, *([self._newest] if self._newest is not None else [])]
        missing = lines
        for reader in reversed(readers):
            missing -= reader.skip_to_last(missing)

    def read(self) -> list[LogLine] | None:
        """Return some more pieces; None when there are none at present."""
        while True:
            while self._pending:
                lines = self._pending[0].read()
                if lines is not None:
                    return lines
                self._pending.popleft().close()
            # Looked for before the end is read: what is written after that goes into the next file.
            replaced = self._newest is None or read_inode(self._path) not in (None, self._newest.inode)
            lines = self._newest.read() if self._newest is not None else None
            if lines is not None or not replaced:
                return lines
            self._go_on()
            if self._newest is None and not self._pending:
                return None

    def close(self) -> None:
        """Let go of all files."""
        for reader in self._pending:
            reader.close()
        self._pending.clear()
        if self._newest is not None:
            self._newest.close()
            self._newest = None

    def _go_on(self) -> None:
        """Open the files after the present one, which was read to its end."""
        last_number = self._newest_number
        if self._newest is not None:
            self._newest.close()
        self._newest, self._newest_number, numbers = _open_newest(self._path)
        for number in numbers:
            if last_number < number < self._newest_number:
                reader = open_number(self._path, number)
                if reader is not None:
                    self._pending.append(reader)
        if self._newest is None:
            self._newest_number = max(numbers, default=last_number)


def _open_newest(path: Path) -> tuple[LineReader | None, int, list[int]]:
    """Open the file that is written to; returns its number, and those of earlier files.

    One that is put aside and not replaced yet has its number already. Looked at again until nothing has changed
    meanwhile: while the path leads to a file, that file is not compressed.
    """
    while True:
        numbers = list_numbers(path)
        last = numbers[-1] if numbers else 0
        fd = open_file(path)
        if fd is None:
            return None, last + 1, numbers
        reader = LineReader(fd)
        is_aside = read_inode(number_path(path, last)) == reader.inode
        if list_numbers(path) == numbers and read_inode(path) == reader.inode:
            return reader, last if is_aside else last + 1, numbers
        reader.close()


class LogFollower:
    """Wakes up when there is more in a log, until its file or directory is removed."""

    def __init__(self, path: Path, watches: Watches) -> None:
        self._path = path
        self._changed = asyncio.Event()
        self._gone = False
        self._watches = watches
        self._directory_watch = watches.add(
            str(path.parent),
            syscalls.IN_CREATE | syscalls.IN_MOVED_TO | syscalls.IN_DELETE | syscalls.IN_DELETE_SELF,
            self._on_directory_event,
        )
        self._file_watch: Watch | None = None

    def arm(self) -> None:
        """Be woken up by what comes from now on, in the file that is the newest now; before it is read."""
        self._changed.clear()
        earlier = self._file_watch
        self._file_watch = self._watches.add(str(self._path), syscalls.IN_MODIFY, self._on_file_event)
        if earlier is not None:
            self._watches.remove(earlier)

    async def wait(self, ended: asyncio.Event) -> bool:
        """Wait until there may be more, or `ended` is set; False when the log is gone for good."""
        if self._directory_watch is None or self._gone:
            return False
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(event.wait()) for event in (self._changed, ended)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
        return not self._gone

    def close(self) -> None:
        """Stop watching."""
        for watch in (self._directory_watch, self._file_watch):
            if watch is not None:
                self._watches.remove(watch)

    def _on_file_event(self, _: FileEvent) -> None:
        self._changed.set()

    def _on_directory_event(self, event: FileEvent) -> None:
        # The directory itself does not go while the file is open here; rotation replaces and never deletes.
        deleted = event.mask & syscalls.IN_DELETE and event.name == self._path.name
        if event.mask & (syscalls.IN_DELETE_SELF | syscalls.IN_IGNORED) or (
            deleted and not self._path.exists()
        ):
            self._gone = True
        self._changed.set()


async def read_log(
    path: Path, watches: Watches, *, follow: asyncio.Event | None, since: datetime | None, tail: int | None
) -> AsyncGenerator[LogLine, None]:
    """Yield the log's lines, the last `tail` of those kept, none before `since`; with `follow` go on until it is set."""
    with contextlib.ExitStack() as stack:
        # Watched before it is opened, so that nothing is missed.
        follower = LogFollower(path, watches) if follow is not None else None
        if follower is not None:
            stack.callback(follower.close)
        cursor = stack.enter_context(contextlib.closing(LogCursor(path)))
        if tail is not None:
            await asyncio.to_thread(cursor.skip_to_last, tail)
        going_on = True
        while going_on:
            if follower is not None:
                follower.arm()
            is_last = follow is None or follow.is_set()  # what was written before that is read now
            while (lines := await asyncio.to_thread(cursor.read)) is not None:
                for line in lines:
                    if since is None or line.at >= since:
                        yield line
            going_on = (
                not is_last and follow is not None and follower is not None and await follower.wait(follow)
            )


class ReadLines(Protocol):
    """Yields a log's pieces, as `read_log` does."""

    def __call__(
        self, *, follow: asyncio.Event | None, since: datetime | None, tail: int | None
    ) -> AsyncGenerator[LogLine, None]: ...


async def read_previous_run(
    path: Path, read: ReadLines, *, since: datetime | None, tail: int | None
) -> AsyncGenerator[LogLine, None]:
    """Yield what the process before the present one has written; NotFound when there was none."""
    begin, end = read_previous_span(path)
    first = max(begin, since) if since is not None else begin
    found: list[LogLine] = []
    async with contextlib.aclosing(read(follow=None, since=first, tail=None)) as lines:
        async for line in lines:
            if line.at >= end:
                break
            found.append(line)
    for line in found if tail is None else cut_to_last(found, tail):
        yield line
