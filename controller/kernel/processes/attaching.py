"""Attachment to a container's first process through conmon's socket."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine

from controller.errors import NotFound, Unavailable
from controller.kernel.processes.bundles import Bundle
from controller.ports import Stream

_STDOUT_MARK = 2
"""First byte of each packet: 2 is standard output, 3 standard error (conmon, src/utils.h)."""
_STDERR_MARK = 3
_PACKET_BYTES = 65536
_GATHERED_BYTES = 1 << 17
_INPUT_BYTES = 8000
_WINDOW_MESSAGE = 1
"""Kind of a control message that carries a window's size (conmon, src/ctrl.c)."""


Park = Callable[[Coroutine[None, None, None]], object]
"""Lets something go on after its caller has left."""


class AttachSession:
    """Implements `controller.ports.Session` for an attachment."""

    def __init__(self, bundle: Bundle, connection: socket.socket, park: Park) -> None:
        self._bundle = bundle
        self._connection = connection
        self._park = park
        origin = bundle.read_origin()
        self._keeps_input_open = origin is not None and origin.reads_pipe

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """Yield what the process writes, until it ends."""
        gathered, stream = bytearray(), Stream.STDOUT
        while packet := await self._receive():
            # What has come meanwhile goes along: conmon sends in small packets, and waits for us.
            while packet:
                its = Stream.STDERR if packet[0] == _STDERR_MARK else Stream.STDOUT
                if gathered and (its is not stream or len(gathered) >= _GATHERED_BYTES):
                    yield stream, bytes(gathered)
                    gathered.clear()
                stream = its
                if packet[0] in (_STDOUT_MARK, _STDERR_MARK):
                    gathered += memoryview(packet)[1:]
                packet = self._receive_more()
            if gathered:
                yield stream, bytes(gathered)
                gathered.clear()

    async def _receive(self) -> bytes:
        """Wait for a packet; empty at the end."""
        while True:
            try:
                return await asyncio.get_running_loop().sock_recv(self._connection, _PACKET_BYTES)
            except ConnectionResetError:
                # conmon has left input unread. The kernel tells that once, before it gives what was sent (unix(7)).
                continue
            except OSError:
                return b""

    def _receive_more(self) -> bytes:
        """Return a packet that is there already; empty when there is none, which is looked for again."""
        try:
            return self._connection.recv(_PACKET_BYTES)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send bytes to standard input; lost when the process has ended."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(data), _INPUT_BYTES):
                await loop.sock_sendall(self._connection, data[start : start + _INPUT_BYTES])

    async def close_stdin(self) -> None:
        """End standard input."""
        self._keeps_input_open = False
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    async def resize(self, *, rows: int, columns: int) -> None:
        """Tell the terminal's size; nothing when the process has ended."""
        message = f"{_WINDOW_MESSAGE} {min(rows, 1000)} {min(columns, 1000)}\n".encode()
        with contextlib.suppress(OSError):
            fd = os.open(self._bundle.control_path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fd, message)
            finally:
                os.close(fd)

    async def exit_code(self) -> int | None:
        """Return None: the store tells how the process ended."""
        return None

    async def close(self) -> None:
        """Let go, without an end of standard input.

        To conmon a client that goes has no more to say, and nobody has (src/conn_sock.c): so the connection stays, and what
        comes by it is thrown away until the process ends.
        """
        if not self._keeps_input_open:
            self._connection.close()
            return
        self._keeps_input_open = False
        self._park(self._stay())

    async def _stay(self) -> None:
        try:
            while await self._receive():
                continue
        finally:
            self._connection.close()


async def connect(bundle: Bundle, park: Park) -> AttachSession:
    """Connect to a container's socket, whatever the length of its path. NotFound when there is none."""
    try:
        directory_fd = os.open(bundle.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise NotFound(f"container {bundle.uid} has no process to attach to") from exc
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    connected = False
    try:
        address = f"/proc/self/fd/{directory_fd}/{bundle.attach_path.name}"
        await asyncio.get_running_loop().sock_connect(connection, address)
        connected = True
    except (FileNotFoundError, ConnectionRefusedError) as exc:
        raise NotFound(f"container {bundle.uid} has no process to attach to") from exc
    except OSError as exc:
        raise Unavailable(f"container {bundle.uid} can't be attached to: {exc.strerror}") from exc
    finally:
        os.close(directory_fd)
        if not connected:
            connection.close()
    return AttachSession(bundle, connection, park)
