"""Terminals that an OCI runtime hands over by a socket: the program's own, without the runtime in between.

crun (1.8) carries the bytes of an exec's terminal itself otherwise, and drops what a program wrote that has ended before
crun comes to that.
"""

import os
import socket
from pathlib import Path

from controller.kernel.subprocesses import wait_readable


class ConsoleSocket:
    """A socket in a directory, for one terminal."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "console"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        # Paths of sockets have at most 107 bytes (unix(7)); that of a descriptor is short.
        directory_fd = os.open(directory, os.O_PATH | os.O_CLOEXEC)
        try:
            self._socket.bind(f"/proc/self/fd/{directory_fd}/{self.path.name}")
        finally:
            os.close(directory_fd)
        self._socket.listen(1)

    async def wait(self) -> None:
        """Return when somebody has come."""
        await wait_readable(self._socket.fileno())

    async def receive(self) -> int | None:
        """Return the terminal of who has come, not blocking; None when nobody has."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return None
        with connection:
            await wait_readable(connection.fileno())
            _, fds, _, _ = socket.recv_fds(connection, 1024, 1)
        if not fds:
            return None
        os.set_blocking(fds[0], False)
        return fds[0]

    def close(self) -> None:
        """Close the socket; what was received stays open."""
        self._socket.close()
