"""Reads and follows the logs of containers: `read_log(path, ...)`, `read_previous_run(path, ...)`.

A file is left for the next one only after it was replaced, and then read to its end: whoever writes has let go of it
by then. So nothing is lost, and as files keep their numbers, nothing is read twice.
"""

import asyncio
import collections
import contextlib
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from pathlib import Path

from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent, Inotify
from controller.kernel.log_files import (
    LineReader,
    list_numbers,
    number_path,
    open_file,
    read_inode,
    read_previous_span,
)
from controller.ports import LogLine


class LogCursor:
    """A place in a log, from the oldest line kept to the newest, across its files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: collections.deque[LineReader] = collections.deque()
        self._last_number = 0
        self._newest: LineReader | None = None
        self._go_on()

    def skip_to_last(self, lines: int) -> None:
        """Go to where the last `lines` lines begin."""
        readers = [*self._pending, *([self._newest] if self._newest is not None else [])]
        missing = lines
        for reader in reversed(readers):
            missing -= reader.skip_to_last(missing)

    def read(self) -> list[LogLine] | None:
        """Return some more whole lines; None when there are none at present."""
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
        """Open the files after the present one, which was read to its end.

        A file that is open keeps its inode from being used again, so equal inodes are one file.
        """
        present = self._newest
        newest_fd = open_file(self._path)
        self._newest = LineReader(newest_fd) if newest_fd is not None else None
        for number in list_numbers(self._path):
            fd = open_file(number_path(self._path, number)) if number > self._last_number else None
            self._last_number = max(number, self._last_number)
            if fd is None:
                continue
            reader = LineReader(fd)
            if self._newest is not None and reader.inode == self._newest.inode:
                reader.close()
                break  # later ones come after the newest of now, and are found when it has been read
            if present is not None and reader.inode == present.inode:
                reader.close()
            else:
                self._pending.append(reader)
        if present is not None:
            present.close()


class LogFollower:
    """Wakes up when there is more in a log, until its file or directory is removed; needs a running loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = asyncio.Event()
        self._gone = False
        self._inotify = Inotify(self._on_event)
        self._directory_watch = self._inotify.watch(
            str(path.parent),
            syscalls.IN_CREATE | syscalls.IN_MOVED_TO | syscalls.IN_DELETE | syscalls.IN_DELETE_SELF,
        )
        self._file_watch: int | None = None

    def arm(self) -> None:
        """Be woken up by what comes from now on, in the file that is the newest now; before it is read."""
        self._changed.clear()
        watch = self._inotify.watch(str(self._path), syscalls.IN_MODIFY)
        if watch != self._file_watch and self._file_watch is not None:
            self._inotify.unwatch(self._file_watch)
        self._file_watch = watch

    async def wait(self) -> bool:
        """Wait until there may be more; False when the log is gone for good."""
        if not self._gone and self._directory_watch is not None:
            await self._changed.wait()
        return not self._gone and self._directory_watch is not None

    def close(self) -> None:
        """Stop watching."""
        self._inotify.close()

    def _on_event(self, event: FileEvent) -> None:
        if event.watch == self._directory_watch:
            # The directory itself does not go while the file is open here; rotation replaces and never deletes.
            deleted = event.mask & syscalls.IN_DELETE and event.name == self._path.name
            if event.mask & (syscalls.IN_DELETE_SELF | syscalls.IN_IGNORED) or (
                deleted and not self._path.exists()
            ):
                self._gone = True
        self._changed.set()


async def read_log(
    path: Path, *, follow: bool, since: datetime | None, tail: int | None
) -> AsyncGenerator[LogLine, None]:
    """Yield the log's lines, the last `tail` of those kept, none before `since`; with `follow` go on."""
    with contextlib.closing(LogFollower(path)) as follower, contextlib.closing(LogCursor(path)) as cursor:
        if tail is not None:
            await asyncio.to_thread(cursor.skip_to_last, tail)
        going_on = True
        while going_on:
            follower.arm()
            while (lines := await asyncio.to_thread(cursor.read)) is not None:
                for line in lines:
                    if since is None or line.at >= since:
                        yield line
            going_on = follow and await follower.wait()


async def read_previous_run(
    path: Path, *, since: datetime | None, tail: int | None
) -> AsyncGenerator[LogLine, None]:
    """Yield what the process before the present one has written; NotFound when there was none."""
    begin, end = read_previous_span(path)
    first = max(begin, since) if since is not None else begin
    found: list[LogLine] = []
    async with contextlib.aclosing(read_log(path, follow=False, since=first, tail=None)) as lines:
        async for line in lines:
            if line.at >= end:
                break
            found.append(line)
    for line in found[_find_last(found, tail) :]:
        yield line


def _find_last(lines: Sequence[LogLine], tail: int | None) -> int:
    """Return where the last `tail` whole lines begin."""
    ends = [index + 1 for index, line in enumerate(lines[:-1]) if line.data.endswith(b"\n")]
    if tail is None or tail > len(ends):
        return 0
    return ends[-tail] if tail else len(lines)
