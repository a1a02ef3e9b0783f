"""Streams of a child, without a thread and without a byte of them kept."""

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator

from controller.kernel.subprocesses import wait_readable
from controller.kernel.writable import wait_writable

CHUNK_BYTES = 1 << 20


class Pipe:
    """A pipe with much room; closing an end twice is nothing."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        self._open = {self.read_fd, self.write_fd}
        with contextlib.suppress(PermissionError):  # this user's pipes have too much room already (pipe(7))
            fcntl.fcntl(self.read_fd, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)

    def close(self, fd: int) -> None:
        """Close one end."""
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def close_both(self) -> None:
        """Close what is still open."""
        self.close(self.read_fd)
        self.close(self.write_fd)


async def read_chunks(fd: int) -> AsyncIterator[bytes]:
    """Yield what comes out of a pipe until its other end is closed."""
    os.set_blocking(fd, False)
    while True:
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            await wait_readable(fd)
            continue
        if not data:
            return
        yield data


async def write_all(fd: int, data: bytes) -> None:
    """Write everything to a non-blocking pipe; BrokenPipeError when nobody reads any more."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:
            await wait_writable(fd)
