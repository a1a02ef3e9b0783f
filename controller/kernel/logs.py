"""Reads the logs that conmon writes in the CRI format: time, stream, P or F (part, full line), text."""

import asyncio
import collections
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from controller.kernel import syscalls
from controller.kernel.inotify import FileEvent, Inotify
from controller.ports import LogLine, Stream

_CHUNK_BYTES = 1 << 18


def parse_line(line: bytes) -> LogLine | None:
    """Return one line of the file, None for what is not in the format (cut off by a crash)."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4 or parts[2] not in (b"P", b"F"):
        return None
    try:
        at = datetime.fromisoformat(_cut_nanoseconds(parts[0].decode()))
        stream = Stream(parts[1].decode())
    except ValueError:
        return None
    return LogLine(at=at, stream=stream, data=parts[3] + (b"\n" if parts[2] == b"F" else b""))


def _cut_nanoseconds(text: str) -> str:
    """Python's times have six digits of a second, conmon's nine."""
    head, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{head}{dot}{rest[: min(digits, 6)]}{rest[digits:]}"


class LogFollower:
    """Reads one log, across rotation, until `close` or the file's directory is removed; needs a running loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = asyncio.Event()
        self._gone = False
        self._fd: int | None = None
        self._rest = b""
        self._inotify = Inotify(self._on_event)
        self._directory_watch = self._inotify.watch(
            str(path.parent),
            syscalls.IN_CREATE | syscalls.IN_MOVED_TO | syscalls.IN_DELETE | syscalls.IN_DELETE_SELF,
        )
        self._file_watch: int | None = None
        self._open()

    def read_lines(self) -> list[LogLine]:
        """Return the whole lines written since the last call."""
        lines: list[LogLine] = []
        while self._fd is not None and (data := os.read(self._fd, _CHUNK_BYTES)):
            *whole, self._rest = (self._rest + data).split(b"\n")
            lines += [line for text in whole if (line := parse_line(text)) is not None]
        if self._is_replaced():
            self._open()
            lines += self.read_lines()
        return lines

    async def wait(self) -> bool:
        """Wait until there may be more; False when the log is gone for good."""
        if not self._gone and self._directory_watch is not None:
            await self._changed.wait()
            self._changed.clear()
        return not self._gone and self._directory_watch is not None

    def close(self) -> None:
        """Let go of the file."""
        self._inotify.close()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._rest = b""
        if self._file_watch is not None:
            self._inotify.unwatch(self._file_watch)
        self._file_watch = self._inotify.watch(str(self._path), syscalls.IN_MODIFY)
        with contextlib.suppress(FileNotFoundError):
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def _is_replaced(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._fd is None:
            return True
        old = os.fstat(self._fd)
        return (old.st_dev, old.st_ino) != (now.st_dev, now.st_ino)

    def _on_event(self, event: FileEvent) -> None:
        if event.watch == self._directory_watch:
            # The directory itself does not go while the file is open here; rotation renames and never deletes.
            deleted = event.mask & syscalls.IN_DELETE and event.name == self._path.name
            if event.mask & (syscalls.IN_DELETE_SELF | syscalls.IN_IGNORED) or (
                deleted and not self._path.exists()
            ):
                self._gone = True
        self._changed.set()


async def read_log(
    path: Path, *, follow: bool, since: datetime | None, tail: int | None
) -> AsyncIterator[LogLine]:
    """Yield the log's lines, the last `tail` of those kept, none before `since`; with `follow` go on."""
    follower = LogFollower(path)
    try:
        lines = await asyncio.to_thread(_read_kept, path)
        lines += follower.read_lines()
        kept = [line for line in lines if since is None or line.at >= since]
        for line in collections.deque(kept, maxlen=tail) if tail is not None else kept:
            yield line
        going_on = follow
        while going_on:
            going_on = await follower.wait()
            for line in follower.read_lines():
                if since is None or line.at >= since:
                    yield line
    finally:
        follower.close()


def _read_kept(path: Path) -> list[LogLine]:
    """Return the lines of rotated files, oldest first: the higher its number, the older a file is."""
    rotated = sorted(
        (item for item in path.parent.glob(f"{path.name}.*") if item.suffix[1:].isdigit()),
        key=lambda item: int(item.suffix[1:]),
        reverse=True,
    )
    texts = [line for item in rotated for line in item.read_bytes().split(b"\n")]
    return [line for text in texts if (line := parse_line(text)) is not None]
