"""inotify(7) in the event loop."""

import asyncio
import errno
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from controller.kernel import syscalls

_HEADER = struct.Struct("iIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvent:
    """One event: what was watched, the IN_ bits, and the name within a watched directory (or empty)."""

    watch: int
    mask: int
    name: str


class Inotify:
    """Calls `notify` in the loop for every event, from construction to `close`; needs a running loop."""

    def __init__(self, notify: Callable[[FileEvent], None]) -> None:
        self._notify = notify
        self._fd = syscalls.inotify_init1(syscalls.IN_NONBLOCK | syscalls.IN_CLOEXEC)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def watch(self, path: str, mask: int) -> int | None:
        """Watch a path; returns the watch, None when the path is missing."""
        try:
            return syscalls.inotify_add_watch(self._fd, path, mask)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise

    def unwatch(self, watch: int) -> None:
        """Stop a watch; one that the kernel dropped already is no error."""
        try:
            syscalls.inotify_rm_watch(self._fd, watch)
        except OSError as exc:
            if exc.errno != errno.EINVAL:
                raise

    def close(self) -> None:
        """Stop all watches."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        for event in parse_events(data):
            self._notify(event)


def parse_events(data: bytes) -> list[FileEvent]:
    """Return the events in what was read from an inotify descriptor."""
    events = []
    offset = 0
    while offset < len(data):
        watch, mask, _, length = _HEADER.unpack_from(data, offset)
        offset += _HEADER.size
        name = data[offset : offset + length].rstrip(b"\0")
        offset += length
        events.append(FileEvent(watch=watch, mask=mask, name=os.fsdecode(name)))
    return events
